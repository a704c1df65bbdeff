"""One vocabulary in terms of another: the same token strings under other ids.

Shape suffixes: N positions, T teacher's vocabulary, M tokens that both have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Vocabulary:
    """A student's tokens among a teacher's.

    Attributes:
        forth: the teacher's id of each of the student's ids that it has, too.
        back: the student's id of each of the teacher's ids, each of the student's once.
    """

    forth: Mapping[int, int]
    back: Mapping[int, int]

    @classmethod
    def between(cls, student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase) -> Vocabulary:
        """Match by token string; the token that ends a turn stands for that of the other, whatever they are called."""
        theirs = teacher.get_vocab()
        forth = {own: theirs[token] for token, own in student.get_vocab().items() if token in theirs}
        end, their_end = int(student.eos_token_id), int(teacher.eos_token_id)
        back = {their: own for own, their in forth.items() if own != end and their != their_end}
        return cls(forth | {end: their_end}, back | {their_end: end})

    def known(self, ids: Sequence[int]) -> int:
        """How many of some of the student's ids the teacher has."""
        return sum(token in self.forth for token in ids)

    def translate(self, ids: Sequence[int]) -> list[int] | None:
        """The same tokens in the teacher's ids; None if it lacks one."""
        found = [self.forth.get(token, -1) for token in ids]
        return None if -1 in found else found

    def kept(self, probability_NT: Tensor, labels_N: Tensor, keep: int) -> tuple[Tensor, Tensor]:
        """The student's ids [N, K] that the teacher finds likeliest, and their probabilities [N, K].

        The label comes first, however likely it is. What the student has no token for is left to the rest.
        """
        theirs_M, own_M = (column.to(probability_NT.device) for column in self._columns)
        same = self._identical and probability_NT.shape[1] == len(own_M)
        probability_NM = probability_NT if same else probability_NT[:, theirs_M]
        places_N = torch.searchsorted(own_M, labels_N.to(own_M.device))
        first = probability_NM.scatter(1, places_N[:, None], 2.0)
        places_NK = first.topk(min(keep, len(own_M)), dim=-1).indices
        return own_M[places_NK], probability_NM.gather(1, places_NK)

    @cached_property
    def _columns(self) -> tuple[Tensor, Tensor]:
        """Both ids of each common token, in the order of the student's."""
        pairs = sorted(self.back.items(), key=lambda pair: pair[1])
        theirs, own = zip(*pairs, strict=True)
        return torch.tensor(theirs), torch.tensor(own)

    @cached_property
    def _identical(self) -> bool:
        theirs_M, own_M = self._columns
        return bool((theirs_M == torch.arange(len(own_M))).all() and (own_M == theirs_M).all())
