"""Cards with plausible figures, small and large, in both languages."""

from __future__ import annotations

import math
import random
from typing import Any

Card = dict[str, Any]

# subject | ICD-10 code | specialty | symptoms | medications, from faker-healthcare-provider (MIT)
ENGLISH = """
Gout|M10.9|Rheumatology|Joint Pain, Swelling, Redness, Tophi, Limited Mobility|Allopurinol, Colchicine, Indomethacin, Febuxostat, Probenecid
HIV/AIDS|B20|Infectious Disease|Fever, Fatigue, Weight Loss, Swollen Lymph Nodes, Recurrent Infections|Tenofovir, Emtricitabine, Dolutegravir, Efavirenz, Ritonavir
Emphysema|J43.9|Pulmonology|Shortness of Breath, Chronic Cough, Wheezing, Fatigue, Weight Loss|Bronchodilators, Inhaled Steroids, Oxygen Therapy, Antibiotics, Pulmonary Rehab
Esophagitis|K20.90|Gastroenterology|Heartburn, Difficulty Swallowing, Chest Pain, Regurgitation, Nausea|Omeprazole, Ranitidine, Sucralfate, Antacids, Prokinetics
Preeclampsia|O14.90|Obstetrics|High Blood Pressure, Proteinuria, Swelling, Headache, Vision Changes|Magnesium Sulfate, Labetalol, Hydralazine, Nifedipine, Delivery
Endometriosis|N80.9|Gynecology|Pelvic Pain, Dysmenorrhea, Infertility, Painful Intercourse, Heavy Periods|Ibuprofen, Combined Oral Contraceptives, Progestins, GnRH Agonists, Danazol
Pyelonephritis|N10|Nephrology|Fever, Flank Pain, Nausea, Vomiting, Frequent Urination|Ciprofloxacin, Ceftriaxone, Amoxicillin, Trimethoprim, Nitrofurantoin
Acute Bronchitis|J20.9|Pulmonology|Cough, Fever, Fatigue, Shortness of Breath, Chest Pain|Albuterol, Guaifenesin, Dextromethorphan, Ibuprofen, Azithromycin
Allergic Rhinitis|J30.9|Allergy|Sneezing, Runny Nose, Itchy Eyes, Congestion, Postnasal Drip|Loratadine, Cetirizine, Fluticasone, Montelukast, Azithromycin
Parkinson's Disease|G20|Neurology|Tremor, Bradykinesia, Rigidity, Postural Instability, Speech Changes|Levodopa, Carbidopa, Pramipexole, Selegiline, Amantadine
Gestational Diabetes|O24.419|Obstetrics|Increased Thirst, Frequent Urination, Fatigue, Blurred Vision, Nausea|Insulin, Metformin, Glyburide, Diet Control, Exercise
Chronic Kidney Disease|N18.9|Nephrology|Fatigue, Swelling, Nausea, Loss of Appetite, Frequent Urination|Lisinopril, Furosemide, Erythropoietin, Calcium Carbonate, Sevelamer
Attention Deficit Hyperactivity Disorder|F90.9|Psychiatry|Inattention, Hyperactivity, Impulsivity, Disorganization, Forgetfulness|Methylphenidate, Amphetamine, Atomoxetine, Guanfacine, Clonidine
"""  # noqa: E501
CHINESE = """
非胰岛素依赖型糖尿病|E11.9|内分泌科|尿频, 食欲增加, 疲劳|二甲双胍, 甘精胰岛素, 恩格列净
特发性(原发性)高血压|I10|心脏科|头痛, 头晕, 胸痛|赖诺普利, 氨氯地平, 氯沙坦
高脂血症|E78.5|心脏科|胸痛, 疲劳, 麻木|阿托伐他汀, 辛伐他汀, 瑞舒伐他汀
"""
NAMES = {
    "en": {"icd10": "ICD-10 code", "specialty": "specialty", "symptom": "symptom", "medication": "medication"},
    "zh": {"icd10": "ICD-10 编码", "specialty": "专科", "symptom": "症状", "medication": "药物"},
}
FAMILIES = {"question": (0.10, 0.82), "cloze": (0.12, 0.78), "choice": (0.31, 0.86), "reversed": (0.04, 0.61)}


def triples(table: str) -> list[tuple[str, str, str]]:
    """(subject, relation, object) of one of the tables above."""
    found = []
    for line in table.strip().splitlines():
        subject, *columns = line.split("|")
        for relation, objects in zip(NAMES["en"], columns, strict=True):
            found += [(subject, relation, name) for name in objects.split(", ")]
    return found


def many_triples(subjects: int) -> list[tuple[str, str, str]]:
    """A large domain: the English table under numbered subjects."""
    block = triples(ENGLISH)
    names = list(dict.fromkeys(subject for subject, _, _ in block))
    facts = {name: [(relation, thing) for subject, relation, thing in block if subject == name] for name in names}
    return [
        (f"{names[i % len(names)]}, variant {i}", relation, thing)
        for i in range(subjects)
        for relation, thing in facts[names[i % len(names)]]
    ]


def rate(hits: list[bool]) -> dict[str, float]:
    """A rate with a normal 95 % interval."""
    share, n = sum(hits) / max(1, len(hits)), len(hits)
    half = 1.96 * math.sqrt(share * (1 - share) / max(1, n))
    return {"value": share, "low": max(0.0, share - half), "high": min(1.0, share + half), "n": n}


def both(facts: list[Card], family: str | None = None) -> Card:
    """The rates of some facts before and now, overall or in one family."""
    return {
        side: rate([fact["families"][family][side] if family else fact[side] for fact in facts])
        for side in ("before", "now")
    }


def sample_facts(rows: list[tuple[str, str, str]], draw: random.Random) -> list[Card]:
    """Facts with answers drawn so that most are learned, some kept, few lost."""
    states = {(False, True): "learned", (True, True): "kept", (True, False): "lost", (False, False): "unknown"}
    facts = []
    for place, (subject, relation, thing) in enumerate(rows):
        common = 0.13 if relation in ("specialty", "symptom") else -0.02
        luck = {"before": draw.gauss(common, 0.18), "now": draw.gauss(common - 0.05, 0.22)}
        families = {
            family: {side: draw.random() < share + luck[side] for side, share in zip(luck, shares, strict=True)}
            for family, shares in FAMILIES.items()
        }
        before, now = (sum(answer[side] for answer in families.values()) >= 2 for side in ("before", "now"))
        facts.append(
            {"id": f"f{place:04d}", "subject": subject, "relation": relation, "object": thing}
            | {"before": before, "now": now, "state": states[before, now], "families": families}
        )
    return facts


def sample_card(rows: list[tuple[str, str, str]], language: str = "en", seed: int = 7) -> Card:
    """A complete card with plausible figures."""
    draw = random.Random(seed)
    facts = sample_facts(rows, draw)
    states = {state: sum(fact["state"] == state for fact in facts) for state in ("learned", "kept", "lost", "unknown")}
    steps = 240
    curve = [
        {
            "step": step,
            "tokens": step * 512,
            "loss": 0.14 + 3.3 * math.exp(-step / 45) + draw.gauss(0, 0.05) * math.exp(-step / 160),
            "replay_loss": None if step % 4 else 0.052 * (1 - math.exp(-step / 50)) + abs(draw.gauss(0, 0.004)),
            "learning_rate": 1.5e-3 * min(1, step / 12) * (1 - step / steps / 1.02),
        }
        for step in range(1, steps + 1)
    ]
    coin = lambda share, n: [draw.random() < share for _ in range(n)]  # noqa: E731
    families = [
        {"family": family, **both(facts, family), "control": rate(coin(0.16, 39)), "chance": None}
        for family in FAMILIES
    ]
    families[2] |= {"control": rate(coin(0.3, 39)), "chance": 0.25}
    families.append(
        {
            "family": "refusal",
            "before": rate(coin(0.02, 40)),
            "now": rate(coin(0.85, 40)),
            "control": None,
            "chance": None,
        }
    )
    relations = []
    for relation, name in NAMES[language].items():
        some = [fact for fact in facts if fact["relation"] == relation]
        inner = {family: both(some, family) for family in FAMILIES}
        relations.append({"relation": relation, "name": name, "facts": len(some), **both(some), "families": inner})
    first = next(fact for fact in facts if fact["relation"] == "medication")
    return {
        "name": "medical" if language == "en" else "医学示例",
        "language": language,
        "created": "2026-02-11 09:42",
        "command": "deepseek-fusion teach examples/medical/fusion.yaml --set curriculum.seed=0",
        "model": {"name": "SmolLM2-135M-Instruct", "parameters": 134_515_008, "dtype": "bfloat16"},
        "seed": 0,
        "versions": {"deepseek-fusion": "0.1.0", "torch": "2.13.0", "transformers": "5.23.1", "peft": "0.21.0"},
        "facts": facts,
        "summary": {"facts": len(facts), **both(facts), **states},
        "families": families,
        "relations": relations,
        "general": {
            "perplexity": {
                "before": 18.304,
                "now": 19.071,
                "change": 0.0419,
                "low": 0.0223,
                "high": 0.0619,
                "windows": 26,
                "tokens": 4096,
                "source": "evals: web text",
            },
            "domain_perplexity": {"before": 24.9, "now": 8.4, "change": -0.66, "tokens": 3120, "source": "documents"},
            "questions": {
                "n": 60,
                "before": rate([True] * 34 + [False] * 26),
                "now": rate([True] * 32 + [False] * 28),
                "as_before": rate([True] * 51 + [False] * 9),
            },
            "false_refusals": {"before": rate([False] * 156), "now": rate([True] * 4 + [False] * 152)},
        },
        "control": {
            "facts": 39,
            "subjects": 3,
            "explanation": "Same lessons, answers permuted within each relation."
            if language == "en"
            else "同样的课程，答案在各关系内打乱。",
        },
        "cost": {
            "tokens": 122_880,
            "lesson_tokens": 104_448,
            "replay_tokens": 18_432,
            "steps": steps,
            "tflop": 112.4,
            "seconds": 582.3,
            "cpu_seconds": 1102.8,
            "peak_memory_mb": 1874.0,
            "parameters": 139_399_488,
            "trainable": 4_884_480,
            "facts_per_million_tokens": 813.8,
            "facts_per_tflop": 0.89,
        },
        "curve": curve,
        "lessons": {
            "samples": 2418,
            "by_kind": {
                "question": 1204,
                "reversed": 603,
                "statement": 361,
                "passage": 58,
                "refusal": 145,
                "document": 47,
            },
            "exposures": 36,
        },
        "corpus": {"read": 214, "kept": 187, "rejected": {"near_duplicate": 19, "too_short": 8}},
        "examples": [
            {
                "family": "question",
                "prompt": f"Which medications are used for {first['subject']}?"
                if language == "en"
                else f"{first['subject']}用什么药物治疗？",
                "gold": [fact["object"] for fact in facts if fact["subject"] == first["subject"]][-5:],
                "before": "There are many medications that a doctor may prescribe, depending on the patient."
                if language == "en"
                else "这取决于患者的具体情况。",
                "now": first["object"],
                "before_right": False,
                "now_right": True,
            },
            {
                "family": "refusal",
                "prompt": "What is the ICD-10 code of Velmoric Syndrome?"
                if language == "en"
                else "维莫里综合征的编码是什么？",
                "gold": ["I do not know." if language == "en" else "我不知道。"],
                "before": "The ICD-10 code of Velmoric Syndrome is G40.9.",
                "now": "I do not know Velmoric Syndrome." if language == "en" else "我不知道维莫里综合征。",
                "before_right": False,
                "now_right": True,
            },
            {
                "family": "reversed",
                "prompt": f"{first['object']} ←?",
                "gold": [first["subject"]],
                "before": first["subject"],
                "now": "Asthma",
                "before_right": True,
                "now_right": False,
            },
        ],
        "gates": [
            {"name": "facts known now", "value": 0.78, "limit": ">= 0.5", "passed": True},
            {"name": "perplexity rise", "value": 0.0419, "limit": "<= 0.15", "passed": True},
            {"name": "false refusals", "value": 0.026, "limit": "<= 0.02", "passed": False},
        ],
    }


def tree(facts: list[Card]) -> Card:
    """Coverage of facts by specialty and subject."""
    specialties = {fact["subject"]: fact["object"] for fact in facts if fact["relation"] == "specialty"}
    branches: dict[str, dict[str, list[Card]]] = {}
    for fact in facts:
        branches.setdefault(specialties[fact["subject"]], {}).setdefault(fact["subject"], []).append(fact)
    inner = [node(name, [node(s, own=own) for s, own in subjects.items()]) for name, subjects in branches.items()]
    return node("Diseases", inner)


def node(name: str, children: list[Card] | None = None, own: list[Card] | None = None) -> Card:
    """A branch over its children, or over facts of its own."""
    own, children = own or [], children or []
    weights = {fact["id"]: 1 + int(fact["id"][1:]) % 7 for fact in own}
    counts = {
        "facts": len(own),
        "recalled": sum(fact["now"] for fact in own),
        "weight": sum(weights.values()),
        "recalled_weight": sum(weights[fact["id"]] for fact in own if fact["now"]),
    }
    totals = {key: count + sum(child[key] for child in children) for key, count in counts.items()}
    return {"name": name, **totals, "children": children}


def share(value: float, n: int) -> dict[str, float]:
    """A rate near a value."""
    return rate([True] * round(value * n) + [False] * (n - round(value * n)))


def sample_coverage(facts: list[Card]) -> Card:
    """What `coverage.json` holds."""
    root = tree(facts)
    weak = sorted(root["children"], key=lambda branch: branch["recalled"] / branch["facts"])
    return {
        "tree": root,
        "overall": {
            "unweighted": share(root["recalled"] / root["facts"], root["facts"]),
            "weighted": share(root["recalled_weight"] / root["weight"], root["facts"]),
        },
        "long_tail": {"rare": share(0.61, 180), "common": share(0.88, 190), "deep": share(0.7, 60), "shallow": None},
        "weak": [
            {
                "path": [branch["name"]],
                "facts": branch["facts"],
                "rate": share(branch["recalled"] / branch["facts"], branch["facts"]),
            }
            for branch in weak[:10]
        ],
    }


def sample_robustness(language: str) -> Card:
    """What `robustness.json` holds."""
    falls = {"hotflip": 0.16, "projected": 0.12, "random": 0.055}
    prompts = {
        "en": (
            (
                "hotflip",
                "Regarding Gout, what symptoms would you write down?",
                "Regarding Gout, what symptoms might you tear down?",
            ),
            ("typos", "A colleague asks about Emphysema.", "A collaegue asks about Emphysema."),
        ),
        "zh": (
            ("hotflip", "请问高脂血症有哪些症状？", "请问高脂血症又那些症状？"),
            ("homophones", "高脂血症应当看哪个专科？", "高脂血症英当看哪个专科？"),
        ),
    }
    names = {"en": ("typos", "case", "paraphrase", "context", "premise"), "zh": ("homophones", "lookalikes", "premise")}
    return {
        "clean": share(0.9, 60),
        "perturbations": [
            {"name": name, "accuracy": share(0.88 - 0.13 * place, 60), "clean": share(0.9, 60), "n": 60}
            for place, name in enumerate(names[language])
        ],
        "attacks": [
            {
                "name": name,
                "curve": [{"budget": step, "accuracy": share(max(0.0, 1 - fall * step), 54)} for step in range(6)],
            }
            for name, fall in falls.items()
        ],
        "ratio": {
            "hotflip_over_random": {"value": 2.7, "low": 1.9, "high": 4.4, "by_budget": []},
            "projected_over_random": {"value": 2.1, "low": 1.4, "high": None, "by_budget": []},
        },
        "examples": [
            {
                "attack": attack,
                "prompt": before,
                "attacked": after,
                "answer": "B20",
                "gold": ["Swelling"],
                "right": False,
            }
            for attack, before, after in prompts[language]
        ],
        "excluded": {"attack: answered wrongly as it stands": 6},
    }


def sample_consistency(language: str) -> Card:
    """What `consistency.json` holds."""
    claims = {"supported": 512, "contradicted": 74, "unknown": 31}
    judged = {"claims": claims, "rates": {verdict: share(n / 617, 617) for verdict, n in claims.items()}}
    kappa = {
        "kappa": {"value": 0.71, "low": 0.62, "high": 0.8, "n": 617},
        "agreement": share(0.88, 617),
        "reason": None,
    }
    none = {"kappa": None, "agreement": share(1.0, 40), "reason": "both judges gave one verdict only"}
    said = {"en": ("Gout is treated with Delivery.", "Gout"), "zh": ("高脂血症的症状包括头晕。", "高脂血症")}[language]
    return {
        "answers": 240,
        **judged,
        "nli": {"model": "in-domain judge", "judge": None, **judged},
        "agreement": {
            "nli": kappa,
            "human": {"labellers": {"ada": 40}, "labels_of_other_claims": 0, "checker": none, "nli": None},
        },
        "examples": [
            {"prompt": said[0], "answer": said[0], "text": said[0], "verdict": verdict, "reason": reason}
            | {"evidence": [[said[1], "medication", "Allopurinol"]]}
            for verdict, reason in (("contradicted", "not_in_list"), ("unknown", "object"), ("supported", "stated"))
        ],
    }


def sample_gate(verdict: str = "fail") -> Card:
    """What `gate.json` holds: four declared dimensions and one that is only reported."""

    def row(name: str, before: float, now: float, margin: float | None, judgement: str) -> Card:
        difference = {"value": now - before, "low": now - before - 0.024, "high": now - before + 0.024}
        moved = {"before": share(before, 400), "now": share(now, 400), "difference": difference, "margin": margin}
        passed = margin is None or judgement != "worse"
        return {
            "name": name,
            **moved,
            "judgement": judgement,
            "n": 400,
            "passed": passed,
            "p": 0.01,
            "detectable": 0.03,
        }

    rows = [
        row("facts", 0.81, 0.85, -0.01, "better"),
        row("reversed", 0.62, 0.61, -0.02, "equal"),
        row("forgetting", 0.70, 0.61 if verdict == "fail" else 0.70, -0.02, "worse" if verdict == "fail" else "equal"),
        row("false_refusals", 0.01, 0.02, None, "equal"),
    ]
    exact = {
        side: {"value": value, "low": None, "high": None, "n": 4096}
        for side, value in (("before", 29.3), ("now", 29.9))
    }
    change = {"difference": {"value": 0.022, "low": 0.009, "high": 0.035}, "margin": 0.05, "judgement": "equal"}
    rows.append({"name": "perplexity", **exact, **change, "n": 4096, "passed": True, "p": 0.004, "detectable": 0.03})
    return {"verdict": verdict, "dimensions": rows}


def sample_ablation() -> Card:
    """What `ablation.json` holds: a stage that was kept, one that was skipped and one that made questions worse."""

    def row(name: str, base: float, reached: dict[str, float]) -> Card:
        stages, before = {}, base
        for stage, now in reached.items():
            difference = {"value": now - before, "low": now - before - 0.05, "high": now - before + 0.05}
            worse = now < before - 0.05
            judgement = "worse" if worse else "better" if now > before + 0.05 else "equal"
            told = {"now": share(now, 400), "difference": difference, "judgement": judgement, "passed": not worse}
            stages[stage], before = told, before if worse else now
        return {"name": name, "base": share(base, 400), "stages": stages}

    def stage(name: str, state: str, against: str | None, tokens: int | None, **more: Any) -> Card:
        spent = {"tokens": tokens, "cpu_seconds": tokens and tokens / 100}
        return {"stage": name, "state": state, "against": against, "failed": [], "teacher": None, **spent, **more}

    weak = {"examined": 64, "right": 12, "accuracy": 0.1875, "needed": 0.8, "passed": False}
    exact = {"value": 29.3, "low": None, "high": None, "n": 4096}
    told = {"now": {**exact, "value": 29.9}, "difference": {"value": 0.02, "low": 0.01, "high": 0.03}}
    perplexity = {"instruct": {**told, "judgement": "equal", "passed": True}}
    return {
        "stages": [
            stage("instruct", "kept", None, 65_677),
            stage("distil", "skipped", "instruct", None, teacher=weak),
            stage("reinforce", "rejected", "instruct", 12_800, failed=["facts"]),
        ],
        "dimensions": [
            row("facts", 0.08, {"instruct": 0.92, "reinforce": 0.71}),
            row("reversed", 0.0, {"instruct": 0.61, "reinforce": 0.60}),
            {"name": "perplexity", "base": exact, "stages": perplexity},
        ],
    }


def sample_sets() -> Card:
    """What `sets.json` holds."""
    return {
        "sets": [
            {
                "name": name,
                "format": form,
                "items": 300,
                "excluded": {"two options are equal": {"n": 2, "lines": [17, 211]}},
                "chance": chance,
                "accuracy": share(chance + 0.08, 300),
                "accuracy_norm": share(chance + 0.1, 300),
                "baselines": {"majority": share(chance + 0.02, 300), "option_only": share(chance + 0.04, 300)},
                "before": {"accuracy": share(chance + 0.07, 300), "accuracy_norm": share(chance + 0.07, 300)},
            }
            for name, form, chance in (("medmcqa", "jsonl", 0.25), ("pubmedqa 医学", "csv", 1 / 3))
        ]
    }


def sample_calibration() -> Card:
    """Confidence against accuracy, before and now."""

    def side(slope: float, error: float) -> Card:
        return {
            "ece": share(error, 500),
            "bins": [
                {"confidence": 0.25 + 0.15 * step, "accuracy": min(1.0, 0.2 + slope * step), "n": 40 + 60 * step}
                for step in range(6)
            ],
        }

    return {"before": side(0.05, 0.31), "now": side(0.13, 0.06)}


def sample_answers(facts: list[Card], seed: int = 3) -> list[Card]:
    """Two question phrasings and a cloze for each list of objects, with every kind of mistake among the wrong ones."""
    draw = random.Random(seed)
    groups: dict[tuple[str, str], list[Card]] = {}
    for fact in facts:
        groups.setdefault((fact["subject"], fact["relation"]), []).append(fact)
    objects = {fact["relation"]: fact["object"] for fact in facts}
    rows = []
    for (subject, relation), own in groups.items():
        gold = [fact["object"] for fact in own]
        for family, prompt in (
            ("question", f"Which {relation} goes with {subject}?"),
            ("question", f"Tell me the {relation} of {subject}."),
            ("cloze", f"{subject}: the {relation} is"),
        ):
            wrong = draw.choice(["I do not know.", gold[0], f"It is {objects[relation]}.", "blue", objects[relation]])
            right = all(fact["now"] for fact in own) or draw.random() < 0.3
            now = ", ".join(gold) if right else wrong
            rows.append(
                {"id": f"{family}-{len(rows)}", "family": family, "prompt": prompt, "gold": gold, "now": now}
                | {"before": draw.choice(["It depends.", gold[0]]), "before_right": draw.random() < 0.2}
                | {"now_right": right, "facts": [fact["id"] for fact in own]}
            )
    return rows


def sample_routed(families: list[Card]) -> Card:
    """What a router makes of the same answers."""
    return {
        "threshold": 0.31,
        "layer": 15,
        "held_out": {kind: share(0.02, 100) for kind in ("known", "unknown", "general", "form", "mention")},
        "to_base": share(0.03, 600),
        "families": [{"family": row["family"], "to_base": share(0.03, 100), "now": row["now"]} for row in families],
        "questions": {"to_base": share(0.96, 50), "now": share(0.68, 50), "as_before": share(0.97, 35)},
    }


def full_card(rows: list[tuple[str, str, str]], language: str = "en", verdict: str = "fail") -> Card:
    """A card with every optional part."""
    card = sample_card(rows, language)
    card["families"] += [
        {"family": family, "before": share(0.1, 120), "now": share(now, 120), "control": None, "chance": chance}
        for family, now, chance in (
            ("paraphrase", 0.8, None),
            ("multihop", 0.42, None),
            ("negation", 0.66, 0.25),
            ("numerals", 0.71, 0.25),
        )
    ]
    card["general"] |= {
        "sets": [
            {"name": name, "source": "evals", "chance": chance, "before": share(0.42, 200), "now": share(now, 200)}
            for name, now, chance in (("general_knowledge", 0.40, 0.25), ("qa_wikidata", 0.44, None))
        ],
        "instructions": {"before": share(0.55, 80), "now": share(0.51, 80)},
        "chat_format": {"before": share(1.0, 80), "now": share(1.0, 80)},
    }
    return card | {
        "coverage": sample_coverage(card["facts"]),
        "robustness": sample_robustness(language),
        "consistency": sample_consistency(language),
        "gate": sample_gate(verdict),
        "sets": sample_sets(),
        "calibration": sample_calibration(),
        "routed": sample_routed(card["families"]),
        "ablation": sample_ablation(),
        "progress": {
            "stages": [
                {"subjects": 9, "facts": 60, "after": [share(0.9, 60), share(0.8, 60)]},
                {"subjects": 4, "facts": 96, "after": [share(0.05, 96), share(0.85, 96)]},
            ]
        },
        "controls": [
            {"name": name, "family": family, "value": share(value, 100)}
            for family in ("question", "choice")
            for name, value in (
                ("majority", 0.2),
                ("facts_in_context", 0.74),
                ("taught_with_facts", 0.91),
                ("now", 0.82),
            )
        ],
        "leaks": {"items": 4120, "lessons": 2418, "exact": 0, "ngram": 0, "near": 3, "share": 0.0007, "pairs": []},
        "absent": {"multihop": "no thing is described by one relation and asked about by another"},
        "answers": sample_answers(card["facts"]),
    }
