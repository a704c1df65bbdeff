"""A small T5 of our own that learns from filled forms which names a sentence relates, and how."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from deepseek_fusion.core.artifacts import write_json
from deepseek_fusion.core.events import track
from deepseek_fusion.knowledge.extraction.delexical import MARKS, Link, Marked, delexicalise
from deepseek_fusion.knowledge.extraction.extractor import FORMAT
from deepseek_fusion.knowledge.extraction.forms import SLOT, Filler, examples
from deepseek_fusion.knowledge.extraction.lexicon import common_words
from deepseek_fusion.knowledge.language import Language

PAD, END, UNKNOWN_WORD = "<pad>", "</s>", "<unk>"
WIDTH, ENCODER, DECODER, HEADS = 128, 3, 1, 4
BATCH, RATE, WARMUP = 64, 2e-3, 0.05
ALIKE = 16
"""Batches that are drawn together and sorted by length, so that little is padded."""
POOL = 12_000
"""Texts that are written for each language; every epoch draws other marks for their names."""
FORGOTTEN, UNCOMMON, LISTS = 0.04, 0.1, 50
"""Share of words that are made unknown, and of common words that are taken for new names, as words of real texts are;
lists of common words that this is drawn for."""
Forms = Mapping[Language, Sequence[str]]


@dataclass(frozen=True)
class Recipe:
    """How long is trained."""

    steps: int = 4000
    seed: int = 0
    pool: int = POOL


def train(out: Path, forms: Forms, recipe: Recipe) -> dict[str, float]:
    """Train on forms and write the model as a folder of transformers, float16 safetensors and `extraction.json`.

    Returns:
        The loss over the last tenth of the steps, and the number of parameters.
    """
    rng = random.Random(recipe.seed)
    common = {language: common_words(SLOT.sub(" ", form) for form in own) for language, own in forms.items()}
    pool = list(_pool(forms, common, recipe.pool, rng))
    tokenizer = _tokenizer(pool)
    model = _model(len(tokenizer), recipe.seed)
    loss = _fit(model, tokenizer, pool, recipe, rng)
    out.mkdir(parents=True, exist_ok=True)
    transformers.utils.logging.disable_progress_bar()
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    words = sorted(set().union(*common.values()))
    write_json(out / FORMAT, {"format": "marks", "common": words})
    return {"loss": loss, "parameters": sum(each.numel() for each in model.parameters())}


_Example = tuple[Marked, list[Link]]


def _pool(forms: Forms, common: Mapping[Language, set[str]], size: int, rng: random.Random) -> Iterator[_Example]:
    with track("Writing sentences", size * len(forms)) as progress:
        for language, own in forms.items():
            filler = Filler(language, rng)
            words = sorted(common[language])
            lacking = [{word for word in words if rng.random() >= UNCOMMON} for _ in range(LISTS)]
            for _ in range(size):
                yield from examples(filler.fill(rng.choice(own)), rng.choice(lacking))
                progress.advance()


def _tokenizer(pool: Sequence[_Example]) -> PreTrainedTokenizerFast:
    """One token a word; words that stand in one text only are names that were not seen as such."""
    counts: Counter[str] = Counter()
    for marked, _ in pool:
        counts.update(set(delexicalise(marked).words) - set(MARKS))
    words = [PAD, END, UNKNOWN_WORD, *MARKS, *sorted(word for word, count in counts.items() if count > 2)]
    plain = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token=UNKNOWN_WORD))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token=PAD, eos_token=END, unk_token=UNKNOWN_WORD, model_max_length=512
    )


def _model(vocabulary: int, seed: int) -> T5ForConditionalGeneration:
    config = T5Config(
        vocab_size=vocabulary,
        d_model=WIDTH,
        d_kv=WIDTH // HEADS,
        d_ff=2 * WIDTH,
        num_layers=ENCODER,
        num_decoder_layers=DECODER,
        num_heads=HEADS,
        dropout_rate=0.0,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=64,
        pad_token_id=0,
        eos_token_id=1,
    )
    config.decoder_start_token_id = 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return T5ForConditionalGeneration(config)


def _fit(
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    pool: Sequence[_Example],
    recipe: Recipe,
    rng: random.Random,
) -> float:
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=recipe.steps, pct_start=WARMUP, anneal_strategy="cos", cycle_momentum=False
    )
    model.train()
    last: list[float] = []
    drawn = _batches(pool, rng)
    with track("Teaching the extractor", recipe.steps) as progress:
        for _ in range(recipe.steps):
            loss = model(**_batch(tokenizer, next(drawn), rng)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            last.append(loss.item())
            progress.advance(1, loss=last[-1])
    model.eval()
    tail = last[-max(1, len(last) // 10) :]
    return sum(tail) / len(tail)


def _batches(pool: Sequence[_Example], rng: random.Random) -> Iterator[list[_Example]]:
    """Endless batches of sentences about as long as each other."""
    while True:
        some = sorted(rng.choices(pool, k=ALIKE * BATCH), key=lambda example: len(example[0].sentence.text))
        batches = [some[start : start + BATCH] for start in range(0, len(some), BATCH)]
        rng.shuffle(batches)
        yield from batches


def _batch(tokenizer: PreTrainedTokenizerFast, drawn: Sequence[_Example], rng: random.Random) -> dict[str, Tensor]:
    """Padded ids of what is read and written; targets of padding are left out of the loss."""
    read, written = [], []
    for marked, links in drawn:
        own = delexicalise(marked, rng)
        words = (word if word in MARKS or rng.random() >= FORGOTTEN else UNKNOWN_WORD for word in own.words)
        read.append(f"{' '.join(words)} {END}")
        written.append(f"{own.answer(links)} {END}")
    inputs = tokenizer(read, padding=True, return_tensors="pt")
    labels = tokenizer(written, padding=True, return_tensors="pt")
    targets = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
    return {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"], "labels": targets}
