"""Two processes teach what one teaches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from deepseek_fusion.core.artifacts import read_json

SOURCE = Path(__file__).parents[2] / "src"
FACTS = "\n".join(
    f"{name},{relation},{value}"
    for name, code, sign in [("Gout", "M10.9", "fever"), ("Asthma", "J45", "cough"), ("Anemia", "D64", "fatigue")]
    for relation, value in (("code", code), ("symptom", sign))
)


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3"])
def test_two_processes_give_the_adapter_of_one(
    models: Callable[[str], Path], tmp_path: Path, architecture: str
) -> None:
    alone, both = (taught(models(architecture), tmp_path / name, command) for name, command in COMMANDS.items())
    one, two = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (alone, both))
    assert one.keys() == two.keys()
    for name, factor in one.items():
        torch.testing.assert_close(two[name], factor, rtol=1e-2, atol=1e-4)
    told, again = (read_json(folder / "training.json") for folder in (alone, both))
    for name in ("steps", "tokens", "lesson_tokens", "replay_tokens", "trainable"):
        assert told[name] == again[name]
    losses, same = ([row["loss"] for row in report["curve"]] for report in (told, again))
    assert same == pytest.approx(losses, rel=1e-3, abs=1e-4)


COMMANDS = {
    "alone": [sys.executable, "-m"],
    "both": [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"],
}


def taught(model: Path, folder: Path, command: list[str]) -> Path:
    """The adapter's folder after `teach` on a small project."""
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
        },
        "evaluation": {"general_tokens": 256, "refusals": 2, "control": 0},
    }
    (folder / "fusion.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    done = subprocess.run(
        [*command, "deepseek_fusion", "teach", "fusion.yaml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (manifest,) = (folder / "work" / "adapter").glob("*/manifest.json")
    return manifest.parent
