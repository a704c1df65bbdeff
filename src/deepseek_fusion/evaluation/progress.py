"""What is recalled of each stage of the ontology after each stage of teaching."""

from __future__ import annotations

from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact, write_json
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.run import stage
from deepseek_fusion.evaluation.coverage import recalled
from deepseek_fusion.evaluation.statistics.rates import Rate, rate
from deepseek_fusion.knowledge.graph import Graph
from deepseek_fusion.knowledge.ontology import stages_of


@stage("progress", version=1)
def track_progress(out: Path, section: EvaluationConfig, graph: Artifact, exam: Artifact, *sittings: Artifact) -> None:
    """Write `progress.json`: one row a stage, with its facts and the share recalled after each sitting in order.

    A fact is recalled if the answers to all its questions list it, as on the card.
    """
    facts = Graph.load(graph.path)
    stages = stages_of(facts, len(sittings))
    subjects = {facts.fact_id(triple): triple.subject for triple in facts.triples}
    answered = [recalled(exam, sitting) for sitting in sittings]

    def share(known: dict[str, bool], number: int) -> Rate:
        own = {fact: right for fact, right in known.items() if stages[subjects[fact]] == number}
        return rate(list(own.values()), [subjects[fact] for fact in own], section.bootstrap, section.seed)

    rows = [
        {
            "subjects": sum(at == number for at in stages.values()),
            "facts": sum(stages[triple.subject] == number for triple in facts.triples),
            "after": [share(known, number) for known in answered],
        }
        for number in range(len(sittings))
    ]
    write_json(out / "progress.json", {"stages": rows})
