"""The format control: the same questions with other subjects' answers."""

from __future__ import annotations

import random
from pathlib import Path

from deepseek_fusion.core.artifacts import Artifact
from deepseek_fusion.core.config import EvaluationConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.run import stage
from deepseek_fusion.knowledge.graph import Graph, Triple

_FEWEST = 4


@stage("shuffled", version=1)
def shuffle_answers(out: Path, section: EvaluationConfig, graph: Artifact) -> None:
    """Write a graph of some subjects in which each answer list comes from another subject and is wrong as a whole.

    What a model that learns this graph gains on the true facts is form (what an answer looks like), not knowledge.

    Raises:
        FusionError: no two subjects answer any relation differently.
    """
    truth = Graph.load(graph.path)
    shuffled = shuffle(truth, section.control, section.seed)
    if not shuffled.triples:
        raise FusionError(
            "evaluation.control: no two subjects have different answers, so none can be shuffled; set it to 0."
        )
    shuffled.save(out)


def shuffle(graph: Graph, share: float, seed: int) -> Graph:
    """Permute whole answer lists within each relation among a share of the subjects (at least 4).

    Nobody keeps its own list or gets one with the same answers; a (subject, relation) for which there is no other
    is left out.
    """
    generator = random.Random(seed)
    count = min(len(graph.subjects), max(_FEWEST, round(share * len(graph.subjects))))
    drawn = set(generator.sample(graph.subjects, count))
    lists: dict[str, dict[str, tuple[str, ...]]] = {}
    for group in graph.forward():
        if group.anchor in drawn:
            lists.setdefault(group.relation, {})[group.anchor] = group.answers
    swapped = {relation: _derange(answers, generator) for relation, answers in lists.items()}
    return graph.with_triples(
        Triple(group.anchor, group.relation, answer, "shuffled")
        for group in graph.forward()
        for answer in swapped.get(group.relation, {}).get(group.anchor, ())
    )


def _derange(answers: dict[str, tuple[str, ...]], generator: random.Random) -> dict[str, tuple[str, ...]]:
    """Give each subject another's answers.

    With equal answers side by side, a rotation by the size of the largest class moves every list into another
    class, or, where one class has more than half of all, as many as can be moved.
    """
    classes: dict[frozenset[str], list[str]] = {}
    for subject, found in answers.items():
        classes.setdefault(frozenset(found), []).append(subject)
    members = list(classes.values())
    generator.shuffle(members)
    for subjects in members:
        generator.shuffle(subjects)
    order = [subject for subjects in members for subject in subjects]
    largest = max(map(len, members))
    donors = order[largest:] + order[:largest]
    return {
        subject: answers[donor]
        for subject, donor in zip(order, donors, strict=True)
        if set(answers[donor]) != set(answers[subject])
    }
