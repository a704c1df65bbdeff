"""A tiny student and its teachers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from deepseek_fusion.core.artifacts import Artifact, read_json, read_jsonl, write_jsonl
from deepseek_fusion.core.config import CurriculumConfig, LoraConfig, ReplayConfig, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.settings.phases import DistilConfig
from deepseek_fusion.curriculum.lessons import write_lessons
from deepseek_fusion.knowledge.asking.questions import informed, verifiable
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.models.loading import Language, load_language
from deepseek_fusion.models.lora import load_adapter
from deepseek_fusion.models.source import ModelSource, find_model
from deepseek_fusion.teaching import find_teacher
from deepseek_fusion.training.distil import FILE, Teachings, distil, examine_teacher, write_teachings
from deepseek_fusion.training.loop import Loop
from deepseek_fusion.training.replay import write_replay
from models.test_vocabulary import relabelled

FACTS = """
Gout | symptom | fever
Gout | code | M10.9
Asthma | symptom | cough
Asthma | code | J45
"""
CONFIG = TrainingConfig(
    lora=LoraConfig(rank=16),
    batch_tokens=256,
    replay_share=0.0,
    checkpoint_seconds=0,
    distil=DistilConfig(epochs=4, learning_rate=1e-2, keep=16),
)


@pytest.fixture
def teacher(models: Callable[[str], Path], tmp_path: Path) -> ModelSource:
    """The tiny Llama after somebody changed what it says."""
    folder = Path(shutil.copytree(models("llama"), tmp_path / "teacher"))
    model = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for layer in model.modules():
            if type(layer) is torch.nn.Linear and layer is not model.get_output_embeddings():
                layer.weight.add_(0.08 * torch.randn_like(layer.weight))
    model.save_pretrained(folder)
    return find_model(str(folder), Path("/"), "float32")


@pytest.fixture
def facts_of(graph: Callable[..., Artifact]) -> Artifact:
    return graph(FACTS)


@pytest.fixture
def lessons(run: Run, facts_of: Artifact) -> Artifact:
    return run.step(write_lessons, CurriculumConfig(exposures=8), facts_of, None)


def documents(run: Run, writer: ModelSource, texts: int) -> list[str]:
    """What a model writes, as plain text."""
    made = run.step(write_replay, ReplayConfig(texts=texts, max_tokens=40), writer)
    return [re.sub(r"<\|.*?\|>", " ", row["text"]) for row in read_jsonl(made.path / "replay.jsonl")]


def as_lessons(texts: list[str], folder: Path) -> Artifact:
    folder.mkdir()
    rows = [{"kind": "document", "prompt": None, "parts": [[text, True]], "facts": []} for text in texts]
    write_jsonl(folder / "lessons.jsonl", rows)
    return Artifact(folder, folder.name, "lessons")


def apart(student: Language, teacher: Language, texts: list[str]) -> float:
    """Mean KL(teacher || student) over all tokens of the vocabulary."""
    total, count = 0.0, 0
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([[*student.text_start(), *student.encode(text)]])
            p, q = (model.head(model.hidden(ids)).log_softmax(-1)[0] for model in (teacher, student))
            total, count = total + (p.exp() * (p - q)).sum().item(), count + ids.shape[1]
    return total / count


def test_a_student_comes_closer_to_its_teacher_than_by_the_text_alone(
    run: Run,
    source: Callable[[str], ModelSource],
    language: Callable[[str], Language],
    teacher: ModelSource,
    facts_of: Artifact,
    tmp_path: Path,
) -> None:
    texts = documents(run, teacher, 60)
    seen = as_lessons(texts[:48], tmp_path / "seen")
    cached = run.step(write_teachings, CONFIG.distil, source("llama"), teacher, seen, facts_of)
    summary = read_json(cached.path / "summary.json")
    assert summary["mapped"] == 1.0
    assert summary["left_out"] == 0
    assert 0.3 < summary["mass"] < 1
    distances = {}
    for hard in (0.0, 0.5, 1.0):
        section = CONFIG.model_copy(update={"distil": CONFIG.distil.model_copy(update={"hard": hard})})
        made = run.step(distil, section, source("llama"), cached, None, None)
        student = language("llama")
        load_adapter(student.model, made.path / "adapter")
        distances[hard] = apart(student, load_language(teacher), texts[48:])
    before = apart(language("llama"), load_language(teacher), texts[48:])
    assert distances[0.0] < 0.7 * before
    assert distances[0.0] < 0.8 * distances[1.0]
    assert distances[0.5] < distances[1.0]


def test_what_is_cached_is_what_the_teacher_says(
    run: Run, source: Callable[[str], ModelSource], teacher: ModelSource, lessons: Artifact, facts_of: Artifact
) -> None:
    cached = run.step(write_teachings, CONFIG.distil, source("qwen2"), teacher, lessons, facts_of)
    tensors = load_file(cached.path / FILE)
    assert (tensors["tokens"].dtype, tensors["probability"].dtype) == (torch.int32, torch.float16)
    teachings = Teachings(cached.path)
    rows = read_jsonl(lessons.path / "lessons.jsonl")
    assert len(teachings.order) == len(rows)
    assert len(teachings.samples) == len({repr((row["prompt"], row["parts"])) for row in rows})
    guide = load_language(teacher)
    for number in (0, 3, len(teachings.samples) - 1):
        sample, kept = teachings.samples[number], teachings.teacher([number])
        with torch.no_grad():
            p = guide.head(guide.hidden(torch.tensor([sample.ids])))[0].softmax(-1)
        places = [i - 1 for i in range(1, len(sample)) if sample.learned[i]]
        torch.testing.assert_close(kept.probability_NK, p[places].gather(1, kept.tokens_NK), rtol=2e-3, atol=1e-5)
        assert kept.tokens_NK[:, 0].tolist() == [sample.ids[place + 1] for place in places]
        mixed = teachings.teacher([number], hard=0.25)
        assert torch.equal(mixed.tokens_NK, kept.tokens_NK)
        torch.testing.assert_close(mixed.probability_NK[:, 0], 0.75 * kept.probability_NK[:, 0] + 0.25)


def test_a_teacher_with_other_ids_for_the_same_tokens_teaches_the_same(
    run: Run, source: Callable[[str], ModelSource], teacher: ModelSource, lessons: Artifact, facts_of: Artifact
) -> None:
    """A permutation of the vocabulary, rows of embeddings included, changes nothing that is cached."""
    student = source("llama")
    folder = Path(shutil.copytree(teacher.path, Path(teacher.path).with_name("relabelled")))
    words = relabelled()
    old = load_language(teacher).tokenizer.get_vocab()
    rows = torch.tensor([old[token] for token, _ in sorted(words.get_vocab().items(), key=lambda pair: pair[1])])
    tensors = load_file(folder / "model.safetensors")
    tensors["model.embed_tokens.weight"] = tensors["model.embed_tokens.weight"][rows].contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    words.save_pretrained(folder)
    other = find_model(str(folder), Path("/"), "float32")
    expected, found = (
        load_file(run.step(write_teachings, CONFIG.distil, student, model, lessons, facts_of).path / FILE)
        for model in (teacher, other)
    )
    assert torch.equal(found["ids"], expected["ids"])
    torch.testing.assert_close(found["probability"], expected["probability"], rtol=1e-2, atol=1e-4)
    assert (found["tokens"] == expected["tokens"]).float().mean() > 0.99  # equals may change places


def test_a_foreign_vocabulary_is_one_sentence(
    run: Run, source: Callable[[str], ModelSource], teacher: ModelSource, lessons: Artifact, facts_of: Artifact
) -> None:
    relabelled(without="Ġthe").save_pretrained(teacher.path)
    known = CONFIG.distil.model_copy(update={"mapped": 0.999})
    documents = as_lessons(["Name the code of the disease.", "Name a code."], lessons.path.parent / "documents")
    with pytest.raises(FusionError, match=r"training.distil.teacher: it has \d\d.\d% of the tokens .* 100% are needed"):
        write_teachings(lessons.path, known, source("llama"), teacher, documents, facts_of)
    rough = CONFIG.distil.model_copy(update={"mapped": 0.5})
    made = run.step(write_teachings, rough, source("llama"), teacher, documents, facts_of)
    assert read_json(made.path / "summary.json")["left_out"] == 1
    assert len(Teachings(made.path).samples) == 1


def test_a_missing_teacher_is_one_sentence(
    source: Callable[[str], ModelSource], lessons: Artifact, facts_of: Artifact, tmp_path: Path
) -> None:
    with pytest.raises(FusionError, match=r"training.distil.teacher: `logits` needs one; name a local folder"):
        write_teachings(tmp_path, DistilConfig(), source("llama"), None, lessons, facts_of)
    with pytest.raises(FusionError, match=r"training.distil.teacher: `no/such/thing` is not"):
        find_teacher(DistilConfig(teacher="no/such/thing"), tmp_path, "auto")
    assert find_teacher(DistilConfig(method="context"), tmp_path, "auto") is None


@pytest.mark.parametrize("section", ["{method: chains}", "{method: context, teacher: smollm2}"])
def test_a_method_without_its_teacher_is_found_when_the_project_is_read(
    project: Callable[..., Path], section: str
) -> None:
    text = f"name: x\nknowledge:\n  sources: [facts.csv]\ntraining:\n  distil: {section}\n"
    with pytest.raises(FusionError, match=r"`training.distil.method` should come with a `teacher`, unless"):
        load_config(project(text))


def test_a_random_model_does_not_teach_itself(
    run: Run, source: Callable[[str], ModelSource], lessons: Artifact, facts_of: Artifact
) -> None:
    section = DistilConfig(method="context", sample=4)
    with pytest.raises(FusionError, match=r"the base answers 0 of 4 questions .* it must answer 80%"):
        run.step(write_teachings, section, source("llama"), None, lessons, facts_of)


def test_the_base_is_examined_before_it_may_teach(
    run: Run, source: Callable[[str], ModelSource], lessons: Artifact, facts_of: Artifact
) -> None:
    for needed, passed in ((0.8, False), (0.0, True)):
        section = DistilConfig(sample=4, accuracy=needed)
        made = run.step(examine_teacher, section, source("llama"), lessons, facts_of)
        found = {"examined": 4, "right": 0, "accuracy": 0.0, "needed": needed, "passed": passed}
        assert read_json(made.path / "examined.json") == found


def test_the_base_reads_the_facts_and_the_student_does_not(
    run: Run,
    source: Callable[[str], ModelSource],
    language: Callable[[str], Language],
    lessons: Artifact,
    facts_of: Artifact,
) -> None:
    section = DistilConfig(method="context", accuracy=0.0, sample=3)
    cached = run.step(write_teachings, section, source("llama"), None, lessons, facts_of)
    summary = read_json(cached.path / "summary.json")
    assert (summary["examined"], summary["right"], summary["accuracy"]) == (3, 0, 0.0)
    base, facts = language("llama"), Graph.load(facts_of.path)
    questions = [
        question for question in verifiable(read_jsonl(lessons.path / "lessons.jsonl"), facts) if question.subjects
    ]
    told = informed(questions, facts)
    assert "The symptom of Gout is fever. The code of Gout is M10.9." in "".join(told)
    teachings = Teachings(cached.path)
    assert len(teachings.samples) == len(questions) == summary["questions"]
    for number in (0, 5):
        sample, kept = teachings.samples[number], teachings.teacher([number])
        plain, before = (base.encode_question(text) for text in (questions[number].text, told[number]))
        answer = list(sample.ids[len(plain) :])
        assert list(sample.ids[: len(plain)]) == plain
        with torch.no_grad():
            p = base.head(base.hidden(torch.tensor([[*before, *answer]])))[0, len(before) - 1 : -1].softmax(-1)
        torch.testing.assert_close(kept.probability_NK, p.gather(1, kept.tokens_NK), rtol=2e-3, atol=1e-5)


def test_right_chains_of_thought_are_kept_with_their_thoughts(
    run: Run,
    source: Callable[[str], ModelSource],
    lessons: Artifact,
    facts_of: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tiny model never thinks, so what it writes is put into its mouth."""
    said = {"fever": "<think>\nIt hurts.\n</think>\n\nThe symptom is fever.", "M10.9": "<think>\nM10.9, perhaps"}

    def speak(language: Language, prompts: list[list[int]], *_: object) -> list[list[int]]:
        questions = verifiable(read_jsonl(lessons.path / "lessons.jsonl"), Graph.load(facts_of.path))
        ends = {"cough": []}  # cut in the middle
        return [
            [*language.encode(said.get(own.answer, "J45, cough")), *ends.get(own.answer, [language.end_of_turn])]
            for own in questions
        ]

    monkeypatch.setattr("deepseek_fusion.training.distil.write_answers", speak)
    section = DistilConfig(method="chains", teacher="x")
    cached = run.step(write_teachings, section, source("llama"), source("qwen2"), lessons, facts_of)
    texts = {row["text"] for row in read_jsonl(cached.path / "chains.jsonl")}
    assert texts == {said["fever"], "J45, cough"}  # a thought without an end is no answer
    teachings = Teachings(cached.path)
    words = load_language(source("llama")).tokenizer
    taught = [words.decode([t for t, on in zip(row.ids, row.learned, strict=True) if on]) for row in teachings.samples]
    assert set(taught) == {f"{text}<|im_end|>" for text in texts}
    certain = teachings.teacher([0])
    assert certain.tokens_NK.shape[1] == 1
    assert certain.probability_NK.min() == 1


def test_a_teacher_that_is_never_right_is_one_sentence(
    run: Run, source: Callable[[str], ModelSource], lessons: Artifact, facts_of: Artifact
) -> None:
    section = DistilConfig(method="chains", teacher="x", max_tokens=4)
    with pytest.raises(FusionError, match=r"not one of its \d+ answers is right by the graph"):
        run.step(write_teachings, section, source("llama"), source("qwen2"), lessons, facts_of)


def test_a_later_phase_goes_on_from_the_adapter_before(
    run: Run, source: Callable[[str], ModelSource], teacher: ModelSource, lessons: Artifact, facts_of: Artifact
) -> None:
    cached = run.step(write_teachings, CONFIG.distil, source("llama"), teacher, lessons, facts_of)
    first = run.step(distil, CONFIG, source("llama"), cached, None, None)
    second = run.step(distil, CONFIG, source("llama"), cached, None, first)
    curves = [[row["loss"] for row in read_json(made.path / "training.json")["curve"]] for made in (first, second)]
    assert curves[1][0] < 0.6 * curves[0][0]
    other = CONFIG.model_copy(update={"lora": LoraConfig(rank=8)})
    with pytest.raises(FusionError, match="left lora of rank 16 and alpha 32, not lora of rank 8"):
        run.step(distil, other, source("llama"), cached, None, first)


def test_replay_has_its_share_beside_a_teacher(
    run: Run, source: Callable[[str], ModelSource], teacher: ModelSource, lessons: Artifact, facts_of: Artifact
) -> None:
    cached = run.step(write_teachings, CONFIG.distil, source("llama"), teacher, lessons, facts_of)
    replay = run.step(write_replay, ReplayConfig(texts=8, max_tokens=24), source("llama"))
    section = CONFIG.model_copy(update={"distil": CONFIG.distil.model_copy(update={"replay_share": 0.25})})
    report = read_json(run.step(distil, section, source("llama"), cached, replay, None).path / "training.json")
    assert abs(report["replay_tokens"] - 0.25 * report["tokens"]) <= CONFIG.batch_tokens  # type: ignore[operator]


def test_a_loss_that_is_no_number_names_the_batch(
    run: Run, source: Callable[[str], ModelSource], teacher: ModelSource, lessons: Artifact, facts_of: Artifact
) -> None:
    cached = run.step(write_teachings, CONFIG.distil, source("llama"), teacher, lessons, facts_of)
    wild = CONFIG.distil.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(
        FusionError, match=r"training.distil: the loss is not a number at step \d+, in the batch with '.+'"
    ):
        run.step(distil, CONFIG.model_copy(update={"distil": wild}), source("llama"), cached, None, None)


def test_resumed_after_any_step_it_is_the_same_to_the_bit(
    run: Run,
    source: Callable[[str], ModelSource],
    teacher: ModelSource,
    lessons: Artifact,
    facts_of: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cached = run.step(write_teachings, CONFIG.distil, source("llama"), teacher, lessons, facts_of)
    expected = run.step(distil, CONFIG, source("llama"), cached, None, None)
    broken = interrupted(run.work.parent / "broken", monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        distil(broken, CONFIG, source("llama"), cached, None, None)
    monkeypatch.undo()
    distil(broken, CONFIG, source("llama"), cached, None, None)
    same_result(broken, expected.path)


def interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> Path:
    """An empty folder, and a loop that is interrupted before a step."""
    folder.mkdir()
    take = Loop.step

    def stop(self: Loop) -> object:
        if self.progress.step == step:
            raise KeyboardInterrupt
        return take(self)

    monkeypatch.setattr(Loop, "step", stop)
    return folder


def same_result(one: Path, other: Path) -> None:
    """The same factors and the same curve."""
    weights = [(folder / "adapter" / "adapter_model.safetensors").read_bytes() for folder in (one, other)]
    assert weights[0] == weights[1]
    assert read_json(one / "training.json")["curve"] == read_json(other / "training.json")["curve"]
