from __future__ import annotations

import pytest

from deepseek_fusion.core.settings.filtering import PersonalConfig
from deepseek_fusion.corpus.personal import Mask, resident_check

MASK = Mask(PersonalConfig())
RESIDENT = "11010519491231002X"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"身份证号：{RESIDENT}，电话13812345678。", "身份证号：[证件号]，电话[电话]。"),
        (f"证件 {RESIDENT[:-1]}7 不符", f"证件 {RESIDENT[:-1]}7 不符"),
        ("患者张三丰，姓名：李小明，男，56岁", "患者张三丰，姓名：[姓名]，男，56岁"),
        ("患者：男，56岁。患者：主诉头痛三天", "患者：男，56岁。患者：主诉头痛三天"),
        ("王先生由张医生接诊，家庭医生随访", "[姓名]先生由[姓名]医生接诊，家庭医生随访"),
        ("出生日期：1980年2月3日，就诊日期：2024年1月5日", "出生日期：[出生日期]，就诊日期：2024年1月5日"),
        ("请发到邮箱 li.wei+x@example.org.cn，或拨打座机 010-62345678", "请发到邮箱 [邮箱]，或拨打座机 [电话]"),
        ("Patient Name: John A. Smith, MRN: A-12345", "Patient Name: [NAME], MRN: [ID]"),
        ("Drug Name: Aspirin Enteric Coated", "Drug Name: Aspirin Enteric Coated"),
        ("Visit\nName: Mary-Ann O'Neil\nDOB 03/04/1961", "Visit\nName: [NAME]\nDOB [BIRTH DATE]"),
        ("Seen by Dr. Garcia and Mrs Li Wei.", "Seen by Dr. [NAME] and Mrs [NAME]."),
        ("Born March 4, 1961; call (212) 555-0100 or +44 20 7946 0958.", "Born [BIRTH DATE]; call [PHONE] or [PHONE]."),
        ("SSN 078-05-1120, card 4111 1111 1111 1111", "SSN [ID], card [CARD]"),
        ("order 4111 1111 1111 1112, part 000-12-3456", "order 4111 1111 1111 1112, part 000-12-3456"),
        ("BP 127/71 mmHg, HR 78, 2024-01-02 08:30, ICD M10.9", "BP 127/71 mmHg, HR 78, 2024-01-02 08:30, ICD M10.9"),
        ("Visit POP-000001-116144076738, ratio 0.123456789012", "Visit POP-000001-116144076738, ratio 0.123456789012"),
        (
            "Ménière disease, Down syndrome, Name the drug: Aspirin",
            "Ménière disease, Down syndrome, Name the drug: Aspirin",
        ),
    ],
)
def test_what_is_masked(text: str, masked: str) -> None:
    assert MASK(text)[0] == masked


def test_the_check_character_of_a_resident_number() -> None:
    assert resident_check(RESIDENT) == "X"


def test_what_the_record_says_about_the_person() -> None:
    known = (("name", "Li Wei"), ("name", "Li"), ("id", "MRN7"), ("birth", "1980-02-03"), ("address", "1 Main Street"))
    text = "Li Wei (MRN7), born 1980年2月3日 or 02/03/1980, lives at 1 Main Street. Lithium; Li饮酒。"
    masked, counts = MASK(text, known)
    assert masked == "[NAME] ([ID]), born [BIRTH DATE] or [BIRTH DATE], lives at [ADDRESS]. Lithium; [NAME]饮酒。"
    assert counts == {"name": 2, "id": 1, "birth": 2, "address": 1}


def test_each_kind_has_its_policy() -> None:
    mask = Mask(PersonalConfig(name="keep", birth="year", card="reject"))
    masked, counts = mask("Mr Smith, DOB: 03/04/1961")
    assert masked == "Mr Smith, DOB: 1961"
    assert mask.refuses(counts) is None
    _, counts = mask("card 4111111111111111")
    assert mask.refuses(counts) == "holds personal data: 1 of kind card"
