"""Our own small judge: a BERT-type model trained on pairs of evidence and claim, made from the graph's vocabulary."""

from __future__ import annotations

import random
import string
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from deepseek_fusion.core.artifacts import Artifact, write_json
from deepseek_fusion.core.config import ConsistencyConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.events import track
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.consistency.checker import VERDICTS, Verdict
from deepseek_fusion.evaluation.consistency.nli import MATCHES, PHRASINGS, Judge, encode, evidence_sentence
from deepseek_fusion.evaluation.statistics.rates import rate
from deepseek_fusion.knowledge.graph import Graph

HELD_OUT_EVERY = 5
"""One subject in so many is never trained on."""
VOCABULARY, HIDDEN, LAYERS, HEADS = 4096, 192, 4, 4
LENGTH = 128
BATCH, LEARNING_RATE, WARMUP = 32, 6e-4, 0.1
MIXED = 0.5
"""Share of training pairs whose list is put together at random, so that lists cannot be learned by heart."""
EXAM = 600
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MODEL = "model"


@dataclass(frozen=True)
class Pair:
    """Evidence, a claim, and what the one says of the other."""

    evidence: str
    claim: str
    verdict: Verdict
    subject: str


def can_teach(graph: Graph) -> bool:
    """Whether there are subjects enough to learn from and to be examined on."""
    return len(graph.subjects) >= 2 * HELD_OUT_EVERY


@stage("judge", version=1)
def train_judge(out: Path, section: ConsistencyConfig, graph: Artifact) -> None:
    """Train the judge; write `model/` (safetensors) and `judge.json` with its accuracy on subjects and in phrasings
    that it has not seen.

    Raises:
        FusionError: the graph has fewer than ten subjects.
    """
    facts = Graph.load(graph.path)
    if not can_teach(facts):
        raise FusionError(
            f"evaluation.consistency: a judge needs {2 * HELD_OUT_EVERY} subjects to learn from, the graph has "
            f"{len(facts.subjects)}; add facts, or name an NLI model under `nli`."
        )
    started = time.process_time()
    learning, held_out = split_subjects(facts, section.seed)
    tokenizer = _tokenizer(facts)
    model = _model(len(tokenizer), section.seed)
    _train(model, tokenizer, PairWriter(facts, learning, section.seed, trained=True), section.judge_steps)
    (out / MODEL).mkdir()
    model.save_pretrained(out / MODEL)
    tokenizer.save_pretrained(out / MODEL)
    judge = Judge(str(out / MODEL))
    seconds = time.process_time() - started
    exams = {
        "subjects": PairWriter(facts, held_out, section.seed + 1, trained=True),
        "phrasings": PairWriter(facts, learning, section.seed + 2, trained=False),
        "subjects_and_phrasings": PairWriter(facts, held_out, section.seed + 3, trained=False),
    }
    write_json(
        out / "judge.json",
        {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "steps": section.judge_steps,
            "pairs": section.judge_steps * BATCH,
            "cpu_seconds": seconds,
            "subjects": {"learned": len(learning), "held_out": len(held_out)},
            "held_out": {name: examined(judge, writer.take(EXAM), section.seed) for name, writer in exams.items()},
        },
    )


def split_subjects(graph: Graph, seed: int) -> tuple[list[str], list[str]]:
    """Subjects to learn from, and a fifth to examine on."""
    subjects = list(graph.subjects)
    random.Random(seed).shuffle(subjects)
    count = len(subjects) // HELD_OUT_EVERY
    return subjects[count:], subjects[:count]


def examined(judge: Judge, pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    """Accuracy, and recall of each verdict."""
    best = judge.probabilities([(pair.evidence, pair.claim) for pair in pairs]).argmax(-1).tolist()
    right = [VERDICTS[index] == pair.verdict for index, pair in zip(best, pairs, strict=True)]
    subjects = [pair.subject for pair in pairs]
    result: dict[str, Any] = {"accuracy": rate(right, subjects, 2000, seed)}
    for verdict in VERDICTS:
        of = [i for i, pair in enumerate(pairs) if pair.verdict == verdict]
        result[verdict] = rate([right[i] for i in of], [subjects[i] for i in of], 2000, seed)
    return result


class PairWriter:
    """Endless pairs on some subjects, the three verdicts in equal parts.

    Supported: the list holds the object, or the claim denies one that it does not hold. Contradicted: the other way
    round. Unknown: the evidence is on another subject or another relation.
    """

    def __init__(self, graph: Graph, subjects: Sequence[str], seed: int, trained: bool) -> None:
        self.graph, self.trained = graph, trained
        self.rng = random.Random(seed)
        wanted = set(subjects)
        groups = [group for group in graph.forward() if group.anchor in wanted]
        self.lists = {(group.anchor, group.relation): group.answers for group in groups}
        self.keys = list(self.lists)
        self.subjects = list(subjects)
        self.objects: dict[str, list[str]] = {}
        for group in groups:
            self.objects.setdefault(group.relation, []).extend(group.answers)

    def take(self, count: int) -> list[Pair]:
        """The next pairs."""
        return [self._pair(VERDICTS[i % len(VERDICTS)]) for i in range(count)]

    def _pair(self, verdict: Verdict) -> Pair:
        subject, relation = self.rng.choice(self.keys)
        answers = self._answers(subject, relation)
        others = [name for name in self._some(relation) if name not in answers]
        denied = self.rng.random() < 0.4
        listed = (verdict == "supported") != denied if verdict != "unknown" else self.rng.random() < 0.5
        name = self.rng.choice(others) if others and not listed else self.rng.choice(answers)
        if not listed and not others:  # nothing else to say: turn the claim round
            denied = not denied
        claim = self._phrased("denial" if denied else "claim").format(
            subject=subject, relation=self.graph.relations[relation].name, object=name
        )
        if verdict == "unknown":
            subject, relation = self._elsewhere(subject, relation)
            answers = self._answers(subject, relation)
        evidence = evidence_sentence(self.graph, subject, relation, answers, self._phrased("evidence"))
        return Pair(evidence, claim, verdict, subject)

    def _answers(self, subject: str, relation: str) -> list[str]:
        answers = list(self.lists[subject, relation])
        if self.trained and self.rng.random() < MIXED:
            answers = list(dict.fromkeys(self.rng.choices(self.objects[relation], k=self.rng.randint(1, 5))))
        self.rng.shuffle(answers)
        return answers

    def _some(self, relation: str) -> list[str]:
        return self.rng.choices(self.objects[relation], k=8)

    def _elsewhere(self, subject: str, relation: str) -> tuple[str, str]:
        """Another subject's list of the same relation, or, half the time, another list of the same subject."""
        own = [key for key in self.keys if key[0] == subject and key[1] != relation]
        if own and self.rng.random() < 0.5:
            return self.rng.choice(own)
        same = [key for key in self.keys if key[0] != subject and key[1] == relation]
        return self.rng.choice(same or [key for key in self.keys if key != (subject, relation)])

    def _phrased(self, kind: str) -> str:
        phrasings: tuple[str, ...] = getattr(PHRASINGS[self.graph.language], kind)
        return self.rng.choice(phrasings[:-1]) if self.trained else phrasings[-1]


def _train(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, writer: PairWriter, steps: int
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True)
    warmup = max(1, round(WARMUP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))
    )
    model.train()
    with track("teaching the judge", steps) as progress:
        for _ in range(steps):
            pairs = writer.take(BATCH)
            batch = encode(tokenizer, [(pair.evidence, pair.claim) for pair in pairs], matches=True)
            labels = torch.tensor([VERDICTS.index(pair.verdict) for pair in pairs])
            loss = model(**batch, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            progress.advance(1, loss=loss.item())
    model.eval()


def _model(vocabulary: int, seed: int) -> BertForSequenceClassification:
    names = {"supported": "entailment", "contradicted": "contradiction", "unknown": "neutral"}
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN,
        max_position_embeddings=LENGTH,
        type_vocab_size=4,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label={i: names[verdict] for i, verdict in enumerate(VERDICTS)},
        label2id={names[verdict]: i for i, verdict in enumerate(VERDICTS)},
    )
    setattr(config, MATCHES, True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BertForSequenceClassification(config)


def _tokenizer(graph: Graph) -> PreTrainedTokenizerFast:
    """A WordPiece (Wu et al. 2016) of all characters and the most frequent words in the graph's names and our
    phrasings; the same for the same graph, which a trained one is not."""
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts = Counter(
        word for text in _texts(graph) for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    characters = sorted({char for word in counts for char in word} | set(string.ascii_lowercase + string.digits))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    pieces = [*SPECIAL, *characters, *(f"##{char}" for char in characters), *frequent]
    vocabulary = {piece: i for i, piece in enumerate(list(dict.fromkeys(pieces))[:VOCABULARY])}
    words = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    words.normalizer, words.pre_tokenizer, words.decoder = normalizer, splitter, decoders.WordPiece()
    ends = [(name, words.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        model_max_length=LENGTH,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _texts(graph: Graph) -> Iterator[str]:
    for triple in graph.triples:
        yield from (triple.subject, triple.object)
    phrasings = PHRASINGS[graph.language]
    yield from (*phrasings.evidence, *phrasings.claim, *phrasings.denial)
