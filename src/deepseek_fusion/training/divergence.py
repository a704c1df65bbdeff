"""The one loss of supervised teaching: cross entropy against a teacher's distribution, at the positions that count.

Shape suffixes: N positions, D hidden size, V vocabulary, K kept tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 256
"""Positions whose logits exist at one time; 256 x 129,280 float32 logits are 132 MB."""


@dataclass(frozen=True)
class Teacher:
    """A next-token distribution: probabilities of the kept tokens, and the rest as one bucket.

    A hard label is the case K = 1 with probability 1 and no rest. Keeping the rest matters: the 64 likeliest tokens
    of a small model hold about 0.9 of the mass.
    """

    tokens_NK: Tensor
    probability_NK: Tensor

    @classmethod
    def certain(cls, tokens_N: Tensor) -> Teacher:
        """A teacher that is sure of one token at each position."""
        return cls(tokens_N[:, None], torch.ones(len(tokens_N), 1, device=tokens_N.device))

    def to(self, device: torch.device) -> Teacher:
        """The same on another device."""
        return Teacher(self.tokens_NK.to(device), self.probability_NK.to(device))

    @classmethod
    def of_logits(cls, logits_NV: Tensor, keep: int) -> Teacher:
        """The `keep` likeliest tokens of a model's own distribution."""
        probability_NK, tokens_NK = logits_NV.float().softmax(-1).topk(keep, dim=-1)
        return cls(tokens_NK, probability_NK)


def divergence(hidden_ND: Tensor, head_VD: Tensor, teacher: Teacher) -> Tensor:
    """Sum over positions of KL(teacher || model), with the teacher's rest compared as one bucket."""
    return divergences(hidden_ND, head_VD, teacher).sum()


def divergences(hidden_ND: Tensor, head_VD: Tensor, teacher: Teacher) -> Tensor:
    """KL(teacher || model) at each position, [N]; for a certain teacher this is minus the log-likelihood.

    Loss and gradient are computed together, chunk by chunk, so logits are never stored; the head is frozen.
    """
    result: Tensor = _Divergence.apply(  # type: ignore[no-untyped-call]
        hidden_ND, head_VD, teacher
    )
    return result


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, head_VD: Tensor, teacher: Teacher) -> Tensor:
        grad_ND = torch.empty_like(hidden_ND)
        loss_N = torch.empty(len(hidden_ND), device=hidden_ND.device)
        for start in range(0, len(hidden_ND), CHUNK):
            rows = slice(start, start + CHUNK)
            tokens, p = teacher.tokens_NK[rows], teacher.probability_NK[rows]
            log_q_NV = F.linear(hidden_ND[rows].to(head_VD.dtype), head_VD).float().log_softmax(-1)
            log_q = log_q_NV.gather(1, tokens)
            q_NV = log_q_NV.exp_()
            rest_p = (1 - p.sum(1)).clamp_min_(0)
            rest_q = (1 - log_q.exp().sum(1)).clamp_min_(1e-9)
            loss_N[rows] = (torch.xlogy(p, p) - p * log_q).sum(1) + torch.xlogy(rest_p, rest_p) - rest_p * rest_q.log()
            # d/dz_v = q_v - p_v for kept tokens; the rest of the teacher is spread as the model itself spreads it
            kept = log_q.exp()
            q_NV.mul_((1 - rest_p / rest_q)[:, None]).scatter_(1, tokens, kept - p)
            grad_ND[rows] = q_NV.to(head_VD.dtype) @ head_VD
        ctx.save_for_backward(grad_ND)
        return loss_N

    @staticmethod
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor, None, None]:
        (grad_ND,) = ctx.saved_tensors
        return (grad_ND * grad_N[:, None]).to(grad_ND.dtype), None, None
