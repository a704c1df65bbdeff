"""A natural-language-inference model judges claims by retrieved evidence."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.consistency.checker import VERDICTS, Verdict
from deepseek_fusion.evaluation.consistency.reading.claims import Claim
from deepseek_fusion.knowledge.asking.phrase import SEPARATOR
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import fold, tokens

_NAMES: dict[Verdict, str] = {"supported": "entail", "contradicted": "contradict", "unknown": "neutral"}
_PASSAGE = 300
"""Characters of a corpus passage; whole sentences are put together up to it."""
_BETWEEN_SENTENCES = re.compile(r"(?<=[。！？!?])|(?<=\.)(?=\s)|\n")
_RETRIEVED = 4
_BATCH = 32
MATCHES = "match_types"
"""Set in the config of our own judges: token types tell which tokens the other text has too."""


@dataclass(frozen=True)
class Phrasings:
    """The sentences in which evidence and claims are put before a judge, in one language.

    Fields: `{subject}`, `{relation}` (singular noun), `{noun}` (in the right number), `{is}`, `{answers}`, `{object}`.
    The first of each list is what the checker itself uses; the last is never trained on, to examine the judge.
    """

    evidence: tuple[str, ...]
    claim: tuple[str, ...]
    denial: tuple[str, ...]


PHRASINGS = {
    "en": Phrasings(
        evidence=(
            "The {noun} of {subject} {is} {answers}.",
            "{subject} has the {noun} {answers}.",
            "{answers}: this is the complete list of {noun} recorded for {subject}.",
            "Entry {subject}, field {relation}: {answers}.",
            "What the register holds under {noun} for {subject} {is} {answers}.",
        ),
        claim=(
            "{object} is a {relation} of {subject}.",
            "The {relation} of {subject} is {object}.",
            "{subject} has the {relation} {object}.",
            "One {relation} known for {subject} is {object}.",
            "In {subject}, {object} is found as {relation}.",
        ),
        denial=(
            "{object} is not a {relation} of {subject}.",
            "The {relation} of {subject} is not {object}.",
            "{subject} does not have the {relation} {object}.",
            "{object} has never been a {relation} of {subject}.",
            "In {subject}, {object} is not found as {relation}.",
        ),
    ),
    "zh": Phrasings(
        evidence=(
            "{subject}的{noun}是{answers}。",
            "{subject}具有的{noun}为{answers}。",
            "{answers}：这是{subject}的全部{noun}。",
            "条目{subject}，{relation}：{answers}。",
            "登记册中{subject}名下的{noun}有{answers}。",
        ),
        claim=(
            "{object}是{subject}的{relation}。",
            "{subject}的{relation}是{object}。",
            "{subject}具有{relation}{object}。",
            "{subject}已知的{relation}之一是{object}。",
            "在{subject}中，{object}属于{relation}。",
        ),
        denial=(
            "{object}不是{subject}的{relation}。",
            "{subject}的{relation}不是{object}。",
            "{subject}没有{relation}{object}。",
            "{object}从来不是{subject}的{relation}。",
            "在{subject}中，{object}不属于{relation}。",
        ),
    ),
}


@dataclass(frozen=True)
class Opinion:
    """What the judge makes of a claim, how sure it is (0..1), and the evidence that decided."""

    verdict: Verdict
    probability: float
    evidence: str


class Evidence:
    """Sentences on each subject: the graph's own, and passages of documents that mention it."""

    def __init__(self, graph: Graph, documents: Sequence[str] = ()) -> None:
        self.graph = graph
        self.sentences: dict[str, list[str]] = {}
        template = PHRASINGS[graph.language].evidence[0]
        for group in graph.forward():
            sentence = evidence_sentence(graph, group.anchor, group.relation, group.answers, template)
            self.sentences.setdefault(group.anchor, []).append(sentence)
        self.passages = [passage for document in documents for passage in passages(document)]
        self._folded = [f" {' '.join(tokens(passage))} " for passage in self.passages]
        self._mentioning = lru_cache(maxsize=4096)(self._find)

    def of(self, subject: str, query: str) -> list[str]:
        """The sentences on a subject that share most words with the query, best first; none on an unknown subject."""
        wanted = set(tokens(query))
        known = [*self.sentences.get(subject, ()), *self._mentioning(subject)]
        scored = [(len(wanted & set(tokens(text))) / (len(tokens(text)) + 8) ** 0.5, text) for text in known]
        return [text for _, text in sorted(scored, key=lambda pair: -pair[0])[:_RETRIEVED]]

    def _find(self, subject: str) -> tuple[str, ...]:
        names = [f" {' '.join(tokens(name))} " for name in (subject, *self.graph.synonyms.get(subject, ()))]
        return tuple(
            passage
            for passage, folded in zip(self.passages, self._folded, strict=True)
            if any(name in folded for name in names)
        )


def passages(document: str) -> list[str]:
    """Whole sentences of a document, put together up to the length of a passage."""
    found: list[str] = []
    for sentence in map(str.strip, _BETWEEN_SENTENCES.split(document)):
        if found and len(found[-1]) + len(sentence) < _PASSAGE:
            found[-1] += f" {sentence}"
        elif sentence:
            found.append(sentence)
    return found


def evidence_sentence(graph: Graph, subject: str, relation: str, answers: Sequence[str], template: str) -> str:
    """A subject's whole list as a sentence."""
    nouns = graph.relations[relation]
    many = len(answers) > 1
    return template.format_map(
        {
            "subject": subject,
            "relation": nouns.name,
            "noun": nouns.plural if many else nouns.name,
            "is": "are" if many else "is",
            "answers": SEPARATOR[graph.language].join(answers),
        }
    )


def statement(graph: Graph, claim: Claim) -> str:
    """A claim as a sentence that stands on its own; its own words if a part of it is not known."""
    if not (claim.subject and claim.relation and claim.object):
        return claim.text if not claim.subject else f"{claim.subject}: {claim.text}"
    phrasings = PHRASINGS[graph.language]
    template = (phrasings.denial if claim.negated else phrasings.claim)[0]
    relation = graph.relations[claim.relation].name
    return template.format(subject=claim.subject, relation=relation, object=claim.object)


class Judge:
    """A sequence-classification model with its tokenizer, and which output means what.

    Args:
        place: a folder written by `save_pretrained`, or a hub id.

    Raises:
        FusionError: nothing can be loaded from there, or its labels are not entailment, contradiction and neutral.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.model, self.tokenizer = _load(place)
        names = {int(index): str(name) for index, name in (self.model.config.id2label or {}).items()}
        self.columns = [_column(names, verdict, place) for verdict in VERDICTS]

    @torch.inference_mode()
    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """How likely each verdict is, [pairs, 3] in the order of VERDICTS, for (evidence, claim) pairs."""
        rows = [torch.zeros(0, len(VERDICTS))]
        for start in range(0, len(pairs), _BATCH):
            batch = encode(self.tokenizer, pairs[start : start + _BATCH], getattr(self.model.config, MATCHES, False))
            logits = self.model(**{key: value.to(self.model.device) for key, value in batch.items()}).logits
            rows.append(logits[:, self.columns].float().softmax(-1).cpu())
        return torch.cat(rows)

    def opinions(self, claims: Sequence[Claim], evidence: Evidence) -> list[Opinion]:
        """A claim is as its strongest evidence says: the most entailing or contradicting passage decides if that is
        its likeliest reading; without evidence, or if all is neutral, it is unknown (as in SummaC, Laban et al. 2022).
        """
        statements = [statement(evidence.graph, claim) for claim in claims]
        found = [evidence.of(claim.subject or "", text) for claim, text in zip(claims, statements, strict=True)]
        pairs = [(passage, text) for text, some in zip(statements, found, strict=True) for passage in some]
        scores = iter(self.probabilities(pairs).tolist())
        return [_decided([(next(scores), passage) for passage in some]) for some in found]


def _decided(scored: Sequence[tuple[list[float], str]]) -> Opinion:
    if not scored:
        return Opinion("unknown", 1.0, "")
    telling = [(row, passage) for row, passage in scored if row[VERDICTS.index("unknown")] < max(row)]
    row, passage = max(telling or scored, key=lambda pair: max(pair[0]))
    return Opinion(VERDICTS[row.index(max(row))], max(row), passage)


def encode(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]], matches: bool = False
) -> dict[str, Tensor]:
    """Padded token ids, mask and types of (evidence, claim) pairs; evidence is cut if both do not fit.

    With `matches`, types 2 and 3 are tokens of the evidence and of the claim that the other has too: the exact-match
    feature of Chen et al. 2017 (arXiv 1704.00051), without which a small model would first have to learn to compare.
    """
    limit = min(int(tokenizer.model_max_length), 512)
    batch = tokenizer(
        [evidence for evidence, _ in pairs],
        [claim for _, claim in pairs],
        padding=True,
        truncation="only_first",
        max_length=limit,
        return_tensors="pt",
    )
    encoded = {key: value for key, value in batch.items() if isinstance(value, Tensor)}
    if matches:
        encoded["token_type_ids"] = _match_types(encoded, set(tokenizer.all_special_ids))
    return encoded


def _match_types(batch: dict[str, Tensor], special: set[int]) -> Tensor:
    types = batch["token_type_ids"].clone()
    for row, (ids, kinds) in enumerate(zip(batch["input_ids"].tolist(), batch["token_type_ids"].tolist(), strict=True)):
        sides = [{token for token, kind in zip(ids, kinds, strict=True) if kind == side} - special for side in (0, 1)]
        shared = sides[0] & sides[1]
        types[row] += 2 * torch.tensor([token in shared for token in ids])
    return types


def _column(names: dict[int, str], verdict: Verdict, place: str) -> int:
    found = [index for index, name in names.items() if fold(name).startswith(_NAMES[verdict])]
    if len(found) != 1:
        raise FusionError(
            f"evaluation.consistency.nli: the labels of {place} are {', '.join(names.values())}, not entailment, "
            "contradiction and neutral; name them so under id2label in its config.json, or take a three-way NLI model."
        )
    return found[0]


def _load(place: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    local = Path(place).is_dir()
    if local:
        os.environ["HF_HUB_OFFLINE"] = "1"
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    options: dict[str, Any] = {"local_files_only": local}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
        loaded: Any = AutoModelForSequenceClassification.from_pretrained(
            place, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FusionError(
            f"evaluation.consistency.nli: {place} cannot be loaded as a sequence classification model in safetensors "
            f"({reason}); give its folder or hub id."
        ) from None
    model, report = loaded
    if random := sorted([*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])]):
        raise FusionError(
            f"evaluation.consistency.nli: the files of {place} lack {len(random)} tensors of a sequence classification "
            f"model, such as {random[0]}; give a model that was trained on NLI."
        )
    return model.eval(), tokenizer
