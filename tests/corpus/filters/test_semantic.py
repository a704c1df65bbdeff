from __future__ import annotations

import numpy as np
import pytest

from deepseek_fusion.core.settings.filtering import SemanticConfig
from deepseek_fusion.corpus.documents import Document
from deepseek_fusion.corpus.filters.base import Batch, sift
from deepseek_fusion.corpus.filters.semantic import Incoherent, Mismatch, probabilities
from deepseek_fusion.corpus.semantic.judge import PACKAGED, Judge

PAIR = ("What are the symptoms of gout?", "The symptoms of gout are joint pain and swelling.")
MENU = "Home | Log in | Next | Share | Contact | Downloads"


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load(PACKAGED)


def batch(*pairs: tuple[str, str] | str) -> Batch:
    return Batch(
        [
            Document("a.txt", pair)
            if isinstance(pair, str)
            else Document("a.jsonl", "\n".join(pair), 1, dict(zip(("question", "answer"), pair, strict=True)))
            for pair in pairs
        ]
    )


def test_answers_and_passages_are_judged_by_their_own_filter(judge: Judge) -> None:
    rows = batch(PAIR, (PAIR[0], MENU), MENU)
    filters = [Mismatch(judge, SemanticConfig()), Incoherent(judge, SemanticConfig())]
    kept, mismatch, incoherent = sift(rows, filters)
    assert kept is None
    assert mismatch is not None
    assert incoherent is not None
    assert (mismatch.level, mismatch.filter) == ("semantic", "mismatch")
    assert mismatch.reason == f"answers its question with probability {mismatch.score:.2f}, less than 0.8"
    assert incoherent.filter == "incoherent"
    assert np.isfinite(probabilities(rows, filters)).all()
    assert np.isnan(probabilities(rows, filters[:1])).tolist() == [False, False, True]


def test_the_threshold_is_the_users_and_the_fields_too(judge: Judge) -> None:
    rows = batch((PAIR[0], MENU))
    assert Mismatch(judge, SemanticConfig(threshold=0)).reasons(rows) == [None]
    asked = Document("a.csv", MENU, 2, {"frage": PAIR[0]})  # its text is the answer
    own = SemanticConfig(question_field="frage")
    (reason,) = Mismatch(judge, own).reasons(Batch([asked]))
    assert reason is not None
    assert np.isnan(Incoherent(judge, own).scores(Batch([asked]))).all()
