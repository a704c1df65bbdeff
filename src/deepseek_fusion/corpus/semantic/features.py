"""What the network reads of pairs and of passages: tokens, which of them match, and a few counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepseek_fusion.corpus.semantic.tokens import Flags, Ids, Tokens
from deepseek_fusion.corpus.words import Hashes, Places

Counts = npt.NDArray[np.float32]

QUESTION, ANSWER = 48, 96
PASSAGE, PASSAGE_END = 256, 96
"""Tokens that are read of each; of a passage its beginning and its end."""
PAIR_COUNTS, PASSAGE_COUNTS = 12, 12

_LONG = 4
_SHIFT = np.uint64(0x9FB21C651E98DF25)


@dataclass(frozen=True)
class Side:
    """Tokens of one side of all pairs, or of passages.

    Attributes:
        ids: [T, 4] rows of the table of embeddings.
        text: [T] number of the pair or passage.
        matched: [T] whether the other side has the same word; of passages, whether the sentence before has.
        counts: [N] tokens of each, at least 1.
    """

    ids: Ids
    text: Places
    matched: Flags
    counts: Places


@dataclass(frozen=True)
class Pairs:
    """Questions with answers: both sides, and [N, 12] counts."""

    question: Side
    answer: Side
    counts: Counts


@dataclass(frozen=True)
class Passages:
    """Passages: their tokens, and [N, 12] counts."""

    side: Side
    counts: Counts


def pairs(questions: Sequence[str], answers: Sequence[str]) -> Pairs:
    """Features of each question with its answer. A text without tokens is read as a line break."""
    asked = Tokens([text if text.strip() else "\n" for text in questions], QUESTION)
    said = Tokens([text if text.strip() else "\n" for text in answers], ANSWER)
    in_answer, in_question = _shared(asked, said), _shared(said, asked)
    long_q, long_a = _is_long(asked), _is_long(said)
    size = len(questions)
    numbers = [
        _share(asked, in_answer, asked.is_word, size),
        _share(asked, in_answer, long_q, size),
        _share(asked, in_answer, asked.is_name, size),
        _share(asked, asked.is_name, asked.is_word, size),
        _share(said, in_question, said.is_word, size),
        _share(said, in_question, long_a, size),
        _share(said, said.is_digit, said.is_word, size),
        _share(said, ~said.is_word, np.ones(len(said.text), bool), size),
        _run(asked, in_answer, size) / asked.counts,
        np.log(asked.counts) / 4,
        np.log(said.counts) / 4,
        _last(said, said.is_stop),
    ]
    return Pairs(
        Side(asked.ids, asked.text, in_answer, asked.counts),
        Side(said.ids, said.text, in_question, said.counts),
        np.stack(numbers, axis=1).astype(np.float32),
    )


def passages(texts: Sequence[str]) -> Passages:
    """Features of each passage. A text without tokens is read as a line break."""
    read = Tokens([text if text.strip() else "\n" for text in texts], PASSAGE, PASSAGE_END)
    size = len(texts)
    sentence: Places = np.cumsum(read.is_stop) - read.is_stop
    again = _before(read, sentence)
    everything = np.ones(len(read.text), bool)
    numbers = [
        _share(read, again, read.is_word & _is_long(read), size),
        _share(read, read.is_stop, everything, size) * 8,
        _share(read, read.is_line, everything, size) * 4,
        _share(read, ~read.is_word, everything, size),
        _share(read, read.is_digit, everything, size),
        _share(read, read.is_name, everything, size),
        _distinct(read, size),
        np.log(read.counts) / 4,
        _last(read, read.is_stop),
        _last(read, read.is_word),
        *_lines(texts),
    ]
    return Passages(
        Side(read.ids, read.text, again, read.counts),
        np.stack(numbers, axis=1).astype(np.float32),
    )


def _is_long(read: Tokens) -> Flags:
    """Words that say something by their length: Han characters in pairs, and words with a stem of their own."""
    found: Flags = read.is_word & (read.is_han | (read.lengths >= _LONG))
    return found


def _scoped(keys: Hashes, scope: Places) -> Hashes:
    """Keys that are equal only within the same text; what has no key stays 0."""
    return np.where(keys == 0, np.uint64(0), keys ^ ((scope.astype(np.uint64) + np.uint64(1)) * _SHIFT))


def _shared(here: Tokens, there: Tokens) -> Flags:
    """[T] whether the other side has the word, or the pair of characters."""
    known = np.unique(_scoped(there.keys, there.text[:, None]))
    return _any(np.isin(_scoped(here.keys, here.text[:, None]), known[known > 0]))


def _before(read: Tokens, sentence: Places) -> Flags:
    """[T] whether the sentence before, in the same text, has the word."""
    keys = _scoped(read.keys, read.text[:, None])
    known = np.unique(_scoped(keys, sentence[:, None]))
    return _any(np.isin(_scoped(keys, sentence[:, None] - 1), known[known > 0]))


def _any(keys: Flags) -> Flags:
    """[T] whether any of the keys of a token is."""
    found: Flags = keys[:, 0] | keys[:, 1]
    return found


def _share(read: Tokens, of: Flags, among: Flags, size: int) -> npt.NDArray[np.float64]:
    """[N] the share of the tokens `among` that are `of`."""
    every = np.bincount(read.text, among, size)
    found: npt.NDArray[np.float64] = np.bincount(read.text, of & among, size) / np.maximum(every, 1)
    return found


def _run(read: Tokens, matched: Flags, size: int) -> npt.NDArray[np.int64]:
    """[N] the longest run of matched tokens."""
    place = np.arange(len(matched))
    breaks = ~matched
    breaks[1:] |= read.text[1:] != read.text[:-1]
    since = np.maximum.accumulate(np.where(breaks, place, 0))
    length = np.where(matched, place - since + 1, 0)
    longest = np.zeros(size, np.int64)
    np.maximum.at(longest, read.text, length)
    return longest


def _last(read: Tokens, flag: Flags) -> npt.NDArray[np.float64]:
    """[N] whether the last token is so."""
    found: npt.NDArray[np.float64] = flag[np.cumsum(read.counts) - 1].astype(np.float64)
    return found


def _distinct(read: Tokens, size: int) -> npt.NDArray[np.float64]:
    """[N] how many of the pairs of neighbouring tokens are different ones."""
    pair = read.ids[:-1, 0] * 65_537 + read.ids[1:, 0]
    same = read.text[1:] == read.text[:-1]
    keys = np.unique((pair * 1_000_003 + read.text[1:] * 7_919_999_993)[same], return_index=True)[1]
    kept = np.bincount(read.text[1:][same][keys], minlength=size)
    found: npt.NDArray[np.float64] = (kept + 1) / (np.bincount(read.text[1:][same], minlength=size) + 1)
    return found


def _lines(texts: Sequence[str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """[N] the share of lines that occur before, and how many lines there are."""
    found = [[line for line in text.split("\n") if line.strip()] for text in texts]
    repeated = [1 - len(set(lines)) / max(1, len(lines)) for lines in found]
    return np.array(repeated), np.log1p([len(lines) for lines in found]) / 4
