"""Which prompts a router learns from, where it draws the line, and what it says about itself."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl
from deepseek_fusion.core.config import CurriculumConfig, EvaluationConfig, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.section import as_tree
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.evaluation.answers.general import QUESTIONS
from deepseek_fusion.evaluation.questions.exam import read_exam, write_exam
from deepseek_fusion.evaluation.questions.instructions import INSTRUCTIONS
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import tokens
from deepseek_fusion.models.router import Router
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.training.routing.calibration import FOLDS, KINDS, Prompt, calibration_prompts
from deepseek_fusion.training.routing.fitting import MISS, fit, threshold_of, train_router
from deepseek_fusion.training.routing.general import EVERYDAY, GENERAL, MENTIONS

Build = Callable[..., Artifact]


def prompts_of(run: Run, facts: Artifact, seed: int = 0) -> list[Prompt]:
    lessons = run.step(write_lessons, CurriculumConfig(exposures=24), facts, None)
    return calibration_prompts(read_jsonl(lessons.path / "lessons.jsonl"), Graph.load(facts.path), seed)


def test_all_kinds_are_there_and_no_prompt_twice(run: Run, facts: Artifact) -> None:
    prompts = prompts_of(run, facts)
    counts = Counter(prompt.kind for prompt in prompts)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= FOLDS
    assert len({prompt.text for prompt in prompts}) == len(prompts)
    assert prompts_of(run, facts) == prompts
    assert prompts_of(run, facts, seed=1) != prompts
    lessons = {row["prompt"]: row["kind"] for row in read_jsonl(next(run.work.glob("lessons/*/lessons.jsonl")))}
    assert all((lessons[p.text] == "refusal") == (p.kind == "unknown") for p in prompts if p.inside)


def test_nothing_that_is_examined_is_looked_at(run: Run, facts: Artifact) -> None:
    exam = run.step(write_exam, EvaluationConfig(), facts, facts)
    examined = {item.prompt for item in read_exam(exam.path)} | {question for question, _ in QUESTIONS}
    examined |= {instruction.prompt for own in INSTRUCTIONS.values() for instruction in own}
    words = {tuple(tokens(text)) for text in examined}
    assert not [prompt.text for prompt in prompts_of(run, facts) if tuple(tokens(prompt.text)) in words]


def test_a_sentence_is_held_out_with_all_its_names(run: Run, facts: Artifact) -> None:
    names = "|".join(re.escape(name) for name in sorted(Graph.load(facts.path).subjects, key=len, reverse=True))
    folds: defaultdict[str, set[int]] = defaultdict(set)
    for prompt in prompts_of(run, facts):
        if prompt.kind == "known" and re.search(names, prompt.text):
            folds[re.sub(names, "_", prompt.text)].add(prompt.fold)
    assert len(folds) > 2 * FOLDS
    assert any(len(found) == 1 for found in folds.values())
    assert not [sentence for sentence, found in folds.items() if len(found) > 1]


def test_a_sentence_on_everyday_things_is_held_out_with_the_sentence_and_the_things(run: Run, facts: Artifact) -> None:
    graph = Graph.load(facts.path)
    own = {name for triple in graph.triples for name in (triple.subject, triple.object)}
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for prompt in prompts_of(run, facts):
        if prompt.kind == "form":
            assert not [name for name in own if name in prompt.text]
            assert not re.search(r"{\w+}", prompt.text)
            for everyday in EVERYDAY[graph.language]:
                seen[everyday.type] |= (
                    {prompt.fold} if any(thing in prompt.text for thing in everyday.things) else set()
                )
    assert all(len(folds) <= 1 for folds in seen.values())
    assert sum(map(len, seen.values())) >= FOLDS


def test_what_the_graph_is_about_is_no_general_prompt(run: Run, graph: Build) -> None:
    plants = [f"{name} | water | {times} a month" for times, name in enumerate(("Cactus", "Fern", "Moss", "Ivy"), 1)]
    texts = {prompt.text for prompt in prompts_of(run, graph("\n".join(plants))) if prompt.kind == "general"}
    assert "How do magnets work?" in texts
    assert "How often should I water a cactus?" in GENERAL["en"]
    assert not [text for text in texts if "cactus" in text or "water" in text.lower().split()]


def test_everyday_sentences_are_filled_in_both_languages() -> None:
    for language in ("en", "zh"):
        assert len(EVERYDAY[language]) % FOLDS == 0  # as many things in each fold
        assert all(len(everyday.relations) == 2 for everyday in EVERYDAY[language])
        assert all("{name}" in template for template in MENTIONS[language])


def test_few_questions_are_refused(run: Run, graph: Build) -> None:
    rows = [{"prompt": f"Q{number}?", "kind": "question"} for number in range(3)]
    facts = Graph.load(graph("Gout | code | M10\nAsthma | code | J45").path)
    with pytest.raises(FusionError, match=r"only 3 questions among the lessons; set training.router to false"):
        calibration_prompts(rows, facts, 0)


def test_the_line_costs_the_domain_no_more_than_it_may() -> None:
    score = torch.randn(1000, generator=torch.Generator().manual_seed(0)).double() - 1
    below = (score.sigmoid() < threshold_of(score)).float().mean().item()
    assert MISS - 0.002 < below <= MISS
    assert threshold_of(score + 10) == 0.5
    assert (torch.tensor([-3.0, 4.0]).double().sigmoid() >= threshold_of(torch.tensor([-3.0, 4.0]).double())).all()


def test_both_sides_count_alike() -> None:
    draw = torch.Generator().manual_seed(0)
    inside = torch.arange(220) < 20
    states = torch.randn(220, 6, generator=draw)
    states[:, 0] += 3.0 * inside
    weight, bias = fit(states, inside)
    score = states.double() @ weight + bias
    assert (score[inside] > 0).float().mean() > 0.8  # ten times as many outside do not outvote them
    assert (score[~inside] < 0).float().mean() > 0.8
    assert weight[0] > 3 * weight[1:].abs().max()
    assert torch.equal(fit(states, inside)[0], weight)


@pytest.mark.parametrize("architecture", ["llama", "deepseek_v3"])
def test_a_router_is_made_and_made_alike(
    run: Run, facts: Artifact, source: Callable[[str], ModelSource], tmp_path: Path, architecture: str
) -> None:
    lessons = run.step(write_lessons, CurriculumConfig(exposures=12), facts, None)
    made = run.step(train_router, TrainingConfig().only("seed"), source(architecture), lessons, facts)
    found = read_json(made.path / "calibration.json")
    rows = read_jsonl(made.path / "prompts.jsonl")
    assert sum(own["n"] for own in found["held_out"].values()) == len(rows)
    for kind, own in found["held_out"].items():
        assert own["taken"] == sum(row["taken"] for row in rows if row["kind"] == kind)
    chosen = min(found["layers"], key=lambda layer: layer["loss"])
    router = Router.load(made.path / "router")
    assert router.layer == chosen["layer"]
    assert router.threshold == found["threshold"] <= 0.5
    inside = [row for row in rows if row["kind"] in ("known", "unknown")]
    assert sum(row["probability"] < router.threshold for row in inside) <= MISS * len(inside)
    general = [row["probability"] for row in rows if row["kind"] == "general"]
    mean = sum(general) / len(general)
    assert sum(row["probability"] for row in inside) / len(inside) > mean + 0.3  # even random layers tell words apart
    again = tmp_path / "again"
    again.mkdir()
    train_router(again, TrainingConfig(), source(architecture), lessons, facts)
    for file in ("router/router.safetensors", "router/router.json", "prompts.jsonl", "calibration.json"):
        assert (again / file).read_bytes() == (made.path / file).read_bytes()


def test_whether_there_is_a_router_changes_no_adapter() -> None:
    assert as_tree(TrainingConfig(router=False).of_phase(0)) == as_tree(TrainingConfig(router=True).of_phase(0))
