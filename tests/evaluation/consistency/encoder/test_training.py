"""A tiny encoder learns what denies, and keeps it in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.evaluation.consistency.encoder.e5 import E5
from deepseek_fusion.evaluation.consistency.encoder.learned import PACKAGED, TunedReader, load_learned, save_learned
from deepseek_fusion.evaluation.consistency.encoder.masking import Masked, Mention
from deepseek_fusion.evaluation.consistency.encoder.network import head_shapes
from deepseek_fusion.evaluation.consistency.encoder.revision import UNDECIDED
from deepseek_fusion.evaluation.consistency.encoder.training import Example, train


def example(pattern: str, said: int) -> Example:
    """`@` and `*` stand for the masks of a subject and an object."""
    text = Masked()
    for letter in pattern:
        if letter == "@":
            text.subjects.append(("Gout", text.add("disease A")))
        elif letter == "*":
            text.mentions.append(Mention("item", (0, 1), text.add("symptom")))
        else:
            text.add(letter)
    return Example(text, (said,), ("Gout",))


@pytest.fixture(scope="module")
def learned(tiny_e5: E5) -> TunedReader:
    plain = ["@ is *.", "@ has *, I say.", "In @, * it is.", "*, @."]
    denied = ["@ is not *.", "@ has not *, I say.", "In @, * it is not.", "not *, @."]
    groups = [[example(text, 0)] for text in plain * 6] + [[example(text, 1)] for text in denied * 6]
    return TunedReader(tiny_e5, train(tiny_e5, groups, passes=60, rate=1e-3, frozen=0, tell=lambda _: None))


def test_it_learns_what_denies(learned: TunedReader) -> None:
    texts = [example(text, 0).text for text in ("@ was *.", "@ was not *.")]
    plain, denied = (opinions[0].denied for opinions in learned.opinions(texts))
    assert plain < 0.5 < denied


def test_it_learns_of_whom(learned: TunedReader) -> None:
    ((opinion,),) = learned.opinions([example("@ is *.", 0).text])
    assert opinion.subjects["Gout"] > 0.9


def test_texts_of_a_batch_do_not_touch(learned: TunedReader) -> None:
    short, long = example("@ is *.", 0).text, example("@ has not *, I say, not at all.", 1).text
    ((alone,),) = learned.opinions([short])
    (beside,), _ = learned.opinions([short, long])
    torch.testing.assert_close(torch.tensor(alone.said), torch.tensor(beside.said), atol=1e-4, rtol=1e-3)


def test_what_is_too_long_to_read_is_left_to_the_rules(learned: TunedReader) -> None:
    far = learned.e5.sizes.positions
    ((near, beyond),) = learned.opinions([example("@ is *." + " x" * far + " *.", 0).text])
    assert near != UNDECIDED
    assert beyond == UNDECIDED


def test_a_file_keeps_it(learned: TunedReader, tmp_path: Path) -> None:
    save_learned(tmp_path / "reader.safetensors", learned.weights, learned.e5, {"forms": 48})
    loaded = load_learned(tmp_path / "reader.safetensors", learned.e5)
    again = TunedReader(learned.e5, loaded)
    texts = [example(text, 0).text for text in ("@ was *.", "@ was not *.")]
    for before, after in zip(learned.opinions(texts), again.opinions(texts), strict=True):
        torch.testing.assert_close(
            torch.tensor(before[0].said), torch.tensor(after[0].said), atol=0.05, rtol=0
        )  # steps of four bits


def test_a_file_for_another_encoder_is_refused(tiny_e5: E5, tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="no learned reader for this encoder"):
        load_learned(PACKAGED, tiny_e5)
    (tmp_path / "broken.safetensors").write_bytes(b"{}")
    with pytest.raises(FusionError, match="no learned reader for this encoder"):
        load_learned(tmp_path / "broken.safetensors", tiny_e5)


def test_heads_fit_the_packaged_file() -> None:
    assert head_shapes(384)["said.w"] == (4, 384)
