"""Personal data in a text, found by its form, by its check digits, or because the record says whose it is.

A name in running text without a title or a label in front of it is not found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import lru_cache

from deepseek_fusion.core.settings.filtering import PersonalConfig
from deepseek_fusion.knowledge.language import Language, language_of

LABELS: dict[Language, dict[str, str]] = {
    "en": {
        "name": "[NAME]",
        "id": "[ID]",
        "phone": "[PHONE]",
        "mail": "[MAIL]",
        "card": "[CARD]",
        "birth": "[BIRTH DATE]",
        "address": "[ADDRESS]",
    },
    "zh": {
        "name": "[姓名]",
        "id": "[证件号]",
        "phone": "[电话]",
        "mail": "[邮箱]",
        "card": "[卡号]",
        "birth": "[出生日期]",
        "address": "[地址]",
    },
}
"""What stands in place of what was found."""

Found = tuple[int, int, str]
"""Start, end and kind."""

_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_RUN = re.compile(r"[\d+(][\d \-()]{5,40}[\dXx]", re.ASCII)
_NUMBERS = {
    "id": [
        r"\d{17}[\dXx]",  # resident identity number of China
        r"\d{15}",
        r"\d{3}-\d{2}-\d{4}",  # social security number of the United States
    ],
    "card": [r"\d(?:[ -]?\d){12,18}"],
    "phone": [
        r"(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}",
        r"0\d{2,3}[- ]\d{7,8}",
        r"(?:\+?1[- ])?(?:\(\d{3}\) ?|\d{3}[- ])\d{3}[- ]\d{4}",
        r"\+\d{1,3}(?:[ -]?\d){7,12}",
    ],
}
_NUMBER = {kind: re.compile(rf"(?<![\d-])(?:{'|'.join(forms)})(?![\d-])", re.ASCII) for kind, forms in _NUMBERS.items()}
_DATE = (
    r"(?:\d{4}[-/.年] ?\d{1,2}[-/.月] ?\d{1,2}日?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    r"|[A-Z][a-z]{2,8}\.? \d{1,2},? \d{4}|\d{1,2} [A-Z][a-z]{2,8} \d{4})"
)
_LATIN_NAME = r"[A-Z][\w'’-]+(?:, [A-Z][a-z'’-]+|(?: (?:[A-Z]\.|[A-Z][\w'’-]+)){1,3})"
_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严魏陶姜戚谢邹喻潘葛范彭鲁韦马苗袁柳唐薛雷贺倪汤罗毕郝邬常傅康伍余顾孟黄萧尹姚邵汪毛米戴宋庞熊纪舒屈项祝董梁杜阮蓝闵季贾江颜郭梅林刁钟徐邱骆夏蔡田樊胡凌"
    "霍万柯管卢莫房丁邓洪包左石崔吉龚程裴陆荣翁甄曲封储段侯全班宫宁甘厉祖符刘景詹龙叶黎薄白蒲卓蔺屠蒙池乔阴苍双闻党翟谭贡姬申冉桑牛燕尚温庄柴瞿阎慕习艾鱼容古易廖庾衡耿匡国文寇广欧聂晁勾敖冷辛那简饶曾沙鞠关"
    "蒯荆游竺权盖"
)
_HAN_NAME = rf"[\u4e00-\u9fff]{{2,4}}(?![\u4e00-\u9fff])|[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}"
_COLON = r"\s{0,3}[:：#]\s{0,3}"
_LABELS = {  # what stands before it, by kind and form
    ("name", rf"{_COLON}({_LATIN_NAME})"): (
        "Patient|Patient Name|Patient name|Full name|\nName|Attending|Physician|Signed by"
    ),
    ("name", rf"{_COLON}({_HAN_NAME})"): "姓名|联系人|签名",
    ("name", rf"{_COLON}([{_SURNAMES}][\u4e00-\u9fff]{{1,2}})(?![\u4e00-\u9fff])"): "患者|病人|医师|医生",
    ("name", rf"\.? ({_LATIN_NAME}|[A-Z][a-z'’-]+)"): "Mr|Mrs|Ms|Miss|Dr|Prof",
    ("id", rf"(?:{_COLON}| )((?=[A-Z-]*\d)[A-Z\d][A-Z\d-]{{3,19}})"): (
        "MRN|Record Number|Record number|Patient ID|SSN|Passport|"
        "病历号|住院号|门诊号|病案号|身份证|身份证号|护照号|医保号|社保号"
    ),
    ("birth", rf"(?:{_COLON}| )?({_DATE})"): (
        "DOB|Date of birth|Date of Birth|Birth date|Birthdate|Born|出生日期|出生年月|生日|出生于|生于"
    ),
}
_AFTER = {label: form for form, labels in _LABELS.items() for label in labels.split("|")}
_LABEL = re.compile("|".join(sorted(_AFTER, key=len, reverse=True)))
_TITLES = {"先生": 2, "女士": 2, "小姐": 2, "医生": 0, "医师": 0, "大夫": 0, "主任": 0, "护士": 0}
"""Titles after a name, and how many characters of a given name may stand between surname and title."""


class Mask:
    """Replaces what is personal, or says that a text must go for it."""

    def __init__(self, policy: PersonalConfig) -> None:
        self.policy: dict[str, str] = policy.model_dump()
        self.wanted = {kind for kind, what in self.policy.items() if what != "keep"}

    def __call__(self, text: str, known: Iterable[tuple[str, str]] = ()) -> tuple[str, Counter[str]]:
        """The text without it, and how much of each kind was found.

        Args:
            text: any.
            known: (kind, value) of what the record itself says about the person.
        """
        found = [span for span in find_personal(text, known) if span[2] in self.wanted] if self.wanted else []
        if not found:
            return text, Counter()
        labels = LABELS[language_of(text)]
        pieces, end = [], 0
        for start, stop, kind in found:
            year = _YEAR.search(text[start:stop]) if self.policy[kind] == "year" else None
            pieces += [text[end:start], year[0] if year else labels[kind]]
            end = stop
        return "".join((*pieces, text[end:])), Counter(kind for _, _, kind in found)

    def refuses(self, found: Counter[str]) -> str | None:
        """Why a text with so much of each kind must go."""
        for kind, count in found.items():
            if self.policy[kind] == "reject":
                return f"holds personal data: {count} of kind {kind}"
        return None


_YEAR = re.compile(r"(?:19|20)\d\d")


def find_personal(text: str, known: Iterable[tuple[str, str]] = ()) -> list[Found]:
    """What is personal in a text, in order and without overlaps; of two that overlap, the earlier or longer one."""
    spans = [*_known(text, tuple(known)), *_mails(text), *_labelled(text), *_titled(text), *_numbers(text)]
    found: list[Found] = []
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not found or start >= found[-1][1]:
            found.append((start, end, kind))
    return found


def _mails(text: str) -> Iterator[Found]:
    if "@" in text:
        yield from ((found.start(), found.end(), "mail") for found in _MAIL.finditer(text))


def _numbers(text: str) -> Iterator[Found]:
    for run in _RUN.finditer(text):
        if text[run.start() - 1 : run.start()].isalnum() and text[run.start() - 1].isascii():
            continue
        for kind, form in _NUMBER.items():
            for found in form.finditer(text, run.start(), run.end()):
                digits = re.sub("[^0-9Xx]", "", found[0]).upper()
                if kind == "phone" or _CHECKS[kind](digits, found[0]):
                    yield found.start(), found.end(), kind


def _labelled(text: str) -> Iterator[Found]:
    for label in _LABEL.finditer(text):
        before = text[label.start() - 1 : label.start()]
        kind, form = _AFTER[label[0]]
        is_inside_word = before.isascii() and before.isalpha() and not label[0].startswith("\n")
        if not is_inside_word and (found := _compiled(form).match(text, label.end())):
            yield found.start(1), found.end(1), kind


@lru_cache(maxsize=256)
def _compiled(form: str) -> re.Pattern[str]:
    return re.compile(form)


def _titled(text: str) -> Iterator[Found]:
    """王先生, 李小明女士."""
    for title, given in _TITLES.items() if not text.isascii() else ():
        if title in text:
            for found in _compiled(rf"([{_SURNAMES}][\u4e00-\u9fff]{{0,{given}}}){title}").finditer(text):
                yield found.start(1), found.end(1), "name"


def _known(text: str, known: tuple[tuple[str, str], ...]) -> Iterator[Found]:
    if known:
        pattern, kinds = _known_pattern(known)
        yield from ((found.start(), found.end(), kinds[found[0]]) for found in pattern.finditer(text))


@lru_cache(maxsize=1024)
def _known_pattern(known: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    kinds: dict[str, str] = {}
    for kind, value in known:
        for form in _dates(value) if kind == "birth" else [value.strip()]:
            if len(form) > 1:
                kinds.setdefault(form, kind)
    forms = "|".join(map(re.escape, sorted(kinds, key=len, reverse=True)))
    # An ASCII letter next to it makes it a part of another word; a Han character does not
    return re.compile(rf"(?<![A-Za-z0-9])(?:{forms or '(?!)'})(?![A-Za-z0-9])"), kinds


def _dates(value: str) -> list[str]:
    """The ways to write a date."""
    try:
        day = date.fromisoformat(value[:10])
    except ValueError:
        return [value]
    y, m, d = day.year, day.month, day.day
    numbers = [f"{y}-{m:02}-{d:02}", f"{y}/{m:02}/{d:02}", f"{m:02}/{d:02}/{y}", f"{m}/{d}/{y}", f"{d:02}/{m:02}/{y}"]
    month = day.strftime("%B")
    return [*numbers, f"{y}年{m}月{d}日", f"{y}年{m:02}月{d:02}日", f"{month} {d}, {y}", f"{d} {month} {y}"]


def _is_identity(digits: str, written: str) -> bool:
    if "-" in written:
        area, group, serial = written.split("-")
        return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    if len(digits) == 15:
        return _is_region(digits) and _is_day(f"19{digits[6:12]}")
    return _is_region(digits) and _is_day(digits[6:14]) and resident_check(digits) == digits[17]


def resident_check(digits: str) -> str:
    """The last character of a Chinese resident identity number (GB 11643, ISO 7064 MOD 11-2)."""
    return "10X98765432"[sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(digits[:17])) % 11]


def _is_region(digits: str) -> bool:
    return 11 <= int(digits[:2]) <= 65 or digits[:2] in ("71", "81", "82", "83")


def _is_day(digits: str) -> bool:
    try:
        return 1880 <= date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).year <= 2100
    except ValueError:
        return False


def _is_card(digits: str, _: str) -> bool:
    """Luhn's check (ISO/IEC 7812), on numbers that begin like one of a bank."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return digits[0] in "23456" and len(set(digits)) > 1 and (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


_CHECKS: dict[str, Callable[[str, str], bool]] = {"id": _is_identity, "card": _is_card}
