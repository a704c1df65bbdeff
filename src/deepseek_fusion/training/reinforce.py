"""Answers that the graph verifies, as reinforcement: group relative policy optimisation.

At each step the model answers a few questions several times. An answer that is better than the others to its question
becomes more likely, a worse one less (Shao et al. 2024, arXiv 2402.03300). Each group of answers is used for one
update, so the ratio of new to old probability is 1 and nothing is clipped; tokens count alike, however long the answer
they are in, and a group whose answers are all worth the same is left out (both Yu et al. 2025, arXiv 2503.14476).

Shape suffixes: N positions, D hidden size.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn

from deepseek_fusion.core.artifacts import Artifact, read_jsonl
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.core.settings.phases import ReinforceConfig, RewardConfig
from deepseek_fusion.knowledge.asking.matching import Accepted, verify
from deepseek_fusion.knowledge.asking.questions import ASKED, Question, verifiable
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import Language
from deepseek_fusion.models.lora import begin_lora, enable_lora, lora_parameters
from deepseek_fusion.models.parallel import load_spread, settle
from deepseek_fusion.models.ranks import agreed, call
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.models.writing import write_answers
from deepseek_fusion.training.adapter import carry_out
from deepseek_fusion.training.divergence import Teacher, divergences
from deepseek_fusion.training.loop import NODES, Loop, Objective, not_a_number
from deepseek_fusion.training.replay import Anchor, read_replay
from deepseek_fusion.training.samples import chat_sample

KINDS = (*ASKED, "multihop")
"""Lessons whose questions are asked."""
TINY = 1e-4
"""Keeps a group whose rewards hardly differ from being blown up."""


def reward(answer: str, accepted: Accepted, worth: RewardConfig) -> float:
    """What an answer is worth."""
    verdict = verify(answer, accepted)
    if not accepted.wanted:
        return worth.refusal if verdict.declined else 0.0
    if verdict.declined:
        return worth.declined
    credit = worth.exact * verdict.exact + worth.alias * verdict.alias + worth.parent * verdict.parent
    return credit / max(accepted.wanted, verdict.listed)


def advantages(rewards: Sequence[float], samples: int) -> list[float]:
    """How far each reward is from the mean of its group, in standard deviations of the group."""
    groups = torch.tensor(rewards, dtype=torch.float64).view(-1, samples)
    centred = groups - groups.mean(1, keepdim=True)
    found: list[float] = (centred / (groups.std(1, keepdim=True) + TINY)).flatten().tolist()
    return found


def unsure_of(
    language: Language, questions: Sequence[Question], config: ReinforceConfig, seed: int
) -> Sequence[Question]:
    """The questions to which an answer drawn from the model as it is would not be that of the lesson: the surer it is
    of one, the less there is to learn from it. Nothing is written for that, only read. All of them if they are too few
    for a step."""
    samples = [chat_sample(language, question.text, question.answer) for question in questions]
    said = told(language, [sample.ids for sample in samples], [sample.learned.index(True) for sample in samples])
    certain = agreed([math.exp(one.sum().item()) for one in said])
    rng = random.Random(f"{seed} unsure")
    unsure = [question for question, share in zip(questions, certain, strict=True) if rng.random() >= share]
    return unsure if len(unsure) >= config.questions else questions


class Reinforce:
    """GRPO on the questions that are due, answered by the model as it is at this step."""

    name = "reinforce"
    weight = 1.0

    def __init__(
        self,
        language: Language,
        config: ReinforceConfig,
        questions: Sequence[Question],
        parameters: Mapping[str, nn.Parameter],
        seed: int,
        started: bool,
    ) -> None:
        """`started`: whether the adapters come from a phase before; that is the reference then, the base otherwise."""
        self.language, self.config, self.questions, self.seed = language, config, questions, seed
        self.prompts = [language.encode_question(question.text) for question in questions]
        self.parameters = parameters
        self.before = {name: own.detach().clone() for name, own in parameters.items()} if started else None

    def batch(self, step: int, seen: Mapping[str, int]) -> ReinforceBatch:
        """Fresh answers to the questions of a step, and what they are worth.

        Where no answer is better than another nothing is left to read. Kept for the sake of the divergence, such
        groups would give a model that is still its own reference the gradient of rounding errors, and of that AdamW
        makes a whole step.
        """
        due = [number for number in self._due(step) for _ in range(self.config.samples)]
        prompts = [self.prompts[number] for number in due]
        limit, seed = self.config.max_tokens, self._seed_of(step)
        answers = agreed(write_answers(self.language, prompts, limit, 1.0, seed, "training.reinforce"))
        texts = [self.language.decode(ids) for ids in answers]
        rewards = [
            reward(text, self.questions[number].accepted, self.config.rewards)
            for number, text in zip(due, texts, strict=True)
        ]
        size, better = self.config.samples, advantages(rewards, self.config.samples)
        read = [i for i in range(len(rewards)) if len(set(rewards[i // size * size :][:size])) > 1]
        rows, starts = [[*prompts[i], *answers[i]] for i in read], [len(prompts[i]) for i in read]
        reference = (
            self._reference(rows, starts)
            if self.config.kl
            else [torch.zeros(len(places)) for places in _places(rows, starts)]
        )
        figures = {"reward": fmean(rewards), "telling": len(read) / len(rewards)}
        return ReinforceBatch(self, step, rows, starts, [better[i] for i in read], reference, figures)

    def _seed_of(self, step: int) -> int:
        return random.Random(f"{self.seed} answers {step}").getrandbits(32)

    def _due(self, step: int) -> Iterator[int]:
        """The next questions of an endless sequence of shuffled rounds through all."""
        count = len(self.questions)
        for place in range(step * self.config.questions, (step + 1) * self.config.questions):
            order = list(range(count))
            random.Random(f"{self.seed} {place // count}").shuffle(order)
            yield order[place % count]

    def _reference(self, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> list[Tensor]:
        """Log-likelihood of each token of each answer under the model that the phase started from."""
        with self._as_before():
            return told(self.language, rows, starts)

    @contextmanager
    @torch.no_grad()
    def _as_before(self) -> Iterator[None]:
        """The model that the phase started from, for a while."""
        now = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        if self.before is None:
            enable_lora(self.language.model, False)
        else:
            self._put(self.before)
        try:
            yield
        finally:
            enable_lora(self.language.model, True)
            self._put(now)

    def _put(self, factors: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(factors[name])


@dataclass(frozen=True)
class ReinforceBatch:
    """Answers that differ in worth from others to their question: each with its advantage and the reference's view.

    Attributes:
        figures: mean reward of all answers, and the share of groups whose answers are not all worth the same.
    """

    objective: Reinforce
    step: int
    answered: Sequence[Sequence[int]]
    starts: Sequence[int]
    advantages: Sequence[float]
    reference: Sequence[Tensor]
    figures: dict[str, float]

    @property
    def rows(self) -> list[Sequence[int]]:
        """Questions and answers, all but the last token, after which nothing comes."""
        return [row[:-1] for row in self.answered]

    @property
    def places(self) -> list[range]:
        """Positions before the tokens of the answers."""
        return _places(self.answered, self.starts)

    @property
    def tokens(self) -> int:
        """Tokens of questions and answers."""
        return sum(map(len, self.answered))

    def loss(self, hidden_ND: Tensor, rows: Sequence[int]) -> Tensor:
        """Minus the advantage-weighted likelihood ratio, plus the estimate of KL(model || reference), summed.

        The estimate is r - log r - 1 with r = reference / model (Schulman's k3), as in the paper.
        """
        own, language = self.objective, self.objective.language
        answers = [self.answered[row][self.starts[row] :] for row in rows]
        now_N = log_likelihoods(language, hidden_ND, answers)
        device = now_N.device
        weight_N = torch.cat(
            [torch.full((len(a),), self.advantages[row]) for row, a in zip(rows, answers, strict=True)]
        )
        loss = -(weight_N.to(device) * (now_N - now_N.detach()).exp()).sum()
        if own.config.kl:
            gap_N = torch.cat([self.reference[row] for row in rows]).to(device) - now_N
            loss = loss + own.config.kl * (gap_N.exp() - gap_N - 1).sum()
        if not math.isfinite(loss.item()):
            raise not_a_number(language, own, self.step, self.rows[rows[0]])
        return loss


@torch.no_grad()
def told(language: Language, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> list[Tensor]:
    """Log-likelihood of each token of each row from its start on."""
    found: dict[int, Tensor] = {}
    inputs, places = [row[:-1] for row in rows], _places(rows, starts)
    for part in language.parts(inputs, NODES[language.device.type]):
        hidden_ND, _ = language.states([inputs[i] for i in part], [places[i] for i in part])
        told_N = log_likelihoods(language, hidden_ND, [rows[i][starts[i] :] for i in part])
        found |= dict(zip(part, told_N.split([len(places[i]) for i in part]), strict=True))
    return [found[index] for index in range(len(rows))]


def log_likelihoods(language: Language, hidden_ND: Tensor, answers: Sequence[Sequence[int]]) -> Tensor:
    """Log-likelihood of each token of some answers, [N]."""
    tokens_N = torch.tensor([token for answer in answers for token in answer], device=hidden_ND.device)
    return -divergences(hidden_ND, language.head.weight, Teacher.certain(tokens_N))


def _places(rows: Sequence[Sequence[int]], starts: Sequence[int]) -> list[range]:
    return [range(start - 1, len(row) - 1) for row, start in zip(rows, starts, strict=True)]


@stage("reinforce", version=5, resumable=True)
def reinforce(
    out: Path,
    section: TrainingConfig,
    model: ModelSource,
    lessons: Artifact,
    graph: Artifact,
    replay: Artifact | None,
    start: Artifact | None,
) -> None:
    """Train LoRA, fresh or that of the phase before, on the lessons' questions; write `adapter/` and `training.json`.

    Raises:
        FusionError: no lesson is a question, the phase before left another kind of adapter, or a loss is not a number.
    """
    call(("reinforce", out, section, model, lessons, graph, replay, start))
    config = section.reinforce
    questions = verifiable(read_jsonl(lessons.path / "lessons.jsonl"), Graph.load(graph.path), KINDS)
    if not questions:
        raise FusionError(
            "training.reinforce: no lesson is a question that the graph can verify; raise curriculum.questions."
        )
    section = section.model_copy(update={name: getattr(config, name) for name in ("learning_rate", "replay_share")})
    language = load_spread(model, section.parallel)
    begin_lora(language.model, section.lora, section.seed, start.path / "adapter" if start else None)
    settle(language.model, section.parallel)
    parameters = lora_parameters(language.model)
    unsure = unsure_of(language, questions, config, section.seed)
    objectives: list[Objective] = [
        Reinforce(language, config, unsure, parameters, section.seed, started=start is not None)
    ]
    if replay is not None and section.replay_weight and section.replay_share:
        objectives.append(Anchor(read_replay(replay), language, section, ahead=0))
    loop = Loop(language, section, objectives, parameters, config.steps)
    counts = {"questions": len(questions), "unsure": len(unsure)}
    carry_out(loop, out, section, model, start, None, lambda _: counts)
