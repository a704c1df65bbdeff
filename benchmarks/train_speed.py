"""Our training loop against TRL's SFTTrainer with PEFT: the same model, rows, targets, rate and adapter to begin with.

After every step of TRL's, ours takes the same step on the rows that TRL had just seen, in the same process, so that
both meet the same machine; CPU time is counted. Ours computes in what `precision: auto` takes on the machine. TRL runs
at its defaults and at the fastest of several configurations, tried for a few steps each. Two kinds of data: lessons of
the medical example, and documents with eight questions each, all in one step, where our loop reads a document once and
padding costs TRL nothing. `--memory` measures peak memory instead, in a process for each side.

Run: python benchmarks/train_speed.py [--steps 24]   (about 40 CPU minutes; `pip install trl==1.16.0` first)
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ |= {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
import torch
from transformers import TrainerCallback

from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.models.fused import fuse
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import attach_lora, lora_parameters
from deepseek_fusion.models.source import find_model
from deepseek_fusion.training.lessons import LessonBatch
from deepseek_fusion.training.loop import Loop
from deepseek_fusion.training.samples import Sample, chat_sample
from record import Row, write_results

PROJECT = Path(__file__).parent.parent / "examples" / "medical" / "fusion.yaml"
RATE, RANK, SEED = 2e-4, 16, 0
DEFAULTS: dict[str, Any] = {}
WIDE = {"bf16": False, "gradient_checkpointing": False}
HALF = {"model_init_kwargs": {"dtype": "bfloat16"}}
PACKED = {"packing": True, "per_device_train_batch_size": 1, "max_length": 512}
CANDIDATES: dict[str, dict[str, Any]] = {
    "float32, no checkpointing": WIDE,
    "float32, no checkpointing, 32 rows": WIDE | {"per_device_train_batch_size": 32},
    "float32, no checkpointing, packed": WIDE | PACKED,
    "bfloat16, no checkpointing, packed": {"gradient_checkpointing": False} | PACKED,
    "weights in bfloat16, no checkpointing": WIDE | HALF,
    "weights in bfloat16, no checkpointing, packed": WIDE | HALF | PACKED,
}
UNPACKED: dict[str, dict[str, Any]] = {
    name: CANDIDATES[name] | {"train_sampling_strategy": "sequential"}
    for name in ("float32, no checkpointing", "weights in bfloat16, no checkpointing")
}
BARS = {"defaults": 4.5, "best": 3.0, "documents": 8.0}


def main() -> None:
    """Compare on both kinds of data and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--alone", choices=("ours", "TRL"), help="measure the memory of one side and print it")
    parser.add_argument("--memory", action="store_true", help="measure peak memory only (some minutes)")
    parser.add_argument("--rows", type=Path, help="JSON file of prompts and completions for --alone")
    parser.add_argument("--setting", type=json.loads, default={}, help="configuration of TRL for --alone")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # deprecations inside TRL
    if options.alone:
        lessons = json.loads(options.rows.read_text(encoding="utf-8"))
        _ours_alone(lessons) if options.alone == "ours" else _compare(lessons, options.setting, 3, ours=False)
        status = Path("/proc/self/status").read_text(encoding="utf-8")  # getrusage would count what forked us
        print(int(status.partition("VmHWM:")[2].split()[0]) / 2**10)
        return
    from speed_rows import speed_rows  # only here: memory is measured without it

    lessons, documents = speed_rows(PROJECT)
    command = ["benchmarks/train_speed.py", *sys.argv[1:]]
    if options.memory:
        best = _fastest(lessons, CANDIDATES)
        rows = [_memory(lessons, DEFAULTS, "its defaults"), _memory(lessons, CANDIDATES[best], f"its fastest: {best}")]
        write_results("train_memory", command, rows)
        return
    best, wide = _fastest(lessons, CANDIDATES), _fastest(documents, UNPACKED)
    rows = [
        *_rows("lessons", "defaults", _compare(lessons, DEFAULTS, options.steps), "its defaults"),
        *_rows("lessons", "best", _compare(lessons, CANDIDATES[best], options.steps), f"its best: {best}"),
        *_rows(
            "documents with 8 questions",
            "documents",
            _compare(documents, UNPACKED[wide], options.steps),
            f"{wide}, the questions of one document a step",
        ),
    ]
    write_results("train_speed", command, rows)


@dataclass
class Compared:
    """CPU seconds and losses of each step on both sides."""

    ours: list[float] = field(default_factory=list)
    trl: list[float] = field(default_factory=list)
    our_losses: list[float] = field(default_factory=list)
    trl_losses: list[float] = field(default_factory=list)
    tokens: int = 0
    computed: int = 0


class _Steady(Loop):
    """Our loop at a constant rate."""

    def _learning_rate(self, step: int) -> float:
        return RATE


class _Given:
    name = "lesson"
    weight = 1.0

    def __init__(self, language: Language) -> None:
        self.language = language
        self.samples: Sequence[Sample] = ()

    def batch(self, step: int, seen: Mapping[str, int]) -> LessonBatch:
        return LessonBatch(self.language, self.samples)


class _Turns(TrainerCallback):
    """Times TRL's step, then takes ours on the same rows."""

    def __init__(self, compared: Compared, loop: _Steady | None, given: _Given | None, inputs: dict[str, Any]) -> None:
        self.compared, self.loop, self.given, self.inputs = compared, loop, given, inputs
        self.began = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.compared.trl.append(time.process_time() - self.began)
        if self.loop is None or self.given is None:
            return
        self.given.samples = _samples(self.inputs)
        started = time.process_time()
        taken = self.loop.step()
        self.compared.ours.append(time.process_time() - started)
        self.compared.our_losses.append(taken.losses["lesson"])


def _compare(data: list[dict[str, Any]], setting: Mapping[str, Any], steps: int, ours: bool = True) -> Compared:
    """TRL's steps, each followed by ours."""
    gc.collect()
    language = _language()
    compared, seen = Compared(), dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(language, data, setting, steps, folder)
        given = _Given(language)
        loop = _steady(language, given, steps, dict(trainer.model.named_parameters())) if ours else None
        _capture(trainer, seen)
        trainer.add_callback(_Turns(compared, loop, given, seen))
        with _silence():
            trainer.train()
        compared.trl_losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    if loop is not None:
        compared.tokens, compared.computed = sum(loop.progress.tokens.values()), loop.progress.computed
    return compared


def _ours_alone(data: list[dict[str, Any]]) -> None:
    """Three steps of ours on as many rows as TRL takes by default."""
    language = _language()
    given = _Given(language)
    loop = _steady(language, given, 3)
    rows = [chat_sample(language, row["prompt"][0]["content"], row["completion"][0]["content"]) for row in data[:24]]
    for start in (0, 8, 16):
        given.samples = rows[start : start + 8]
        loop.step()


def _language() -> Language:
    source = find_model(load_config(PROJECT).model, PROJECT.parent)
    return load_language(source, source.torch_dtype)


def _steady(language: Language, given: _Given, steps: int, factors: Mapping[str, Any] | None = None) -> _Steady:
    """Our loop, from the factors that PEFT begins with if they are given."""
    attach_lora(language.model, LoraConfig(rank=RANK), SEED)
    parameters = lora_parameters(language.model)
    if factors is not None:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(factors[f"base_model.model.{name}.default.weight"])
    fuse(language.model)
    language.model.train()
    return _Steady(language, TrainingConfig(learning_rate=RATE), [given], parameters, steps)


def _trainer(
    language: Language, data: list[dict[str, Any]], setting: Mapping[str, Any], steps: int, folder: str
) -> Any:
    from datasets import Dataset  # all of these only here, too
    from peft import LoraConfig as PeftConfig
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=folder,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        adam_beta2=0.99,  # as ours
        max_steps=steps,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
        seed=SEED,
        disable_tqdm=True,
        **{"model_init_kwargs": {"dtype": "float32"}, **setting},
    )
    return SFTTrainer(
        model=str(language.model.config.name_or_path),
        args=config,
        train_dataset=Dataset.from_list(data),
        processing_class=language.tokenizer,
        peft_config=PeftConfig(
            r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )


def _capture(trainer: Any, seen: dict[str, Any]) -> None:
    """Remember what TRL hands to its model."""
    original = trainer.compute_loss

    def compute_loss(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        seen.clear()
        seen.update({name: value.clone() for name, value in inputs.items() if torch.is_tensor(value)})
        return original(model, inputs, *args, **kwargs)

    trainer.compute_loss = compute_loss


def _samples(inputs: Mapping[str, Any]) -> list[Sample]:
    """TRL's batch as rows without padding; packed rows are taken apart where positions begin again."""
    samples = []
    for row, (ids, labels) in enumerate(zip(inputs["input_ids"].tolist(), inputs["labels"].tolist(), strict=True)):
        if "position_ids" in inputs:
            positions = inputs["position_ids"][row].tolist()
            starts = [i for i, position in enumerate(positions) if position == 0]
        else:
            starts = [0]
            ids = ids[: int(inputs["attention_mask"][row].sum())]
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            learned = tuple(label != -100 for label in labels[start:end])
            samples.append(Sample(tuple(ids[start:end]), learned))
    return samples


def _fastest(data: list[dict[str, Any]], candidates: Mapping[str, Mapping[str, Any]]) -> str:
    """The configuration of TRL with the fewest CPU seconds a token, over two steps after the first."""
    cost: dict[str, float] = {}
    for name, setting in candidates.items():
        compared = _compare(data, setting, 3)
        cost[name] = sum(compared.trl[1:]) / (compared.tokens * 2 / 3)
        print(f"TRL, {name}: {1 / cost[name]:.0f} tokens a CPU second", flush=True)
    return min(cost, key=cost.__getitem__)


def _rows(data: str, bar: str, compared: Compared, setting: str) -> list[Row]:
    ratios = [b / a for a, b in zip(compared.ours[1:], compared.trl[1:], strict=True)]
    ratio = sum(compared.trl[1:]) / sum(compared.ours[1:])
    apart = statistics.mean(abs(a - b) for a, b in zip(compared.our_losses, compared.trl_losses, strict=True))
    level = statistics.mean(compared.trl_losses)
    peer = f"TRL {version('trl')} SFTTrainer + PEFT, {setting}"
    steps = len(compared.ours) - 1
    low, high = _interval(ratios)
    return [
        Row(
            figure=f"CPU seconds a step, {data}",
            ours=statistics.median(compared.ours[1:]),
            peer=statistics.median(compared.trl[1:]),
            peer_name=peer,
            ratio=ratio,
            bar=f">= {BARS[bar]}",
            holds=ratio >= BARS[bar],
            n=steps,
            seeds=(SEED,),
            interval=(low, high),
            note=f"{compared.tokens} tokens, {compared.computed} computed by us; interval: 95 % of the mean over steps",
        ),
        Row(
            figure=f"loss, mean difference of the curves, {data}",
            ours=statistics.mean(compared.our_losses),
            peer=level,
            peer_name=peer,
            ratio=apart / level,
            bar="<= 0.01",
            holds=apart / level <= 0.01,
            n=steps + 1,
            seeds=(SEED,),
            note="mean absolute difference of a step's loss, as a share of TRL's mean loss",
        ),
    ]


def _interval(values: Sequence[float]) -> tuple[float, float]:
    center, error = statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))
    return center - 1.96 * error, center + 1.96 * error


def _memory(lessons: list[dict[str, Any]], setting: dict[str, Any], name: str) -> Row:
    """Peak memory over three steps, each side in a process of its own."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.json"
        rows.write_text(json.dumps(lessons), encoding="utf-8")
        for side in ("ours", "TRL"):
            command = [sys.executable, __file__, "--alone", side, "--rows", str(rows), "--setting", json.dumps(setting)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks[side] = float(done.stdout.strip().splitlines()[-1])
    ratio = peaks["TRL"] / peaks["ours"]
    return Row(
        figure="peak memory in MB, lessons",
        ours=peaks["ours"],
        peer=peaks["TRL"],
        peer_name=f"TRL {version('trl')} SFTTrainer + PEFT, {name}",
        ratio=ratio,
        bar=">= 2.0",
        holds=ratio >= 2.0,
        n=3,
        seeds=(SEED,),
        note="whole process; TRL packs 512 tokens a step where it packs, else 8 rows, as ours",
    )


@contextmanager
def _silence() -> Iterator[None]:
    """Keep TRL's own lines off the screen."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        stdout, sys.stdout = sys.stdout, nowhere
        try:
            yield
        finally:
            sys.stdout = stdout


if __name__ == "__main__":
    main()
