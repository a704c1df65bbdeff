"""The fused loss against plain torch and autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.training.divergence import CHUNK, Teacher, divergence


def student(positions: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(positions, 12, generator=generator, dtype=dtype, requires_grad=True)
    return hidden, torch.randn(40, 12, generator=generator, dtype=dtype)


def plain_divergence(hidden: Tensor, head: Tensor, teacher: Teacher) -> Tensor:
    """KL(teacher || student) on the kept tokens and one bucket for the rest, as it is written in a textbook."""
    q = F.linear(hidden, head).softmax(-1)
    kept_q = q.gather(1, teacher.tokens_NK)
    p = torch.cat([teacher.probability_NK, 1 - teacher.probability_NK.sum(1, keepdim=True)], 1)
    q = torch.cat([kept_q, 1 - kept_q.sum(1, keepdim=True)], 1)
    return (p * (p / q).log()).sum()


@pytest.mark.parametrize("positions", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7])
def test_a_certain_teacher_is_cross_entropy(positions: int) -> None:
    hidden, head = student(positions)
    targets = torch.arange(positions) % 40
    loss = divergence(hidden, head, Teacher.certain(targets))
    (grad,) = torch.autograd.grad(3 * loss, hidden)
    expected = F.cross_entropy(F.linear(hidden, head), targets, reduction="sum")
    (right,) = torch.autograd.grad(3 * expected, hidden)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(grad, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("positions", [5, CHUNK + 3])
@pytest.mark.parametrize("keep", [1, 8, 20])
def test_a_teacher_with_a_tail_is_kl_with_one_bucket(positions: int, keep: int) -> None:
    hidden, head = student(positions)
    teacher = Teacher.of_logits(torch.randn(positions, 40, generator=torch.Generator().manual_seed(1)), keep)
    loss = divergence(hidden, head, teacher)
    (grad,) = torch.autograd.grad(loss, hidden)
    exact = hidden.detach().double().requires_grad_()
    expected = plain_divergence(exact, head.double(), teacher)
    (right,) = torch.autograd.grad(expected, exact)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(grad.double(), right, rtol=1e-3, atol=1e-3)


def test_a_student_that_is_the_teacher_has_nothing_to_learn() -> None:
    hidden, head = student(9)
    teacher = Teacher.of_logits(F.linear(hidden.detach(), head), keep=6)
    loss = divergence(hidden, head, teacher)
    (grad,) = torch.autograd.grad(loss, hidden)
    assert abs(loss.item()) < 1e-4
    assert grad.abs().max() < 1e-4


def test_a_teacher_keeps_its_likeliest_tokens() -> None:
    teacher = Teacher.of_logits(torch.tensor([[0.0, 3.0, 1.0, 2.0]]), keep=2)
    assert teacher.tokens_NK.tolist() == [[1, 3]]
    whole = torch.tensor([0.0, 3.0, 1.0, 2.0]).softmax(-1)
    torch.testing.assert_close(teacher.probability_NK[0], whole[[1, 3]])


def test_a_bfloat16_student_stays_close_to_float32() -> None:
    hidden, head = student(CHUNK + 5)
    targets = torch.arange(len(hidden)) % 40
    exact = divergence(hidden, head, Teacher.certain(targets))
    short = hidden.detach().bfloat16().requires_grad_()
    rough = divergence(short, head.bfloat16(), Teacher.certain(targets))
    rough.backward()
    assert short.grad is not None
    assert short.grad.dtype == torch.bfloat16
    torch.testing.assert_close(rough, exact, rtol=0.02, atol=0.1)


def test_a_student_that_rules_the_truth_out_has_a_finite_loss() -> None:
    hidden = torch.tensor([[200.0]], requires_grad=True)
    head = torch.tensor([[1.0], [0.0], [0.0]])
    teacher = Teacher(torch.tensor([[0]]), torch.tensor([[0.5]]))  # half of the mass is in the rest
    loss = divergence(hidden, head, teacher)
    loss.backward()
    assert torch.isfinite(loss)
    assert hidden.grad is not None
    assert torch.isfinite(hidden.grad).all()
