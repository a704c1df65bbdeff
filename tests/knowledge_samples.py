"""Small graphs that tests of several rooms teach and examine."""

ENGLISH = """
Gout | code | M10.9
Gout | symptom | Joint Pain
Gout | symptom | Swelling
Gout | specialty | Rheumatology
Asthma | code | J45
Asthma | symptom | Cough
Asthma | symptom | Wheezing
Asthma | specialty | Pulmonology
Epilepsy | code | G40.909
Epilepsy | symptom | Seizures
Epilepsy | symptom | Nausea and Vomiting
Epilepsy | specialty | Neurology
Chronic Kidney Disease | code | N18.9
Chronic Kidney Disease | symptom | Fatigue
Chronic Kidney Disease | symptom | Swelling
Chronic Kidney Disease | specialty | Nephrology
Acute Bronchitis | code | J20.9
Acute Bronchitis | symptom | Cough
Acute Bronchitis | specialty | Pulmonology
Migraine | code | G43
Migraine | symptom | Headache
Migraine | specialty | Neurology
Anemia | code | D64
Anemia | symptom | Fatigue
Anemia | specialty | Hematology
Iron Deficiency | code | E61.1
Iron Deficiency | symptom | Fatigue
Iron Deficiency | specialty | Hematology
"""
CHINESE = """
痛风 | 编码 | M10.9
痛风 | 症状 | 关节痛
痛风 | 症状 | 红肿
哮喘 | 编码 | J45
哮喘 | 症状 | 咳嗽
哮喘 | 症状 | 气短
癫痫 | 编码 | G40.909
癫痫 | 症状 | 抽搐
癫痫 | 症状 | 恶心和呕吐
贫血 | 编码 | D64
贫血 | 症状 | 疲劳
偏头痛 | 编码 | G43
偏头痛 | 症状 | 眩晕
慢性肾病 | 编码 | N18.9
慢性肾病 | 症状 | 疲劳
急性支气管炎 | 编码 | J20.9
急性支气管炎 | 症状 | 咳嗽
"""
NAMES = {"anchor": "x", "noun": "y", "relation": "y", "type": "t", "answer": "z", "thing": "the x", "one": "x"}
FIELDS = NAMES | {"other": "x", "is": "is", "has": "has", "which": "哪种"}
"""Every field of a phrasing, filled in alike."""
GRAPHS = {
    "en": (
        ENGLISH,
        {
            "subject_type": "disease",
            "relations": {
                "code": {"name": "ICD-10 code"},
                "symptom": {"name": "symptom"},
                "specialty": {"name": "specialty", "plural": "specialties"},
            },
        },
    ),
    "zh": (CHINESE, {"subject_type": "疾病"}),
}
