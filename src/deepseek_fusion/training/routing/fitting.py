"""A router: which layer to look at, the weights, and the threshold, all by cross-validation over sentences.

Shape suffixes: P prompts, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deepseek_fusion.core.artifacts import Artifact, read_jsonl, write_json, write_jsonl
from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.run import stage
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import load_language
from deepseek_fusion.models.router import Router, depths, mean_states
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.routing.calibration import FOLDS, KINDS, Prompt, calibration_prompts

MISS = 0.02
"""Share of held-out prompts of the domain that may lose the adapter."""
DECAY = 0.01
"""Weight of the squared norm of the weights, against the mean loss, on states of unit variance."""
STEPS = 100


@stage("router", version=1)
def train_router(out: Path, section: TrainingConfig, model: ModelSource, lessons: Artifact, graph: Artifact) -> None:
    """Write `router/` (layer, weights, threshold), `prompts.jsonl` (each prompt, held out) and `calibration.json`.

    Args:
        section: its seed is all that is looked at.

    Raises:
        FusionError: there are too few prompts of the domain, or too few others.
    """
    prompts = calibration_prompts(read_jsonl(lessons.path / "lessons.jsonl"), Graph.load(graph.path), section.seed)
    language = load_language(model, model.torch_dtype)
    states = mean_states(language, [prompt.text for prompt in prompts], depths(language))
    held_out = {layer: _held_out(own, prompts) for layer, own in states.items()}
    losses = {layer: _loss(own, prompts) for layer, own in held_out.items()}
    best = min(losses, key=losses.__getitem__)
    score_P = held_out[best]
    weight_D, bias = fit(states[best], _inside(prompts))
    threshold = threshold_of(score_P[_inside(prompts)])
    Router(best, weight_D.float(), bias, threshold).save(out / "router")
    taken = _taken(score_P, prompts)
    rows = zip(prompts, score_P.sigmoid().tolist(), taken, strict=True)
    write_jsonl(out / "prompts.jsonl", [{**vars(p), "probability": share, "taken": own} for p, share, own in rows])
    write_json(
        out / "calibration.json",
        {
            "miss": MISS,
            "threshold": threshold,
            "layers": [{"layer": layer, "loss": loss} for layer, loss in losses.items()],
            "held_out": _counts(prompts, taken),
        },
    )


def fit(states_PD: Tensor, inside_P: Tensor) -> tuple[Tensor, float]:
    """Weights [D] and bias of a logistic regression with both sides counting alike, by L-BFGS in double precision."""
    mean_D, spread_D = states_PD.double().mean(0), states_PD.double().std(0).clamp_min(1e-6)
    x_PD = (states_PD.double() - mean_D) / spread_D
    y_P = inside_P.double()
    share_P = torch.where(inside_P, 0.5 / y_P.sum(), 0.5 / (1 - y_P).sum())
    scaled = torch.zeros(x_PD.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([scaled], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        score_P = x_PD @ scaled[:-1] + scaled[-1]
        value = F.binary_cross_entropy_with_logits(score_P, y_P, share_P, reduction="sum")
        value = value + DECAY * scaled[:-1].square().sum()
        value.backward()
        return value

    search.step(loss)
    weight_D = scaled.detach()[:-1] / spread_D
    return weight_D, float(scaled.detach()[-1] - weight_D @ mean_D)


def threshold_of(score_P: Tensor) -> float:
    """The probability from which on a prompt is of the domain: one half, or as much less as it takes for at most `MISS`
    of held-out prompts of the domain, whose scores these are, to fall below it."""
    ordered = score_P.sort().values
    return min(0.5, ordered[int(MISS * len(ordered))].sigmoid().item())


def _inside(prompts: Sequence[Prompt]) -> Tensor:
    return torch.tensor([prompt.inside for prompt in prompts])


def _folds(prompts: Sequence[Prompt]) -> Tensor:
    return torch.tensor([prompt.fold for prompt in prompts])


def _held_out(states_PD: Tensor, prompts: Sequence[Prompt]) -> Tensor:
    """Each prompt's score by a fit on the other folds."""
    fold_P, inside_P = _folds(prompts), _inside(prompts)
    score_P = torch.empty(len(prompts), dtype=torch.float64)
    for fold in range(FOLDS):
        out_P = fold_P == fold
        weight_D, bias = fit(states_PD[~out_P], inside_P[~out_P])
        score_P[out_P] = states_PD[out_P].double() @ weight_D + bias
    return score_P


def _loss(score_P: Tensor, prompts: Sequence[Prompt]) -> float:
    """Cross entropy on held-out prompts, the mean of both sides."""
    inside_P = _inside(prompts)
    losses_P = F.binary_cross_entropy_with_logits(score_P, inside_P.double(), reduction="none")
    return (0.5 * (losses_P[inside_P].mean() + losses_P[~inside_P].mean())).item()


def _taken(score_P: Tensor, prompts: Sequence[Prompt]) -> list[bool]:
    """Whether each prompt would get the adapter, by weights and a threshold that both come from the other folds."""
    fold_P, inside_P = _folds(prompts), _inside(prompts)
    thresholds = [threshold_of(score_P[inside_P & (fold_P != fold)]) for fold in range(FOLDS)]
    shares = score_P.sigmoid().tolist()
    return [share >= thresholds[prompt.fold] for share, prompt in zip(shares, prompts, strict=True)]


def _counts(prompts: Sequence[Prompt], taken: Sequence[bool]) -> dict[str, Any]:
    """For each kind how many prompts there were and how many would have got the adapter."""
    rows = list(zip(prompts, taken, strict=True))
    return {
        kind: {
            "n": sum(prompt.kind == kind for prompt in prompts),
            "taken": sum(own for prompt, own in rows if prompt.kind == kind),
        }
        for kind in KINDS
    }
