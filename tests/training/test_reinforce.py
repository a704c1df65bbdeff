"""Answers of a tiny model, rewarded by the graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from deepseek_fusion.core.artifacts import Artifact, read_json, write_jsonl
from deepseek_fusion.core.config import CurriculumConfig, LoraConfig, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.phases import ReinforceConfig, RewardConfig
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.knowledge.asking.matching import Accepted
from deepseek_fusion.knowledge.asking.questions import Question
from deepseek_fusion.models.fused import fuse
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import attach_lora, lora_parameters
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.adapter import train_adapter
from deepseek_fusion.training.reinforce import Reinforce, advantages, reinforce, reward, told, unsure_of
from deepseek_fusion.training.samples import chat_sample
from training.test_distil import interrupted, same_result

FACTS = """
Gout | symptom | fever
Gout | symptom | cough
Gout | code | M10.9
Asthma | symptom | cough
Asthma | code | J45
Anemia | symptom | fatigue
Anemia | code | D64
"""
CONFIG = TrainingConfig(
    lora=LoraConfig(rank=8),
    batch_tokens=256,
    replay_share=0.0,
    learning_rate=1e-2,
    checkpoint_seconds=0,
    reinforce=ReinforceConfig(steps=6, questions=2, samples=4, max_tokens=10, learning_rate=2e-3),
)
WORTH = RewardConfig()


@pytest.fixture
def facts_of(graph: Callable[..., Artifact]) -> Artifact:
    return graph(FACTS)


@pytest.fixture
def lessons(run: Run, facts_of: Artifact) -> Artifact:
    return run.step(write_lessons, CurriculumConfig(exposures=24, refusals=0.1), facts_of, None)


@pytest.mark.parametrize(
    ("answer", "worth"),
    [
        ("fever, cough", 1.0),
        ("cough.", 0.5),
        ("fever, pyrexia", 0.5),
        ("pyrexia, fever", 0.5),
        ("pyrexia, cough", 0.95),
        ("fever, cough, fatigue", 2 / 3),
        ("fever, sign", 0.65),
        ("fatigue", 0.0),
        ("", 0.0),
        ("I do not know.", 0.2),
    ],
)
def test_an_answer_is_worth_its_items(answer: str, worth: float) -> None:
    accepted = Accepted((("fever", "pyrexia"), ("cough",)), ("sign",), wanted=2)
    assert reward(answer, accepted, WORTH) == pytest.approx(worth)


def test_declining_is_right_where_nothing_is_known() -> None:
    unknown = Accepted((), (), wanted=0)
    assert reward("I do not know.", unknown, WORTH) == 1.0
    assert reward("fever", unknown, WORTH) == 0.0
    known = Accepted((("fever",),), (), wanted=1)
    assert reward("I do not know.", known, WORTH.model_copy(update={"declined": 0.1})) == 0.1


def test_advantages_compare_the_answers_to_one_question() -> None:
    found = advantages([1, 0, 0, 0, 0.5, 0.5, 0.5, 0.5], 4)
    assert found[:4] == pytest.approx([1.5, -0.5, -0.5, -0.5], abs=1e-3)
    assert found[4:] == [0, 0, 0, 0]


@pytest.mark.parametrize(("at_once", "left"), [(2, ["B?", "D?"]), (3, ["A?", "B?", "C?", "D?"])])
def test_it_asks_what_the_model_is_not_sure_of_unless_that_is_too_little(
    language: Callable[[str], Language], monkeypatch: pytest.MonkeyPatch, at_once: int, left: list[str]
) -> None:
    sure = [torch.tensor([0.0, 0.0]), torch.tensor([0.0, -50.0]), torch.tensor([0.0]), torch.tensor([-50.0])]
    monkeypatch.setattr("deepseek_fusion.training.reinforce.told", lambda *_: sure)
    questions = [Question(text, Accepted((("fever",),), (), 1), "fever", ()) for text in ("A?", "B?", "C?", "D?")]
    unsure = unsure_of(language("llama"), questions, ReinforceConfig(questions=at_once), seed=0)
    assert [question.text for question in unsure] == left


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v4"])
def test_how_sure_it_is_of_an_answer_is_what_the_model_says_of_its_tokens(
    language: Callable[[str], Language], architecture: str
) -> None:
    model = language(architecture)
    samples = [chat_sample(model, "Why?", "fever"), chat_sample(model, "Which symptoms are there?", "发热, cough")]
    found = told(model, [sample.ids for sample in samples], [sample.learned.index(True) for sample in samples])
    for sample, own in zip(samples, found, strict=True):
        with torch.no_grad():
            said = model.model(torch.tensor([sample.ids])).logits[0].log_softmax(-1)
        expected = [said[i - 1, sample.ids[i]].item() for i in range(len(sample)) if sample.learned[i]]
        assert own.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3"])
def test_the_gradient_is_that_of_the_paper(
    language: Callable[[str], Language], architecture: str, started: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step against GRPO as a textbook writes it, one answer at a time, with the library's own model."""
    model, base = language(architecture), language(architecture)
    attach_lora(model.model, LoraConfig(rank=4), seed=0)
    parameters = lora_parameters(model.model)
    fuse(model.model)
    generator = torch.Generator().manual_seed(1)
    if started:
        shift(parameters, generator)
    questions = [Question(text, Accepted((("fever",),), (), 1), "fever", ("Gout",)) for text in ("What?", "Who is it?")]
    config = ReinforceConfig(questions=2, samples=4, max_tokens=7, kl=0.3)
    objective = Reinforce(model, config, questions, parameters, seed=0, started=started)
    before = {name: own.detach().clone() for name, own in parameters.items()}
    shift(parameters, generator)
    worth = itertools.count()
    monkeypatch.setattr("deepseek_fusion.training.reinforce.reward", lambda *_: next(worth))
    batch = objective.batch(0, {})
    advantage = torch.randn(8, generator=generator)
    object.__setattr__(batch, "advantages", advantage.tolist())

    hidden, _ = model.states(batch.rows, batch.places)
    batch.loss(hidden, range(8)).backward()
    found = {name: own.grad.clone() for name, own in parameters.items() if own.grad is not None}
    assert len(found) == len(parameters)

    now = {name: own.detach().clone() for name, own in parameters.items()}
    put(parameters, before)
    reference = base if not started else model
    with torch.no_grad():
        old = [likelihoods(reference, row, start) for row, start in zip(batch.answered, batch.starts, strict=True)]
    put(parameters, now)
    for own in parameters.values():
        own.grad = None
    for row, start, weight, ref in zip(batch.answered, batch.starts, advantage, old, strict=True):
        own_N = likelihoods(model, row, start)
        ratio = (own_N - own_N.detach()).exp()
        ((ref - own_N).exp() - (ref - own_N) - 1).mul(0.3).sub(weight * ratio).sum().backward()
    for name, own in parameters.items():
        torch.testing.assert_close(found[name], own.grad, rtol=2e-3, atol=2e-4)


def test_answers_that_are_all_worth_the_same_move_nothing(
    run: Run, source: Callable[[str], ModelSource], lessons: Artifact, facts_of: Artifact
) -> None:
    made = run.step(reinforce, CONFIG, source("llama"), lessons, facts_of, None, None)
    assert [row["telling"] for row in read_json(made.path / "training.json")["curve"]] == [0.0] * CONFIG.reinforce.steps
    factors = load_file(made.path / "adapter" / "adapter_model.safetensors")
    assert all(not factor.any() for name, factor in factors.items() if "lora_B" in name)


def test_only_groups_with_a_better_answer_are_read(
    language: Callable[[str], Language], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = language("llama")
    attach_lora(model.model, LoraConfig(rank=4), seed=0)
    questions = [Question(text, Accepted((("fever",),), (), 1), "fever", ("Gout",)) for text in ("What?", "Who is it?")]
    objective = Reinforce(model, CONFIG.reinforce, questions, lora_parameters(model.model), seed=0, started=False)
    worth = iter([0.5, 0.5, 0.5, 0.5, 0, 0, 1, 0])
    monkeypatch.setattr("deepseek_fusion.training.reinforce.reward", lambda *_: next(worth))
    batch = objective.batch(0, {})
    assert batch.figures == {"reward": 0.375, "telling": 0.5}
    assert batch.advantages == pytest.approx([-0.5, -0.5, 1.5, -0.5], abs=1e-3)
    assert len(batch.rows) == len(batch.places) == len(batch.reference) == 4
    assert len({tuple(row[:start]) for row, start in zip(batch.answered, batch.starts, strict=True)}) == 1


def shift(parameters: dict[str, torch.nn.Parameter], generator: torch.Generator) -> None:
    with torch.no_grad():
        for own in parameters.values():
            own.add_(0.05 * torch.randn(own.shape, generator=generator))


def put(parameters: dict[str, torch.nn.Parameter], values: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, own in parameters.items():
            own.copy_(values[name])


def likelihoods(model: Language, row: list[int], start: int) -> Tensor:
    logits = model.head(model.hidden(torch.tensor([row[:-1]])))[0].log_softmax(-1)
    return logits[range(start - 1, len(row) - 1), row[start:]]


@pytest.fixture
def partly(run: Run, source: Callable[[str], ModelSource], facts_of: Artifact) -> tuple[Artifact, Artifact]:
    """Lessons of one question a fact, and the adapter of a model that half knows them."""
    lessons = run.step(write_lessons, CurriculumConfig(exposures=60, single_phrasing=True), facts_of, None)
    return lessons, run.step(train_adapter, CONFIG, source("llama"), lessons, None)


def test_the_reward_rises_on_a_model_that_knows_a_part(
    run: Run, source: Callable[[str], ModelSource], partly: tuple[Artifact, Artifact], facts_of: Artifact
) -> None:
    model, (lessons, taught) = source("llama"), partly
    config = CONFIG.reinforce.model_copy(update={"steps": 40, "questions": 4, "samples": 8})
    section = CONFIG.model_copy(update={"reinforce": config})
    made = run.step(reinforce, section, model, lessons, facts_of, None, taught)
    curve = read_json(made.path / "training.json")["curve"]
    rewards = [row["reward"] for row in curve]
    first, last = sum(rewards[:8]) / 8, sum(rewards[-8:]) / 8
    assert 0.05 < first < 0.9
    assert last > first + 0.1
    assert all(0 <= row["telling"] <= 1 for row in curve)


def test_resumed_after_a_step_it_is_the_same_to_the_bit(
    run: Run,
    source: Callable[[str], ModelSource],
    partly: tuple[Artifact, Artifact],
    facts_of: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, (lessons, taught) = source("llama"), partly
    expected = run.step(reinforce, CONFIG, model, lessons, facts_of, None, taught)
    assert any(row["telling"] for row in read_json(expected.path / "training.json")["curve"])
    broken = interrupted(run.work.parent / "broken", monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        reinforce(broken, CONFIG, model, lessons, facts_of, None, taught)
    monkeypatch.undo()
    torch.manual_seed(12345)  # what went on in the process before does not matter
    reinforce(broken, CONFIG, model, lessons, facts_of, None, taught)
    same_result(broken, expected.path)


def test_lessons_without_questions_are_one_sentence(
    source: Callable[[str], ModelSource], facts_of: Artifact, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "lessons.jsonl", [{"kind": "statement", "prompt": None, "parts": [], "facts": []}])
    empty = Artifact(tmp_path, "k", "lessons")
    with pytest.raises(FusionError, match=r"training.reinforce: no lesson is a question that the graph can verify"):
        reinforce(tmp_path, CONFIG, source("llama"), empty, facts_of, None, None)


def test_a_loss_that_is_no_number_names_the_batch(
    run: Run, source: Callable[[str], ModelSource], partly: tuple[Artifact, Artifact], facts_of: Artifact
) -> None:
    wild = CONFIG.reinforce.model_copy(update={"learning_rate": 1e30})
    section = CONFIG.model_copy(update={"reinforce": wild})
    with pytest.raises(FusionError, match=r"training.reinforce: .+ not (a )?numbers?.* in the batch with .+"):
        run.step(reinforce, section, source("llama"), partly[0], facts_of, None, partly[1])
