from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet

from deepseek_fusion.core.artifacts import Artifact, read_json
from deepseek_fusion.core.config import CurriculumConfig, KnowledgeConfig
from deepseek_fusion.core.run import Run
from deepseek_fusion.core.source import Source
from deepseek_fusion.curriculum.sampler import tail_factors
from deepseek_fusion.knowledge.build import make_graph
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.tail import Place, read_tail

OBO = """[Term]
id: D:1
name: disease
[Term]
id: D:2
name: gout
synonym: "痛风" EXACT []
is_a: D:1
[Term]
id: D:3
name: lupus
def: "An autoimmune disease." []
is_a: D:2
[Term]
id: D:4
name: asthma
is_a: D:1
[Term]
id: D:5
name: withdrawn
is_obsolete: true
is_a: D:1
"""


def test_mentions_depth_and_definitions_reach_the_curriculum(tmp_path: Path) -> None:
    (tmp_path / "d.obo").write_text(OBO, encoding="utf-8")
    texts = ["He has gout. GOUT again.", "痛风是一种代谢性疾病。"]
    table = pyarrow.table({"source": ["a.txt", "b.txt"], "text": texts})
    pyarrow.parquet.write_table(table, tmp_path / "documents.parquet")
    with Run(tmp_path / "work") as run:
        section = KnowledgeConfig(sources=("d.obo",))
        artifact = make_graph(run, section, Source(("d.obo",), tmp_path), Artifact(tmp_path, "0", "corpus"))
        tail = next((run.work / "tail").glob("*/tail.parquet")).parent
    assert read_tail(tail) == {
        "D:1": Place(0, 0, "", ""),
        "D:2": Place(3, 1, "痛风是一种代谢性疾病。", "b.txt"),
        "D:3": Place(0, 2, "An autoimmune disease.", "d.obo:12"),
        "D:4": Place(0, 1, "", ""),
    }
    assert read_json(tail / "summary.json") == {
        "terms": 4,
        "mentioned": 1,
        "defined": 2,
        "defined_by_documents": 1,
        "neither": 2,
    }
    graph = Graph.load(artifact.path)
    assert graph.subjects == ("gout", "lupus", "asthma")
    assert (graph.mentions["gout"], graph.ids["gout"], graph.depths["lupus"]) == (3, "D:2", 2)
    assert graph.definitions == {"gout": "痛风是一种代谢性疾病。", "lupus": "An autoimmune disease."}
    factors = tail_factors(graph, CurriculumConfig(long_tail=4.0).long_tail)
    assert factors == {"gout": 1.0, "lupus": 3.0, "asthma": 3.0}
