"""Triples by a sequence-to-sequence model: our own, which reads marks, or any T5 that writes triples in words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, LogitsProcessor, LogitsProcessorList

from deepseek_fusion.core.artifacts import read_json
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.extraction.delexical import NEXT, RELATIONS, Delexical, Link, Marked, delexicalise
from deepseek_fusion.knowledge.extraction.delexical import read_answer as read_marks
from deepseek_fusion.knowledge.extraction.extractor import FORMAT, packaged_model
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.language import fold

LONGEST_READ, LONGEST_WRITTEN = 480, 96
_BATCH = 64
_TYPES: dict[str, Any] = {
    "t5": transformers.T5ForConditionalGeneration,
    "mt5": transformers.MT5ForConditionalGeneration,
    "umt5": transformers.UMT5ForConditionalGeneration,
}
_REBEL = re.compile(r"<triplet>(?P<s>[^<]*)<subj>(?P<o>[^<]*)<obj>(?P<r>[^<]*)")
_BARS = re.compile(r"(?P<s>[^|;]+)\|(?P<r>[^|;]+)\|(?P<o>[^|;]+)")


class Seq2Seq:
    """A T5 model and its tokenizer.

    Args:
        place: a folder written by `save_pretrained`, or a hub id; the packaged model if absent.
        graph: whose names and relations the triples are to have.

    Raises:
        FusionError: there is no T5 in safetensors.
    """

    def __init__(self, place: str | None, graph: Graph) -> None:
        self.model, self.tokenizer, self.common = load(place or str(packaged_model()))
        self.graph = graph

    @torch.inference_mode()
    def links(self, marked: Sequence[Marked]) -> list[list[Link]]:
        """The triples of each sentence."""
        found: list[list[Link]] = [[] for _ in marked]
        order = sorted(range(len(marked)), key=lambda index: len(marked[index].sentence.text))
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            sentences = [marked[index] for index in batch]
            written = self._by_marks(sentences) if self.common is not None else self._by_words(sentences)
            for index, links in zip(batch, written, strict=True):
                found[index] = links
        return found

    def _by_marks(self, sentences: Sequence[Marked]) -> list[list[Link]]:
        read = [delexicalise(each) for each in sentences]
        texts = [" ".join([*each.words[:LONGEST_READ], self.tokenizer.eos_token]) for each in read]
        ids, sure = self._generate(texts, LogitsProcessorList([OnlyRead(self.tokenizer, read)]))
        words = [self.tokenizer.convert_ids_to_tokens(row) for row in ids.tolist()]
        return [read_marks(*each) for each in zip(read, words, sure, strict=True)]

    def _by_words(self, sentences: Sequence[Marked]) -> list[list[Link]]:
        ids, sure = self._generate([each.sentence.text for each in sentences], None)
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=False)
        likely = [min((value for value in row if value > 0), default=0.0) for row in sure]
        return [list(self._read(*each)) for each in zip(sentences, texts, likely, strict=True)]

    def _read(self, marked: Marked, text: str, likely: float) -> Iterator[Link]:
        """Triples in words, in the manner of REBEL or as `subject | relation | object; …`, linked to the sentence."""
        text = re.sub("|".join(map(re.escape, self.tokenizer.all_special_tokens)) or "$^", "", text)
        names = {fold(name.text): place for place, name in reversed(list(enumerate(marked.names)))}
        nouns = {fold(noun): key for key, own in self.graph.relations.items() for noun in (key, own.name, own.plural)}
        for found in (_REBEL if "<triplet>" in text else _BARS).finditer(text):
            subject, value = (names.get(fold(found[part])) for part in "so")
            relation = nouns.get(fold(found["r"]))
            if subject is not None and value is not None and relation and subject != value:
                yield Link(subject, relation, value, likely)

    def _generate(self, texts: list[str], only: LogitsProcessorList | None) -> tuple[Tensor, list[list[float]]]:
        """Greedy answers, [texts, length], and how likely each token was; 0 for padding."""
        batch = self.tokenizer(texts, padding=True, truncation=True, max_length=LONGEST_READ + 1, return_tensors="pt")
        inputs = {key: batch[key].to(self.model.device) for key in ("input_ids", "attention_mask")}
        made = self.model.generate(
            **inputs,
            max_new_tokens=LONGEST_WRITTEN,
            do_sample=False,
            num_beams=1,
            logits_processor=only,
            output_logits=True,
            return_dict_in_generate=True,
        )
        ids = made.sequences[:, 1:]
        likely = torch.stack([row.float().softmax(-1) for row in made.logits], dim=1)
        sure = likely.gather(2, ids.unsqueeze(2)).squeeze(2)
        return ids, sure.masked_fill(ids == self.tokenizer.pad_token_id, 0.0).tolist()


class OnlyRead(LogitsProcessor):
    """Lets a model write only marks that its sentence has, in an order that makes triples."""

    def __init__(self, tokenizer: Any, read: Sequence[Delexical]) -> None:
        ids = tokenizer.convert_tokens_to_ids
        self.end, self.next, self.pad = tokenizer.eos_token_id, ids(NEXT), tokenizer.pad_token_id
        self.subjects = [[ids(mark) for mark in sorted(each.subjects)] for each in read]
        self.objects = [
            {ids(noun): [ids(mark) for mark in sorted(marks)] for noun, marks in each.objects.items()} for each in read
        ]
        self.all_nouns = {ids(f"n{index}") for index in range(RELATIONS)}

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores, [sentences, vocabulary], with what may not come next at minus infinity."""
        barred = torch.full_like(scores, -torch.inf)
        for row, written in enumerate(input_ids[:, 1:].tolist()):
            allowed = self._allowed(row, written)
            barred[row, allowed] = scores[row, allowed]
        return barred

    def _allowed(self, row: int, written: list[int]) -> list[int]:
        objects = self.objects[row]
        last = written[-1] if written else self.next
        if last in (self.end, self.pad):
            return [self.pad]
        group = written[len(written) - written[::-1].index(self.next) :] if self.next in written else written
        able = {noun: [name for name in names if name not in group] for noun, names in objects.items()}
        nouns = [noun for noun, names in able.items() if names and noun not in group]
        if not group:
            return [*self.subjects[row], self.end] if nouns else [self.end]
        if len(group) == 1:
            return nouns or [self.end]
        noun = next(word for word in reversed(group) if word in self.all_nouns)
        return able[noun] if last == noun else [*able[noun], *nouns, self.next, self.end]


def load(place: str) -> tuple[Any, Any, frozenset[str] | None]:
    """A model, its tokenizer, and the common words that a model of marks comes with; None if it reads words.

    Raises:
        FusionError: there is no T5 in safetensors.
    """
    local = Path(place).is_dir()
    if local:
        os.environ["HF_HUB_OFFLINE"] = "1"
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    try:
        kind = AutoConfig.from_pretrained(place, **options).model_type
        if kind not in _TYPES:
            raise FusionError(
                f"knowledge.extraction.model: {place} is a model of type `{kind}`; give the folder or hub id of a T5 "
                f"({', '.join(_TYPES)})."
            )
        tokenizer: Any = AutoTokenizer.from_pretrained(place, **options)
        loaded: Any = _TYPES[kind].from_pretrained(
            place, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **options
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FusionError(
            f"knowledge.extraction.model: {place} cannot be loaded as a T5 in safetensors ({reason}); give its folder "
            "or hub id."
        ) from None
    model, report = loaded
    if lacking := sorted(report["missing_keys"]):
        raise FusionError(
            f"knowledge.extraction.model: the files of {place} lack {len(lacking)} tensors of a T5, such as "
            f"{lacking[0]}; copy it again."
        )
    own = Path(place) / FORMAT
    common = frozenset(read_json(own)["common"]) if own.is_file() else None
    return model.eval(), tokenizer, common
