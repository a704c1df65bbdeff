"""Names of things that do not exist, made like the names of things that do."""

from __future__ import annotations

import hashlib
import random
import re
import string
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.language import HAN, fold, language_of

_BRACKETED = re.compile(r"[\[(（【].*?[\])）】]|[\[\](){}（）【】\"“”,，;；:：/、]")
_ATTEMPTS = 100  # for one name by one method, before a wilder method is tried
_COINABLE = 4  # letters; shorter words (of, the, II) hold a name together
_COMMON_HAN = "东西南北春夏秋冬山川江海金木水火土日月星云风雨雪石竹松梅青白红黑大小长方平安和文"


@dataclass(frozen=True)
class Half(Container[str]):
    """One half (0 or 1) of all names there could be, told by a hash of the folded name.

    Lessons leave out half 0 and the exam half 1, so that they never invent the same name and need not meet.
    """

    number: int

    def __contains__(self, name: object) -> bool:
        return hashlib.sha256(fold(str(name)).encode()).digest()[0] % 2 == self.number


def invent_names(names: Sequence[str], count: int, seed: int, taken: Container[str] = ()) -> list[str]:
    """Draw names of the same type that none of `names` equals, contains, or is contained in.

    Names of several words are put together from words of different names, every other one with a coined word;
    single words and Chinese names are coined by a character Markov chain, in Chinese with one character replaced,
    because its plain results are too often real. Names are compared after NFKC, case folding and folding of spaces.

    Args:
        names: real names, at least two.
        count: how many to invent.
        seed: the same seed gives the same names.
        taken: names not to return, such as those that an earlier call invented.

    Raises:
        FusionError: there are too few real names, or they leave no room for `count` others.
    """
    real = {fold(name) for name in names} - {""}
    if len(real) < 2:
        raise FusionError("knowledge.sources: two different subjects are needed to invent names like theirs; add some.")
    inventor = _Inventor(names, random.Random(seed))
    all_real = "\n".join(sorted(real))
    invented: dict[str, str] = {}
    while len(invented) < count:
        for candidate in inventor.candidates():
            folded = fold(candidate)
            used = folded in invented or candidate in taken or folded in taken
            if folded and not used and folded not in all_real and real.isdisjoint(_parts(folded)):
                invented[folded] = candidate
                break
        else:
            raise FusionError(
                f"knowledge.sources: {count} names that contain no real one cannot be invented;"
                " remove subjects whose name is a single letter."
            )
    return list(invented.values())


def _parts(text: str) -> Iterator[str]:
    return (text[start:end] for end in range(len(text) + 1) for start in range(end))


class _Inventor:
    """Endless candidates, plausible ones first."""

    def __init__(self, names: Sequence[str], generator: random.Random) -> None:
        self.generator = generator
        self.chinese = language_of(" ".join(names)) == "zh"
        cleaned = ["".join(HAN.findall(name)) if self.chinese else _BRACKETED.sub(" ", name) for name in names]
        self.names = [" ".join(name.split()) for name in cleaned if name.strip()] or [name for name in names if name]
        self.phrases = [name.split() for name in self.names if " " in name]
        self.real_phrases = {tuple(sorted(map(fold, phrase))) for phrase in self.phrases}
        words = [word for name in self.names for word in name.split()]
        self.words = words if self.chinese else [word for word in words if len(word) >= _COINABLE] or words
        self.chains = [_Chain(self.words, order) for order in ((1,) if self.chinese else (3, 2))]
        self.han = sorted({*"".join(self.words), *_COMMON_HAN}) if self.chinese else list(_COMMON_HAN)

    def candidates(self) -> Iterator[str]:
        """Candidates for one name: the usual method first, wilder ones when it gives nothing new."""
        if self.generator.random() < len(self.phrases) / len(self.names):
            coin = self.generator.random() < 0.5
            yield from self._repeat(partial(self._recombine, self.chains[-1] if coin else None))
        for chain in self.chains:
            yield from self._repeat(partial(self._coin, chain))
        yield from self._repeat(self._distort)

    def _repeat(self, method: Callable[[], str]) -> Iterator[str]:
        return (method() for _ in range(_ATTEMPTS))

    def _coin(self, chain: _Chain) -> str:
        word = chain.draw(self.generator)
        return self._replace(word, 1) if self.chinese else word

    def _recombine(self, chain: _Chain | None) -> str:
        """Words of several names, each from the same end of its name; one of them coined if there is a chain."""
        pattern = self.generator.choice(self.phrases)
        words = [self.generator.choice(self.phrases)[0]]
        words += [self.generator.choice(self.generator.choice(self.phrases)) for _ in pattern[2:]]
        words += [self.generator.choice(self.phrases)[-1]]
        coinable = [place for place, word in enumerate(words) if len(word) >= _COINABLE]
        if chain and coinable:
            words[self.generator.choice(coinable)] = chain.draw(self.generator)
        folded = [fold(word) for word in words]
        repeated = len(set(folded)) < len(folded) or tuple(sorted(folded)) in self.real_phrases
        return "" if repeated or "" in folded else " ".join(words)

    def _distort(self) -> str:
        """A real name with any number of its characters replaced, and sometimes lengthened by another such name."""
        names = self.generator.sample(self.names, self.generator.choice((1, 1, 1, 2)) if len(self.names) > 1 else 1)
        return "".join(self._replace(name, self.generator.randint(1, len(name))) for name in names)

    def _replace(self, word: str, changes: int) -> str:
        """The word with some characters exchanged for others of their kind."""
        characters = list(word)
        for place in self.generator.sample(range(len(word)), min(changes, len(word))):
            characters[place] = self._like(characters[place])
        return "".join(characters)

    def _like(self, character: str) -> str:
        if HAN.match(character):
            return self.generator.choice(self.han)
        if character.isdigit():
            return self.generator.choice(string.digits)
        if character.isspace():
            return character
        return self.generator.choice(string.ascii_uppercase if character.isupper() else string.ascii_lowercase)


class _Chain:
    """A character Markov chain; it ends where the words it has seen end."""

    def __init__(self, words: Sequence[str], order: int) -> None:
        self.order = order
        self.shortest, self.longest = min(map(len, words)), max(map(len, words))
        self.following: dict[str, list[str]] = {}
        for word in words:
            padded = "\0" * order + word + "\0"
            for place in range(order, len(padded)):
                self.following.setdefault(padded[place - order : place], []).append(padded[place])

    def draw(self, generator: random.Random) -> str:
        """A word, or nothing if it turned out shorter or longer than every word seen."""
        word = "\0" * self.order
        while len(word) <= self.order + self.longest:
            character = generator.choice(self.following[word[-self.order :]])
            if character == "\0":
                word = word[self.order :]
                return word if len(word) >= self.shortest else ""
            word += character
        return ""
