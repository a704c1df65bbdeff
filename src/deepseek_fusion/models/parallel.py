"""How several processes hold one model: each the whole of it, or each a part.

- `data`: each holds the whole and reads its share of the rows.
- `sharded`: the same, but each keeps a share of every frozen decoder layer and the others' only while it computes with
  them (FSDP2, Zhao et al. 2023, arXiv 2304.11277).
- `expert`: `sharded`, and routed experts stay where they are: tokens travel to them (Lepikhin et al. 2020, arXiv
  2006.16668).
- `tensor`: all read the same rows, and each computes its part of every layer that the library's plan divides (Shoeybi
  et al. 2019, arXiv 1909.08053).

Embeddings and the adapter's factors are whole in every process, so losses, checkpoints and adapters know nothing of it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn import functional as F
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.distributed.configuration_utils import DistributedConfig
from transformers.distributed.expert_parallel import AllToAllEP, EPImplementationInterface

from deepseek_fusion.core.config import Parallel, TrainingConfig
from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.models.fused import fuse
from deepseek_fusion.models.loading import Language, load_language, own_device
from deepseek_fusion.models.lora import EXPERTS, lora_layers
from deepseek_fusion.models.methods.low_rank import LoraLinear
from deepseek_fusion.models.ranks import count, rank
from deepseek_fusion.models.source import ModelSource

OWN_ROWS = "deepseek_fusion_own_rows"
WHOLE = {"lm_head": "replicate", "model.embed_tokens": "replicate"}
"""What the library's plan would divide and every loss looks at."""
PLANNED = {"llama", "qwen2", "deepseek_v2", "deepseek_v3"}
"""Architectures on which adapters on layers that the library's plan divides are tested."""
EXPERT_COUNTS = ("n_routed_experts", "num_experts", "num_local_experts")
WIDTHS = ("intermediate_size", "moe_intermediate_size")
HEADS = ("num_attention_heads", "num_key_value_heads")


def check_parallel(section: TrainingConfig, source: ModelSource, processes: int) -> None:
    """See whether so many processes can divide the model in the way that a project wants.

    Raises:
        FusionError: there is only one, what must be divided cannot be divided among them, or adapters of this method
            cannot.
    """
    kind = section.parallel
    if kind == "data":
        return
    if section.lora.method != "lora":
        raise FusionError(
            f"training.parallel: `{kind}` divides models with adapters of method `lora`, and training.lora.method is "
            f"`{section.lora.method}`; choose `data`."
        )
    if EXPERTS in section.lora.targets and kind != "sharded":
        raise FusionError(
            f"training.parallel: `{kind}` divides routed experts, and training.lora.targets puts adapters on them; "
            "choose `sharded` or `data`."
        )
    if processes == 1:
        raise FusionError(
            f"training.parallel: `{kind}` divides the model among several processes, and this is the only one; start "
            "them with `torchrun --nproc-per-node N -m deepseek_fusion teach PROJECT.yaml`, or choose `data`."
        )
    for field, size in _divided(kind, source).items():
        if size % processes:
            raise FusionError(
                f"training.parallel: `{kind}` divides the {field} of {source.name}, {size}, and {processes} processes "
                f"cannot have equal parts of it; start a number of processes that divides {size}."
            )


def load_spread(source: ModelSource, kind: Parallel) -> Language:
    """Load a model that `settle` will divide: experts and parts of layers are read in parts, other layers whole."""
    processes, dtype = count(), source.torch_dtype
    if kind == "data" or processes == 1:
        return load_language(source, dtype)
    if kind == "tensor":
        return load_language(source, dtype, DistributedConfig(tp_size=processes, tp_plan=WHOLE))
    if kind == "expert":
        plan = (
            dict.fromkeys((f"model.{rule}" for rule in _config(source).base_model_tp_plan or ()), "replicate") | WHOLE
        )
        experts = DistributedConfig(tp_size=processes, tp_plan=plan, ep_size=processes, ep_implementation=OWN_ROWS)
        return load_language(source, dtype, experts)
    language = load_language(source, dtype, device=torch.device("cpu"))  # its layers might not fit on a GPU
    for part in (*language.model.get_decoder().children(), language.head):
        if not isinstance(part, nn.ModuleList):
            part.to(own_device())
    return language


def settle(model: PreTrainedModel, kind: Parallel) -> None:
    """Make a model with adapters ready to train, in place: fused where possible, and divided as `kind` says.

    Gated MLPs are fused in whole layers only: they keep two weights as one, which no shard can be part of.
    """
    whole = kind == "data" or count() == 1
    fuse(model, gated=whole)
    if whole:
        return
    if kind == "tensor":
        _divide(model)
    else:
        _shard(model)


def held(model: nn.Module) -> int:
    """Frozen parameters that this process keeps."""
    return sum(_local(own).numel() for own in model.parameters() if not own.requires_grad)


def _local(tensor: Tensor) -> Tensor:
    """What of it is here."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _config(source: ModelSource) -> PreTrainedConfig:
    config: PreTrainedConfig = AutoConfig.from_pretrained(source.path, local_files_only=source.local)
    return config


def _divided(kind: Parallel, source: ModelSource) -> dict[str, int]:
    """What this way of holding a model divides into equal parts, by its name in config.json."""
    config = _config(source)
    if kind == "sharded":
        return {}
    if kind == "expert":
        experts = {name: size for name in EXPERT_COUNTS if (size := getattr(config, name, None))}
        if not experts or not config.base_model_ep_plan:
            raise FusionError(
                f"training.parallel: {source.name} has no routed experts that could be divided; choose `sharded`."
            )
        return dict([*experts.items()][:1])
    if config.model_type not in PLANNED:
        raise FusionError(
            f"training.parallel: `tensor` divides layers of {', '.join(sorted(PLANNED))}, and {source.name} is "
            f"{config.model_type}; choose `sharded`."
        )
    heads = HEADS if any(".self_attn." in rule for rule in config.base_model_tp_plan or ()) else ()
    return {name: size for name in (*WIDTHS, *heads) if (size := getattr(config, name, None))}


def _shard(model: PreTrainedModel) -> None:
    """Let FSDP2 keep every decoder layer in shards; not the adapters, nor experts that are divided already."""
    mesh = init_device_mesh(own_device().type, (count(),))
    decoder: Any = model.get_decoder()
    for layer in decoder.layers:
        layer.to(own_device())
        whole = {
            own
            for own in layer.parameters()
            if own.requires_grad or isinstance(own, DTensor) or own.dtype != model.dtype
        }
        fully_shard(layer, mesh=mesh, ignored_params=whole)
    fully_shard(decoder, mesh=mesh, ignored_params=set(decoder.parameters()))  # only the root of its layers


def _divide(model: PreTrainedModel) -> None:
    """Put adapters on layers that the library divided, in place of its own."""
    plan: dict[str, str] = model.tp_plan
    for name, layer in list(lora_layers(model)):
        if isinstance(layer, LoraLinear) and isinstance(layer.weight, DTensor):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, DividedLora(layer))
        elif plan.get(_rule(name)) == "mla_kv_a_proj":
            width = int(model.config.qk_rope_head_dim)
            layer.register_forward_hook(lambda _, __, output, width=width: _keys_for_all(output, width))


def _rule(name: str) -> str:
    """The layer's name in a plan, where every layer has the number `*`."""
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def _keys_for_all(output: Tensor, width: int) -> Tensor:
    """Keys without heads: every process attends to them with its own heads, so their gradients add up."""
    rest, keys = output.split([output.shape[-1] - width, width], -1)
    return torch.cat([rest, _SumOfGradients.apply(keys)], -1)  # type: ignore[no-untyped-call]


class DividedLora(LoraLinear):
    """An adapter on a layer of which this process holds some outputs, or some inputs.

    Factors are whole, and this process uses its part of one of them, so it knows only a part of their gradients. Of
    whole layers every process knows all, and therefore counts each row as one in so many: here that is undone.
    """

    def __init__(self, layer: LoraLinear) -> None:
        nn.Module.__init__(self)
        self.weight, self.bias = layer.weight, layer.bias
        self.lora_A, self.lora_B = layer.lora_A, layer.lora_B
        self.scale, self.enabled = layer.scale, layer.enabled
        weight: Any = self.weight
        (placement,) = weight.placements
        self.by_inputs = placement.dim % 2 == 1
        size = weight.to_local().shape[placement.dim]
        self.part = slice(rank() * size, (rank() + 1) * size)
        for factor in (self.lora_A, self.lora_B):
            factor.register_hook(lambda grad: grad * count())

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]; of inputs or outputs, the part that is here."""
        if self.by_inputs:
            part = self._part(x, self.lora_A[:, self.part], self.lora_B)
            y: Tensor = _Sum.apply(part)  # type: ignore[no-untyped-call]
        else:
            same: Tensor = _SumOfGradients.apply(x)  # type: ignore[no-untyped-call]
            y = self._part(same, self.lora_A, self.lora_B[self.part])
        return y if self.bias is None else y + _local(self.bias)

    def _part(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        y = F.linear(x, _local(self.weight))
        return y + F.linear(F.linear(x, a.to(x.dtype)), b.to(x.dtype) * self.scale) if self.enabled else y


class _Sum(torch.autograd.Function):
    """The sum over all processes, which all go on with in the same way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _SumOfGradients(torch.autograd.Function):
    """What all processes have, and each goes on with in its own way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class _OwnRows(AllToAllEP):
    """Tokens travel to their experts from processes that each read rows of their own."""

    def __init__(self, experts: nn.Module, ep_mesh: DeviceMesh, tp_mesh: DeviceMesh) -> None:
        super().__init__(experts, ep_mesh, _alone(ep_mesh.device_type))


@cache
def _alone(device: str) -> DeviceMesh:
    """A mesh of this process only."""
    return init_device_mesh(device, (count(), 1), mesh_dim_names=("others", "self"))["self"]


EPImplementationInterface.register(OWN_ROWS, _OwnRows)
