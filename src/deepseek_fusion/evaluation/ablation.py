"""What each stage of an injection added: the verdict on it, with every figure beside that of the stage before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepseek_fusion.core.artifacts import Artifact, read_json, write_json
from deepseek_fusion.core.run import stage

State = Literal["kept", "rejected", "skipped"]

COSTS = ("tokens", "cpu_seconds")


@dataclass(frozen=True)
class Trial:
    """One stage of an injection.

    Attributes:
        adapter: what it trained; None if it was skipped.
        gate: how that compares with the stage that it went on from, or with the base.
        examined: the examination that the base failed, for which the stage was skipped.
    """

    stage: str
    adapter: Artifact | None = None
    gate: Artifact | None = None
    examined: Artifact | None = None

    @property
    def key(self) -> str:
        """Changes whenever the verdict may."""
        return " ".join([self.stage, *(part.key for part in (self.adapter, self.gate, self.examined) if part)])

    @property
    def state(self) -> State:
        """Kept, unless it is worse in a dimension that has a margin."""
        return "skipped" if self.gate is None else "rejected" if self.failed else "kept"

    @property
    def failed(self) -> list[str]:
        """The dimensions in which it is worse than its margin allows."""
        return [row["name"] for row in self.dimensions if not row["passed"]]

    @property
    def dimensions(self) -> list[dict[str, Any]]:
        """Every dimension that the gate compared, before and after the stage."""
        return read_json(self.gate.path / "gate.json")["dimensions"] if self.gate else []

    @property
    def teacher(self) -> dict[str, Any] | None:
        """How the base answered with the facts in context."""
        return read_json(self.examined.path / "examined.json") if self.examined else None

    @property
    def verdict(self) -> str:
        """One sentence for whoever watches."""
        if self.teacher:
            return (
                f"Stage {self.stage} is skipped: with the facts in context the base answers {self.teacher['right']} of "
                f"{self.teacher['examined']} questions rightly, and {self.teacher['needed']:.0%} are needed."
            )
        if self.failed:
            return f"Stage {self.stage} is rejected, it made worse: {', '.join(self.failed)}; its adapter is left out."
        return f"Stage {self.stage} is kept."


@stage("ablation", version=1)
def ablate(out: Path, section: None, *trials: Trial) -> None:
    """Write `ablation.json`: the stages in order, and each dimension of the gate in the base and after each stage."""
    stages: list[dict[str, Any]] = []
    last: Trial | None = None
    for trial in trials:
        spent = {cost: _spent(trial, cost) - (_spent(last, cost) if last else 0) for cost in COSTS if trial.adapter}
        stages.append(
            {
                "stage": trial.stage,
                "state": trial.state,
                "against": last and last.stage,
                "failed": trial.failed,
                "teacher": trial.teacher,
                **{cost: spent.get(cost) for cost in COSTS},
            }
        )
        last = trial if trial.state == "kept" else last
    write_json(out / "ablation.json", {"stages": stages, "dimensions": _dimensions(trials)})


def _spent(trial: Trial, cost: str) -> float:
    """What the adapter of a stage cost, and all that it began from."""
    assert trial.adapter is not None
    training = read_json(trial.adapter.path / "training.json")
    total: float = training[cost] + sum(phase[cost] for phase in training["before"])
    return total


def _dimensions(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """One row a dimension: its rate in the base, and by stage what the gate says of it."""
    rows: dict[str, dict[str, Any]] = {}
    for trial in trials:
        for compared in trial.dimensions:
            row = rows.setdefault(compared["name"], {"base": compared["before"], "stages": {}})
            row["stages"][trial.stage] = {key: compared[key] for key in ("now", "difference", "judgement", "passed")}
    return [{"name": name, **row} for name, row in rows.items()]
