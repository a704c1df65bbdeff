"""Write the data of this example: diseases and facts on them in English and Chinese, labelled cases, invented notes.

    pip install 'deepseek-fusion[examples]'
    python examples/medical/make_data.py

The facts come with the package faker-healthcare-provider, the notes from the simulator clinosim (about 20 seconds);
nothing is downloaded, and every run writes the same files.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faker_healthcare.disease_correlations import DISEASE_CORRELATIONS as ENGLISH
from faker_healthcare.zh_CN.disease_correlations import DISEASE_CORRELATIONS as CHINESE
from make_tasks import write_tasks

DATA = Path(__file__).parent / "data"
RELATIONS = {
    "icd10": "icd10",
    "symptoms": "symptom",
    "medications": "medication",
    "medical_specialty": "specialty",
}
CHAPTERS = {  # of ICD-10, by the first code after each
    "C00": "Certain infectious and parasitic diseases",
    "D50": "Neoplasms",
    "E00": "Diseases of the blood and certain disorders of the immune mechanism",
    "F00": "Endocrine, nutritional and metabolic diseases",
    "G00": "Mental and behavioural disorders",
    "H00": "Diseases of the nervous system",
    "H60": "Diseases of the eye and adnexa",
    "I00": "Diseases of the ear and mastoid process",
    "J00": "Diseases of the circulatory system",
    "K00": "Diseases of the respiratory system",
    "L00": "Diseases of the digestive system",
    "M00": "Diseases of the skin and subcutaneous tissue",
    "N00": "Diseases of the musculoskeletal system and connective tissue",
    "O00": "Diseases of the genitourinary system",
    "P00": "Pregnancy, childbirth and the puerperium",
    "Q00": "Certain conditions originating in the perinatal period",
    "R00": "Congenital malformations, deformations and chromosomal abnormalities",
    "S00": "Symptoms, signs and abnormal findings, not elsewhere classified",
    "V01": "Injury, poisoning and other consequences of external causes",
    "Z00": "External causes of morbidity and mortality",
    "ZZZ": "Factors influencing health status and contact with health services",
}
SPECIAL = "Codes for special purposes"  # U00 to U99
SEED = 7
POPULATION = 300  # of the simulated town; about a third of it visits the hospital within the three months
PATIENTS = 60


def write_facts(path: Path, diseases: Mapping[str, Any]) -> int:
    """Write the triples of all diseases; return how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(facts(diseases))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("subject", "relation", "object"))
        writer.writerows(rows)
    return len(rows)


def facts(diseases: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """One triple for each value of each field."""
    for disease, fields in diseases.items():
        for field, relation in RELATIONS.items():
            values = fields[field]
            for value in [values] if isinstance(values, str) else values:
                yield plain(disease), relation, plain(value)


def write_ontology(path: Path, diseases: Mapping[str, Any], chinese: Mapping[str, Any]) -> int:
    """Write the diseases as OBO, below the chapters of ICD-10, with their Chinese names; return how many terms."""
    above = {plain(disease): chapter(fields["icd10"]) for disease, fields in diseases.items()}
    above = dict.fromkeys(above.values(), "Disease") | above
    other = dict(zip(map(plain, diseases), map(plain, chinese), strict=True))
    ids = {name: f"MED:{number:04}" for number, name in enumerate(("Disease", *above))}
    stanzas = ["format-version: 1.4\nontology: medical-example"]
    for name, id_ in ids.items():
        lines = ["[Term]", f"id: {id_}", f"name: {name}"]
        lines += [f'synonym: "{other[name]}" EXACT []'] if name in other else []
        lines += [f"is_a: {ids[above[name]]}"] if name in above else []
        stanzas.append("\n".join(lines))
    path.write_text("\n\n".join(stanzas) + "\n", encoding="utf-8")
    return len(ids)


def chapter(code: str) -> str:
    """The chapter of ICD-10 that a code is in."""
    return SPECIAL if code.startswith("U") else next(name for end, name in CHAPTERS.items() if code < end)


def plain(name: str) -> str:
    """A name that can stand in a list: 肺炎,病原体未特指 becomes 肺炎（病原体未特指）."""
    head, comma, tail = name.partition(",")
    return f"{head}（{tail}）" if comma else name


def write_notes(folder: Path) -> int:
    """Simulate a hospital and write one file a visit; return how many."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        simulate(Path(place))
        visits = notes(Path(place) / "cif/narratives/template/documents")
    for number, (visit, sections) in enumerate(visits.items()):
        # Some systems export plain text, some Markdown; both are read.
        suffix, mark = (".md", "#") if number % 2 else (".txt", "")
        title = f"{mark} Visit {visit}".strip()
        text = "\n\n".join([title, *(f"{mark * 2} {heading}\n{body}".strip() for heading, body in sections)])
        (folder / f"{visit}{suffix}").write_text(f"{text}\n", encoding="utf-8")
    return len(visits)


def simulate(place: Path) -> None:
    """Run the simulator and its template writer, which needs no language model."""
    clinosim = [sys.executable, "-c", "from clinosim.simulator.cli import main; main()"]
    days = ["--start", "2024-01-01", "--end", "2024-03-31"]
    size = ["--population", str(POPULATION), "--seed", str(SEED), "--country", "US"]
    run = ["simulate", "--output", str(place), "--format", "cif", *size, *days]
    tell = ["narrate", "--cif-dir", str(place / "cif"), "--provider", "template", "--seed", str(SEED)]
    for arguments in (run, tell):
        result = subprocess.run([*clinosim, *arguments], capture_output=True, text=True)
        if result.returncode:
            sys.exit(result.stderr)


def notes(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Visit -> (heading, text) of each section of its notes, for the first patients by number."""
    visits: dict[str, list[tuple[str, str]]] = {}
    for file in sorted(folder.glob("*/*.json")):
        narrative = json.loads(file.read_text(encoding="utf-8"))["narrative"]
        sections = [("Note", narrative["text"]), *narrative["sections"].items()]
        written = [(heading.replace("_", " ").capitalize(), text) for heading, text in sections if text]
        visits.setdefault(file.parent.name.removeprefix("ENC-"), []).extend(written)
    patients = sorted({patient_of(visit) for visit in visits})[:PATIENTS]
    return {visit: sections for visit, sections in visits.items() if patient_of(visit) in patients}


def patient_of(visit: str) -> str:
    """POP-000104 of POP-000104-926328746204."""
    return visit.rpartition("-")[0]


def main() -> None:
    """Write all data into a temporary folder and move it into place when it is complete."""
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        print(f"{write_facts(data / 'triples.csv', ENGLISH)} English facts")
        print(f"{write_facts(data / 'zh/triples.csv', CHINESE)} Chinese facts")
        print(f"{write_ontology(data / 'diseases.obo', ENGLISH, CHINESE)} terms of an ontology")
        print(f"{write_tasks(data / 'triples.csv', data / 'tasks', 'en')} labelled cases in English")
        print(f"{write_tasks(data / 'zh/triples.csv', data / 'zh/tasks', 'zh')} labelled cases in Chinese")
        print(f"{write_notes(data / 'ehr')} visits")
        shutil.rmtree(DATA, ignore_errors=True)
        shutil.move(data, DATA)


if __name__ == "__main__":
    main()
