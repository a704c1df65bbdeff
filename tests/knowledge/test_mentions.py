from __future__ import annotations

import random
import re

from deepseek_fusion.knowledge.mentions import count_mentions


def test_whole_words_in_any_case_under_any_name() -> None:
    names = {"Gout": ("Gout", "Podagra"), "Hay Fever": ("Hay Fever",), "HIV/AIDS": ("HIV/AIDS",), "None": ("None",)}
    texts = ["GOUT, also podagra: not a goutweed.", "hay\nfever; Hay and fever", "HIV/AIDS"]
    assert count_mentions(names, texts) == {"Gout": 2, "Hay Fever": 1, "HIV/AIDS": 1, "None": 0}


def test_a_name_inside_another_name_of_the_same_term_counts_once() -> None:
    names = {"Type 2 Diabetes": ("Type 2 Diabetes", "Diabetes", "Type 2"), "Diabetes": ("Diabetes",)}
    assert count_mentions(names, ["Type 2 diabetes is a diabetes."]) == {"Type 2 Diabetes": 2, "Diabetes": 2}


def test_chinese_names_are_found_inside_sentences() -> None:
    names = {"肺炎": ("肺炎", "肺部感染"), "COVID-19肺炎": ("COVID-19肺炎",), "炎": ("炎",)}
    assert count_mentions(names, ["患者诊断为Covid-19肺炎，肺部感染。"]) == {"肺炎": 2, "COVID-19肺炎": 1, "炎": 1}


def test_thousands_of_names_agree_with_a_search_one_by_one() -> None:
    generator = random.Random(0)
    words = ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op"]
    names = {" ".join(generator.choices(words, k=generator.randint(1, 4))) for _ in range(3000)}
    text = " ".join(generator.choices(words, k=2000))
    counts = count_mentions({name: (name,) for name in names}, [text])
    for name in sorted(names)[::50]:
        assert counts[name] == len(re.findall(rf"\b{name}\b", text))
