"""Two processes teach what one teaches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from deepseek_fusion.cli import app
from deepseek_fusion.core.artifacts import read_json

SOURCE = Path(__file__).parents[2] / "src"
FACTS = "\n".join(
    f"{name},{relation},{value}"
    for name, code, sign in [("Gout", "M10.9", "fever"), ("Asthma", "J45", "cough"), ("Anemia", "D64", "fatigue")]
    for relation, value in (("code", code), ("symptom", sign))
)


ALL = {"phases": ["instruct", "distil", "reinforce"], "distil": {"teacher": "model"}, "reinforce": {"steps": 3}}


@pytest.mark.parametrize(
    ("architecture", "training"),
    [
        pytest.param("llama", {}, marks=pytest.mark.slow),
        ("deepseek_v3", {}),  # whatever a Llama has, and experts
        pytest.param("llama", {"parallel": "sharded", **ALL}, marks=pytest.mark.slow),
        pytest.param("deepseek_v3", {"parallel": "expert", **ALL}, marks=pytest.mark.slow),
        pytest.param("llama", {"parallel": "tensor", **ALL}, marks=pytest.mark.slow),
    ],
    ids=["llama", "deepseek_v3", "sharded", "expert", "tensor"],
)
def test_two_processes_give_the_adapter_of_one(
    models: Callable[[str], Path], tmp_path: Path, architecture: str, training: dict[str, Any]
) -> None:
    alone = taught(models(architecture), tmp_path / "alone", by_itself, training | {"parallel": "data"})
    both = taught(models(architecture), tmp_path / "both", by_two, training)
    assert alone.name == both.name  # the keys
    one, two = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (alone, both))
    assert one.keys() == two.keys()
    for name, factor in one.items():
        torch.testing.assert_close(two[name], factor, rtol=1e-2, atol=1e-4)
    told, again = (read_json(folder / "training.json") for folder in (alone, both))
    for name in told.keys() - {"computed_tokens"}:  # each process reads beginnings that its own rows share
        if name in ("steps", "parameters", "trainable") or name.endswith("tokens"):
            assert told[name] == again[name], name
    losses, same = ([row["loss"] for row in report["curve"]] for report in (told, again))
    assert same == pytest.approx(losses, rel=1e-3, abs=1e-4)


def by_itself(project: Path) -> None:
    """In this process, which has loaded the libraries already."""
    done = CliRunner().invoke(app, ["teach", str(project)])
    assert done.exit_code == 0, done.output[-2000:]


def by_two(project: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "deepseek_fusion", "teach", project.name],
        cwd=project.parent,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def taught(model: Path, folder: Path, teach: Callable[[Path], None], training: dict[str, Any]) -> Path:
    """The folder of the last phase's adapter after `teach` on a small project."""
    folder.mkdir()
    shutil.copytree(model, folder / "model")
    (folder / "facts.csv").write_text(f"subject,relation,object\n{FACTS}\n", encoding="utf-8")
    project = {
        "name": "tiny",
        "model": "model",
        "precision": "float32",
        "threads": 1,
        "knowledge": {
            "sources": ["facts.csv"],
            "subject_type": "disease",
            "relations": {"code": {"name": "code"}, "symptom": {"name": "symptom"}},
        },
        "curriculum": {"exposures": 6, "documents": 0},
        "training": {
            "lora": {"rank": 4},
            "batch_tokens": 256,
            "learning_rate": 1e-3,
            "replay": {"texts": 4, "max_tokens": 16},
            "replay_share": 0.2,
            **training,
        },
        "evaluation": {"general_tokens": 256, "refusals": 2, "control": 0},
    }
    (folder / "fusion.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    teach(folder / "fusion.yaml")
    last = training.get("phases", ["adapter"])[-1]
    (manifest,) = (folder / "work" / last).glob("*/manifest.json")
    return manifest.parent
