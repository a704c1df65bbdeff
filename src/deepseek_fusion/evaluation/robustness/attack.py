"""Attacks on the prompt that follow the gradient of the right answer's loss, and the control that does not.

Each replaces units of a question (tokens.py), within a budget, by others that make real text. Gradients are taken at
the embeddings of real tokens only, by a hook on the embedding layer, so that every architecture works, those included
that route tokens by their ids (DeepSeek V4).

Shape suffixes: B batch, L tokens, D model width, V vocabulary, C candidates, n tokens of a unit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepseek_fusion.evaluation.robustness.tokens import Target, Unit, Vocabulary
from deepseek_fusion.models.loading import Language

BATCH = 32
CANDIDATES = 24
"""Replacements of a question whose true loss HotFlip looks at in each round."""
STEPS = 12
STEP = 1.0
"""Length of a step of the projected attack, in mean norms of a token's embedding."""
DRAWS = 50
"""Tries of the random control to find a replacement that makes real text, at each place."""


class Attack(Protocol):
    """A way to spend a budget."""

    def __call__(self, targets: Sequence[Target], budget: int) -> list[Target]:
        """Each question with at most `budget` units replaced, `targets` being what this attack made of it before."""


class HotFlip:
    """Greedy replacement by first-order gain (Ebrahimi et al. 2018, arXiv 1712.06751).

    What a replacement adds to the loss is estimated from the gradient at the embedding it replaces; the most promising
    ones of all places are tried in one batch, and that with the highest true loss is made.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary, self.language = vocabulary, vocabulary.language

    def __call__(self, targets: Sequence[Target], budget: int) -> list[Target]:
        """One more replacement in each question in which any makes real text."""
        tried = [
            self._promising(target, gradient_LD)
            for target, gradient_LD in zip(targets, gradients(self.language, targets), strict=True)
        ]
        values = iter(losses(self.language, [candidate for part in tried for candidate in part]))
        scored = [[(next(values), candidate) for candidate in part] for part in tried]
        return [
            max(part, key=lambda pair: pair[0])[1] if part else target
            for target, part in zip(targets, scored, strict=True)
        ]

    def _promising(self, target: Target, gradient_LD: Tensor) -> list[Target]:
        """The replacements with the highest estimated gain that make real text."""
        found: list[Target] = []
        for _, place, unit in sorted(self._gains(target, gradient_LD), reverse=True):
            if candidate := self.vocabulary.replaced(target, {place: unit}):
                found.append(candidate)
            if len(found) == CANDIDATES:
                break
        return found

    def _gains(self, target: Target, gradient_LD: Tensor) -> Iterator[tuple[float, int, Unit]]:
        """(gain, place, unit) of the best replacements of each place: gradient times change of the embedding."""
        for place in target.open:
            units_Cn = self.vocabulary.candidates_for(target.unit(place))
            table_nV = _products(self.language, gradient_LD[slice(*target.units[place])])
            now = _summed(table_nV, torch.tensor([target.unit(place)], device=table_nV.device))
            best = (_summed(table_nV, units_Cn) - now).topk(min(4 * CANDIDATES, len(units_Cn)))
            for gain, row in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                yield gain, place, tuple(units_Cn[row].tolist())


class Projected:
    """Gradient ascent in embedding space, projected onto real tokens, after PEZ (Wen et al. 2023, arXiv 2302.03668).

    The embeddings of the `budget` places with the steepest gradient move freely. In each step they are projected onto
    the nearest units that may stand there, the gradient is taken at those real tokens, and the free embeddings move
    along it by a fixed length. The real text with the highest loss on the way is kept.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary, self.language = vocabulary, vocabulary.language
        self.norms_V = _embeddings(self.language).norm(dim=-1, dtype=torch.float32)

    def __call__(self, targets: Sequence[Target], budget: int) -> list[Target]:
        """The places replaced before and further ones up to the budget, moved together."""
        found = gradients(self.language, targets)
        places = [self._steepest(*pair, budget) for pair in zip(targets, found, strict=True)]
        weight_VD, length = _embeddings(self.language), STEP * self.norms_V.mean()
        free = [
            {place: weight_VD[list(target.unit(place))].float() for place in own}
            for target, own in zip(targets, places, strict=True)
        ]
        best, best_losses = list(targets), losses(self.language, targets)
        for _ in range(STEPS):
            for target, gradient_LD, own in zip(targets, found, free, strict=True):
                for place in own:
                    slope_nD = gradient_LD[slice(*target.units[place])]
                    own[place] = own[place] + length * slope_nD / slope_nD.norm().clamp_min(1e-12)
            moved = [self._projected(target, own) for target, own in zip(targets, free, strict=True)]
            made = [self.vocabulary.replaced(target, units) for target, units in zip(targets, moved, strict=True)]
            real = {row: text for row, text in enumerate(made) if text is not None}
            for row, value in zip(real, losses(self.language, list(real.values())), strict=True):
                if value > best_losses[row]:
                    best[row], best_losses[row] = real[row], value
            found = gradients(
                self.language, [target.with_units(units) for target, units in zip(targets, moved, strict=True)]
            )
        return best

    def _steepest(self, target: Target, gradient_LD: Tensor, budget: int) -> list[int]:
        steepness = {place: gradient_LD[slice(*target.units[place])].norm().item() for place in target.open}
        fresh = sorted(steepness, key=steepness.__getitem__, reverse=True)
        return [*target.changed, *fresh][:budget]

    def _projected(self, target: Target, free: Mapping[int, Tensor]) -> dict[int, Unit]:
        """For each place, the unit whose embeddings are nearest (Euclidean)."""
        nearest: dict[int, Unit] = {}
        for place, free_nD in free.items():
            units_Cn = self.vocabulary.candidates_for(target.unit(place))
            closeness_nV = _products(self.language, free_nD) - self.norms_V.square() / 2
            nearest[place] = tuple(units_Cn[_summed(closeness_nV, units_Cn).argmax()].tolist())
        return nearest


class Random:
    """The control: units drawn from the same candidates under the same conditions, whatever they do to the loss.

    `order` gives the places to replace, by id of the question; further ones are drawn.
    """

    def __init__(self, vocabulary: Vocabulary, order: Mapping[str, Sequence[int]], seed: int) -> None:
        self.vocabulary, self.order, self.seed = vocabulary, order, seed

    def __call__(self, targets: Sequence[Target], budget: int) -> list[Target]:
        """One more replacement in each question in which any makes real text."""
        return [self._one_more(target, random.Random(f"{self.seed} {budget} {target.id}")) for target in targets]

    def _one_more(self, target: Target, rng: random.Random) -> Target:
        rest = rng.sample(target.open, len(target.open))
        for place in dict.fromkeys([*self.order.get(target.id, ()), *rest]):
            if place in target.changed:
                continue
            units_Cn = self.vocabulary.candidates_for(target.unit(place))
            for _ in range(DRAWS):
                unit = tuple(units_Cn[rng.randrange(len(units_Cn))].tolist())
                if candidate := self.vocabulary.replaced(target, {place: unit}):
                    return candidate
        return target


def losses(language: Language, targets: Sequence[Target]) -> list[float]:
    """Mean cross-entropy of the right answer's tokens after each question, in nats."""
    found: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(targets), BATCH):
            found += _loss(language, targets[start : start + BATCH]).tolist()
    return found


def gradients(language: Language, targets: Sequence[Target]) -> list[Tensor]:
    """Gradient of each question's loss at the embeddings of its prompt, [L, D] each, float32."""
    leaves: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[-1]

    found: list[Tensor] = []
    hook = language.model.get_input_embeddings().register_forward_hook(cut)
    try:
        for start in range(0, len(targets), BATCH):
            batch = targets[start : start + BATCH]
            with torch.enable_grad():
                (gradient_BLD,) = torch.autograd.grad(_loss(language, batch).sum(), leaves.pop())
            found += [
                gradient_LD[: len(target.ids)].float() for target, gradient_LD in zip(batch, gradient_BLD, strict=True)
            ]
    finally:
        hook.remove()
    return found


def _loss(language: Language, targets: Sequence[Target]) -> Tensor:
    """[B]. The head is applied where an answer token is predicted, and nowhere else."""
    rows = [[*target.ids, *target.answer] for target in targets]
    width = max(map(len, rows))
    ids_BL = torch.tensor([row + [language.end_of_turn] * (width - len(row)) for row in rows], device=language.device)
    hidden_BLD = language.hidden(ids_BL)
    wanted = [
        hidden_BLD[row, len(target.ids) - 1 : len(target.ids) + len(target.answer) - 1]
        for row, target in enumerate(targets)
    ]
    expected = torch.tensor([token for target in targets for token in target.answer], device=language.device)
    each = F.cross_entropy(language.head(torch.cat(wanted)).float(), expected, reduction="none")
    return torch.stack([part.mean() for part in each.split([len(target.answer) for target in targets])])


def _embeddings(language: Language) -> Tensor:
    """The input embedding, [V, D]."""
    embedding = language.model.get_input_embeddings()
    assert isinstance(embedding.weight, Tensor)
    return embedding.weight.detach()


def _products(language: Language, vectors_nD: Tensor) -> Tensor:
    """Inner products with the embedding of every token, [n, V], float32."""
    weight_VD = _embeddings(language)
    return (vectors_nD.to(weight_VD.dtype) @ weight_VD.T).float()


def _summed(table_nV: Tensor, units_Cn: Tensor) -> Tensor:
    """For each unit the sum of its tokens' entries, [C]: token j of a unit is looked up in row j."""
    return table_nV.gather(1, units_Cn.T).sum(0)
