"""What is planted: ways in which a good row goes bad, each under its name."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from deepseek_fusion.knowledge.language import language_of, tokens

_MENU = {
    "en": "Home|Contact|Log in|Sign up|Privacy policy|Terms of use|Next|Previous|Share|Tweet|Read more|Cookies|"
    "Search|Products|Services|News|Careers|FAQ|Sitemap|Subscribe|Copyright 2024|All rights reserved|Accept all|Help|"
    "Back to top|Add to cart|Downloads|Support|English|Blog|Events|Follow us|Newsletter|Categories|Related posts",
    "zh": "首页|联系我们|登录|注册|隐私政策|使用条款|下一页|上一页|分享|阅读更多|搜索|产品中心|服务|新闻|招聘|常见问题|"
    "订阅|版权所有|保留所有权利|返回顶部|加入购物车|下载|帮助|收藏本站|设为首页|友情链接|京ICP备|热门推荐|相关文章|更多>>|点击这里|客服",
}
_LETTERS = "etaoinshrdlcumwfgypbvk"
_HAN = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面"
_END = re.compile(r"(?<=[.!?。！？])\s*")


def sentences(text: str) -> list[str]:
    """Cut after full stops; a line break is one too."""
    return [part for line in text.split("\n") for part in _END.split(line) if part.strip()]


def shuffled(text: str, rng: random.Random) -> str | None:
    """The same sentences in another order, line breaks where they were; None if there are fewer than four."""
    parts = sentences(text)
    if len(set(parts)) < 4:
        return None
    mixed = parts[:]
    while mixed == parts:
        rng.shuffle(mixed)
    return _laid_out(text, parts, mixed)


def begun(text: str, rng: random.Random) -> str | None:
    """The first sentences of it, which is still good prose; None if there are fewer than five."""
    parts = sentences(text)
    return text[: _places(text, parts)[rng.randrange(2, len(parts) - 1)][1]] if len(parts) > 4 else None


def _places(text: str, parts: list[str]) -> list[tuple[int, int]]:
    found, end = [], 0
    for part in parts:
        start = text.index(part, end)
        end = start + len(part)
        found.append((start, end))
    return found


def _laid_out(text: str, parts: list[str], instead: list[str]) -> str:
    """Other parts in the place of the parts of a text; what stands between them stays."""
    places = _places(text, parts)
    between = [text[a[1] : b[0]] for a, b in pairwise(places)]
    glue = [gap if gap or _glue(text) == "" else " " for gap in between]
    return "".join(part + gap for part, gap in zip(instead, [*glue, ""], strict=True))


def cut(text: str, rng: random.Random) -> str | None:
    """Torn within a sentence, at the end or at both ends."""
    words = _places(text, _words(text))
    if len(words) < 12:
        return None
    last = rng.randrange(len(words) // 2, len(words) - 2)
    first = rng.randrange(2, len(words) // 4) if rng.random() < 0.3 else 0
    torn = text[words[first][0] : words[last][1]].rstrip(" .,;:。，；：")
    ends_well = any(torn.endswith(sentence.rstrip(" .!?。！？")) for sentence in sentences(text))
    return None if ends_well and not first else torn


def menu(text: str, rng: random.Random) -> str:
    """What stands around a page: links, buttons, notices."""
    words = _MENU[language_of(text)].split("|")
    return rng.choice([" | ", "\n", " ", " > ", " · "]).join(rng.sample(words, rng.randrange(6, 20)))


def garbled(text: str, rng: random.Random) -> str:
    """Letters read wrongly, as bad recognition of scans gives, or all of it decoded with the wrong encoding."""
    if rng.random() < 0.2:
        return text.encode().decode("latin-1")
    share = rng.uniform(0.12, 0.35)
    other = _HAN if language_of(text) == "zh" else _LETTERS
    wrong = (
        c if not c.isalnum() or rng.random() > share else rng.choice(["", rng.choice(other), rng.choice("|1l0;~^*")])
        for c in text
    )
    return "".join(wrong)


def salad(text: str, rng: random.Random) -> str:
    """The same words in any order."""
    words = _words(text)
    mixed = words[:]
    rng.shuffle(mixed)
    return _laid_out(text, words, mixed)


def repeated(text: str, rng: random.Random) -> str:
    """One sentence or line over and over."""
    part = rng.choice(sentences(text))[:200]
    glue = rng.choice(["\n", _glue(text)])
    return glue.join([part] * rng.randrange(3, 9))


def spliced(text: str, rng: random.Random, other: str) -> str | None:
    """Sentences of two texts in turn."""
    both = [sentences(text), sentences(other)]
    if min(map(len, both)) < 3:
        return None
    mixed = [other if number % 2 else own for number, (own, other) in enumerate(zip(*both, strict=False))]
    mixed += both[0][len(mixed) :]
    return _laid_out(text, both[0], mixed)


SPOILED: Mapping[str, Callable[[str, random.Random], str | None]] = {
    "shuffled sentences": shuffled,
    "cut off": cut,
    "menu": menu,
    "garbled": garbled,
    "word salad": salad,
    "repeated lines": repeated,
}


def _glue(text: str) -> str:
    return "" if language_of(text) == "zh" else " "


def _words(text: str) -> list[str]:
    if language_of(text) == "en":
        return text.split()
    return re.findall(r"[一-鿿]|[^一-鿿\s]+", text) if tokens(text) else [text]
