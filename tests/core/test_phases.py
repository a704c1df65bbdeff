"""Which phases a project may name, and what each of them depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_fusion.core.config import TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.core.project import load_config
from deepseek_fusion.core.settings.phases import AdaptConfig, DistilConfig
from deepseek_fusion.core.settings.section import as_tree


@pytest.mark.parametrize(
    ("phases", "sentence"),
    [
        ("[adpat, instruct]", r"`training\.phases` should hold adapt, instruct.* joined by \+ .*, not \['adpat'"),
        ("[adapt+adapt]", "should hold adapt"),
        ("[adapt+]", "should hold adapt"),
        ("[]", "`training.phases` tuple should have at least 1 item"),
    ],
)
def test_a_wrong_phase_is_one_sentence(project: Callable[..., Path], phases: str, sentence: str) -> None:
    with pytest.raises(FusionError, match=sentence):
        load_config(project(), [f"training.phases={phases}"])


def test_a_wrong_key_of_a_phase_is_told_with_the_right_one(project: Callable[..., Path]) -> None:
    with pytest.raises(FusionError, match=r"unknown key `training\.adapt\.token`; did you mean `tokens`"):
        load_config(project(), ["training.adapt.token=5"])


def test_a_phase_depends_on_its_own_section_alone() -> None:
    before = TrainingConfig(phases=("adapt", "instruct", "adapt+instruct"))
    other = before.model_copy(update={"adapt": AdaptConfig(learning_rate=7e-4)})
    changed = [before.of_phase(number) != other.of_phase(number) for number in range(3)]
    assert changed == [True, False, True]
    other = before.model_copy(update={"learning_rate": 3e-4, "batch_tokens": 64})
    changed = [before.of_phase(number) != other.of_phase(number) for number in range(3)]
    assert changed == [False, True, True]


def test_no_default_of_a_phase_that_is_not_taught_is_part_of_a_key() -> None:
    config = TrainingConfig(phases=("adapt+instruct", "reinforce"), distil=DistilConfig(keep=5))
    sections = {"adapt", "distil", "reinforce", "multitask"}
    assert sections & set(as_tree(config)) == {"adapt", "distil", "reinforce"}
    assert sections & set(as_tree(config.of_phase(0))) == {"adapt"}
    assert sections & set(as_tree(config.of_phase(1))) == {"reinforce"}
    assert as_tree(config.of_phase(1))["reinforce"] == config.reinforce.model_dump(mode="json")


def test_of_phases_together_the_rate_of_the_first_holds_and_only_the_last_is_scaled() -> None:
    config = TrainingConfig(phases=("adapt+instruct", "instruct+adapt"), learning_rate=1.0, adapter_scale=0.5)
    first, last = config.of_phase(0), config.of_phase(1)
    assert (first.learning_rate, first.adapter_scale) == (config.adapt.learning_rate, 1.0)
    assert (last.learning_rate, last.adapter_scale) == (1.0, 0.5)
    assert (first.rate_field, last.rate_field) == ("training.adapt.learning_rate", "training.learning_rate")


def test_the_default_is_what_instruct_alone_needs() -> None:
    assert TrainingConfig().of_phase(0) == TrainingConfig()


def test_nothing_comes_after_multitask(project: Callable[..., Path]) -> None:
    with pytest.raises(FusionError, match=r"`training\.phases` should end with multitask: later phases would change"):
        load_config(project(), ["training.phases=[multitask, instruct]"])


def test_an_unknown_key_of_a_task_is_told_with_the_right_one(project: Callable[..., Path]) -> None:
    with pytest.raises(FusionError, match=r"unknown key `training\.multitask\.tasks\.a\.file`; did you mean `files`"):
        load_config(project(), ["training.multitask.tasks={a: {kind: text, files: [x], file: y}}"])
