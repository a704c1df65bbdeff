from __future__ import annotations

import pytest

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.tables import table_rows, whole_table


def test_rows_carry_the_line_they_start_on() -> None:
    text = '疾病,症状\n"流感\n(甲型)",发烧\n\nGout,pain\n'
    assert list(table_rows(text, ",")) == [
        (1, ["疾病", "症状"]),
        (2, ["流感\n(甲型)", "发烧"]),
        (4, []),
        (5, ["Gout", "pain"]),
    ]
    assert [line for line, _ in whole_table("a.csv", text, ",")] == [1, 2, 5]


def test_a_broken_row_is_told_or_raised() -> None:
    text = 'a,b\nc,"d" e\nf,g\n'
    rows = dict(table_rows(text, ","))
    assert "broken CSV" in rows[2]
    with pytest.raises(FusionError, match=r"a\.csv, line 2: broken CSV .*; check the quotes of this row\."):
        list(whole_table("a.csv", text, ","))
    assert dict(table_rows('"d" e', "\t"))[1] == "broken CSV ('a tab' expected after '\"')"


def test_a_long_field_is_read() -> None:
    assert [row for _, row in table_rows("x" * 200_000, "\t")] == [["x" * 200_000]]
