from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.asking.invent import invent_names
from deepseek_fusion.knowledge.language import fold, language_of

ENGLISH = ["Type 2 Diabetes", "Chronic Kidney Disease", "Hay Fever", "Heart Failure", "Asthma", "Gout", "Lung Cancer"]
CHINESE = ["非胰岛素依赖型糖尿病", "特发性(原发性)高血压", "慢性缺血性心脏病", "肺炎,病原体未特指", "莱姆病", "痛风"]
LONG = [f"{first} {second}" for first in ENGLISH for second in ("Syndrome", "Type", "Crisis")] * 20


def check(real: list[str], invented: list[str]) -> None:
    names = {fold(name) for name in real}
    folded = [fold(name) for name in invented]
    assert len(set(folded)) == len(folded)
    for name in folded:
        assert name.strip()
        assert not any(name in other or other in name for other in names)


@pytest.mark.parametrize("real", [ENGLISH, CHINESE, LONG, ["Alpha", "Beta"], ["肺炎", "痛风"], ["5411", "5812"]])
def test_invented_names_are_not_real_and_not_taken(real: list[str]) -> None:
    lessons = invent_names(real, 60, seed=0)
    exam = invent_names(real, 40, seed=1, taken=set(lessons))
    assert len(lessons) == 60
    check(real, lessons + exam)
    assert invent_names(real, 60, seed=0) == lessons


def test_invented_names_look_like_their_models() -> None:
    assert all(language_of(name) == "zh" for name in invent_names(CHINESE, 50, seed=3))
    english = invent_names(ENGLISH, 50, seed=3)
    assert sum(" " in name for name in english) > 20
    assert all(language_of(name) == "en" and "  " not in name for name in english)
    assert all(name.isdigit() for name in invent_names(["5411", "5812", "5999"], 20, seed=3))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=3, max_size=12), min_size=2, max_size=8))
def test_any_real_names(real: list[str]) -> None:
    if len({fold(name) for name in real} - {""}) < 2:
        with pytest.raises(FusionError, match="two different subjects"):
            invent_names(real, 3, seed=0)
    else:
        check([name for name in real if fold(name)], invent_names(real, 3, seed=0))


def test_no_room_is_said() -> None:
    with pytest.raises(FusionError, match="cannot be invented"):
        invent_names(list("0123456789"), 1, seed=0)
