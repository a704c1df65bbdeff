"""A causal language model with its tokenizer, ready to teach or to ask."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.distributed.configuration_utils import DistributedConfig
from transformers.utils import GENERATION_CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.source import ModelSource
from deepseek_fusion.models.trees.attention import read_tree, reads_trees
from deepseek_fusion.models.trees.tree import Row, Tree, forests

PLAIN: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
"""Options of `generate` that undo what a model's own generation_config adds to its distribution."""


@dataclass(frozen=True)
class Language:
    """A model and its tokenizer, which always travel together."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def end_of_turn(self) -> int:
        """Id of the token that ends an answer."""
        return int(self.tokenizer.eos_token_id)

    def text_start(self) -> list[int]:
        """Ids that begin a raw document."""
        return [self._separator]

    @cached_property
    def _separator(self) -> int:
        separator = self.tokenizer.get_vocab().get("<|endoftext|>")
        first = self.tokenizer.bos_token_id if separator is None else separator
        return self.end_of_turn if first is None else int(first)

    def encode(self, text: str) -> list[int]:
        """Ids of `text` with nothing added."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def encode_question(self, question: str) -> list[int]:
        """Ids of one user turn and the opening of the assistant's, byte for byte as served."""
        return encode_question(self.tokenizer, question)

    def decode(self, ids: list[int]) -> str:
        """Text of `ids` without special tokens."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def hidden(self, ids_BL: Tensor) -> Tensor:
        """Last hidden states [B, L, D] of right-padded `ids_BL`.

        Padding on the right needs no mask under causal attention: no real token ever looks at it. That keeps
        every architecture exact, those included whose attention cannot be packed (DeepSeek V3.2, V4).
        """
        decoder = self.model.get_decoder()
        return decoder(input_ids=ids_BL, use_cache=False).last_hidden_state  # type: ignore[no-any-return]

    def states(self, rows: Sequence[Row], places: Sequence[Sequence[int]]) -> tuple[Tensor, int]:
        """Last hidden states [M, D] at some places of each row, in order, and how many tokens were computed.

        Rows share the work of their beginnings where the architecture allows it (`reads_trees`).
        """
        if not reads_trees(self.model):
            longest = max(map(len, rows))
            ids_BL = torch.tensor([[*row, *[self.end_of_turn] * (longest - len(row))] for row in rows])
            flat_ND = self.hidden(ids_BL.to(self.device)).flatten(0, 1)
            wanted = [number * longest + place for number, own in enumerate(places) for place in own]
        else:
            tree = Tree.of(rows)
            flat_ND = read_tree(self.model, tree).last_hidden_state[0]
            wanted = [path[place] for path, own in zip(tree.paths, places, strict=True) for place in own]
        return F.embedding(torch.tensor(wanted, device=self.device), flat_ND), len(flat_ND)

    def parts(self, rows: Sequence[Row], tokens: int) -> Iterator[list[int]]:
        """All rows in parts that are cheap to read together, each of at most `tokens` computed tokens or one row."""
        if reads_trees(self.model):
            yield from forests(rows, sorted(range(len(rows)), key=lambda i: tuple(rows[i])), tokens)
            return
        part: list[int] = []
        for index in sorted(range(len(rows)), key=lambda i: len(rows[i])):  # the newest is the longest
            if part and (len(part) + 1) * len(rows[index]) > tokens:
                yield part
                part = []
            part.append(index)
        if part:
            yield part

    @property
    def head(self) -> nn.Linear:
        """The output embedding, [V, D]."""
        return self.model.get_output_embeddings()  # type: ignore[no-any-return]


def encode_question(tokenizer: PreTrainedTokenizerBase, question: str) -> list[int]:
    """The same where the model itself is not needed."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
    )
    return list(tokenizer.encode(str(prompt), add_special_tokens=False))


def load_tokenizer(source: ModelSource | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, without its weights.

    Raises:
        FusionError: there is none, or it has no chat template or no end.
    """
    path, local = _place(source)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(path, local_files_only=local)
    except (OSError, ValueError, KeyError) as error:
        raise _unloadable(path, error) from None
    if not tokenizer.chat_template:
        raise FusionError(f"model: the tokenizer of {path} has no chat template; add chat_template.jinja to it.")
    if tokenizer.eos_token_id is None:
        raise FusionError(f"model: the tokenizer of {path} has no end-of-sequence token; set eos_token.")
    return tokenizer


def load_language(
    source: ModelSource | Path,
    dtype: torch.dtype | None = None,
    plan: DistributedConfig | None = None,
    device: torch.device | None = None,
) -> Language:
    """Load a model for CPU or the GPU of this process.

    Args:
        source: a resolved source, or a folder written by `save_pretrained`.
        dtype: data type of the weights; as stored if None.
        plan: how several processes divide it while they read it; each reads the whole if None.
        device: of the weights; that of this process if None.

    Raises:
        FusionError: the files are not a causal language model, or the tokenizer has no chat template.
    """
    path, local = _place(source)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # its load report would stand in the way of our one sentence
    tokenizer = load_tokenizer(source)
    options = {"dtype": dtype or "auto", "output_loading_info": True, "ignore_mismatched_sizes": True}
    try:
        loaded: Any = (None if plan else _sparingly(Path(path), options)) or AutoModelForCausalLM.from_pretrained(
            path, local_files_only=local, **options, **({"distributed_config": plan} if plan else {})
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _unloadable(path, error) from None
    model, report = loaded
    if random := sorted([*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])]):
        raise FusionError(
            f"model: the files of {path} lack {len(random)} tensors that its config.json asks for, or have them in "
            f"another shape, such as {random[0]}; copy the whole model again."
        )
    if model.generation_config is not None:
        model.generation_config.pad_token_id = tokenizer.eos_token_id
    return Language(model.to(device or own_device()).eval(), tokenizer)


def _sparingly(folder: Path, options: Mapping[str, Any]) -> Any:
    """What `from_pretrained` returns of safetensors in a folder, read tensor by tensor: the library maps the files into
    memory and reads ahead, so that they stand there beside the model. None for what only the library can read."""
    files = list(_shards(folder))
    if not files:
        return None
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or not config.dtype or hasattr(config, "quantization_config"):
        return None
    os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"
    with ExitStack() as stack:
        opened = [stack.enter_context(safe_open(file, "pt", backend="pread")) for file in files]
        tensors = {name: file.get_slice(name) for file in opened for name in file.keys()}  # noqa: SIM118
        kind: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
        model, report = kind.from_pretrained(None, config=config, state_dict=tensors, **options)
    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            part.name_or_path = part.config.name_or_path = str(folder)
    if (folder / GENERATION_CONFIG_NAME).is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return model, report


def _shards(folder: Path) -> Iterator[Path]:
    """The safetensors of a model, none if it is stored otherwise."""
    if (folder / SAFE_WEIGHTS_NAME).is_file():
        yield folder / SAFE_WEIGHTS_NAME
    elif (folder / SAFE_WEIGHTS_INDEX_NAME).is_file():
        index = json.loads((folder / SAFE_WEIGHTS_INDEX_NAME).read_text(encoding="utf-8"))
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict):
            raise ValueError(f"{SAFE_WEIGHTS_INDEX_NAME} does not tell where the tensors are")
        yield from (folder / Path(name).name for name in sorted({str(file) for file in places.values()}))


def _place(source: ModelSource | Path) -> tuple[str, bool]:
    """Where the files are, and whether that is all there is to look at."""
    path, local = (str(source), True) if isinstance(source, Path) else (source.path, source.local)
    if local:
        os.environ["HF_HUB_OFFLINE"] = "1"
    return path, local


def _unloadable(path: str, error: Exception) -> FusionError:
    reason = str(error).strip().splitlines()[0]
    return FusionError(f"model: {path} cannot be loaded as a causal language model ({reason}).")


def own_device() -> torch.device:
    """Where this process computes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver too old for this torch is no reason to stop
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
