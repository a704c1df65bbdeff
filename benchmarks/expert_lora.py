"""Adapters on routed experts: ours, which keep their factors apart, against PEFT's, which make every update whole.

One mixture layer of the width of a small DeepSeek model, forward and backward, the same weights, factors and tokens on
both sides; CPU time, in turns in one process, after it has been seen that outputs and gradients are equal.

Run: python benchmarks/expert_lora.py [--experts 16 64] [--tokens 256] [--rounds 9]   (about 3 core-minutes)
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator

import torch
from peft import LoraConfig as PeftConfig
from peft import get_peft_model
from torch import Tensor, nn
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, PreTrainedModel

from deepseek_fusion.core.settings.adapters import LoraConfig
from deepseek_fusion.models.lora import attach_lora, lora_layers
from deepseek_fusion.models.methods.experts import PARTS, LoraExperts
from record import Row, write_results

RANK, TOP, HIDDEN, INNER = 16, 6, 1024, 512
NAMED = [f"mlp.experts.{part}" for part in PARTS]


def main() -> None:
    """Measure every number of experts in both precisions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experts", type=int, nargs="+", default=(16, 64))
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    rows = [
        row
        for experts in options.experts
        for dtype in (torch.bfloat16, torch.float32)
        for row in compare(experts, dtype, options.tokens, options.rounds)
    ]
    write_results("expert_lora", ["benchmarks/expert_lora.py", *sys.argv[1:]], rows)


def compare(experts: int, dtype: torch.dtype, tokens: int, rounds: int) -> Iterator[Row]:
    """One row: CPU seconds of a forward and backward pass on both sides."""
    ours, theirs = layers(experts, dtype)
    x_ND = torch.randn(tokens, HIDDEN, dtype=dtype, requires_grad=True)
    chosen_NK = torch.stack([torch.randperm(experts)[:TOP] for _ in range(tokens)])
    weights_NK = torch.rand(tokens, TOP, dtype=torch.float32)
    pull = torch.randn(tokens, HIDDEN, dtype=dtype)

    def step(layer: nn.Module) -> tuple[float, Tensor, Tensor]:
        layer.zero_grad()
        x_ND.grad = None
        clock = time.process_time()
        y_ND = layer(x_ND, chosen_NK, weights_NK)
        (y_ND * pull).sum().backward()
        seconds = time.process_time() - clock
        assert x_ND.grad is not None
        return seconds, y_ND.detach().float(), x_ND.grad.float()

    far = max(
        ((mine - peft).norm() / peft.norm()).item() for mine, peft in zip(step(ours)[1:], step(theirs)[1:], strict=True)
    )
    times = [(step(ours)[0], step(theirs)[0]) for _ in range(rounds)]
    ratios = sorted(peer / own for own, peer in times)
    yield Row(
        figure=f"speed of a mixture layer with adapters on {experts} experts, {str(dtype).removeprefix('torch.')}",
        ours=1 / statistics.median(own for own, _ in times),
        peer=1 / statistics.median(peer for _, peer in times),
        peer_name="PEFT target_parameters",
        ratio=statistics.median(ratios),
        n=rounds,
        seeds=(0,),
        interval=(ratios[0], ratios[-1]),
        note=f"passes per core-second; {tokens} tokens, {TOP} experts each, rank {RANK}, hidden {HIDDEN}, inner "
        f"{INNER}; interval: single rounds; largest relative difference of output and gradient {far:.1e}",
    )


def layers(experts: int, dtype: torch.dtype) -> tuple[LoraExperts, nn.Module]:
    """The same block of experts twice, with the same factors."""
    models = [model(experts, dtype) for _ in range(2)]
    attach_lora(models[0], LoraConfig(rank=RANK, alpha=2 * RANK, targets=("experts",)), seed=0)
    (ours,) = (layer for _, layer in lora_layers(models[0]) if isinstance(layer, LoraExperts))
    generator = torch.Generator().manual_seed(1)
    for factor in (ours.gate_up_B, ours.down_B):
        factor.data.normal_(std=0.05, generator=generator)
    peft = get_peft_model(
        models[1], PeftConfig(r=RANK, lora_alpha=2 * RANK, target_modules=[], target_parameters=NAMED)
    )
    parameters = dict(peft.named_parameters())
    for end, value in ours.stored(1.0).items():
        (name,) = (each for each in parameters if each.endswith(f"experts.{end.replace('.weight', '.default.weight')}"))
        parameters[name].data.copy_(value)
    return ours, peft.get_submodule("base_model.model.model.layers.0.mlp.experts")


def model(experts: int, dtype: torch.dtype) -> PreTrainedModel:
    """One decoder layer, seeded."""
    torch.manual_seed(0)
    config = DeepseekV3Config(
        vocab_size=64,
        hidden_size=HIDDEN,
        intermediate_size=HIDDEN,
        moe_intermediate_size=INNER,
        num_hidden_layers=1,
        first_k_dense_replace=0,
        n_routed_experts=experts,
        num_experts_per_tok=TOP,
        num_attention_heads=4,
        num_key_value_heads=4,
        kv_lora_rank=32,
        q_lora_rank=32,
        n_group=1,
        topk_group=1,
    )
    made = DeepseekV3ForCausalLM(config)
    nn.Module.to(made, dtype)
    return made


if __name__ == "__main__":
    main()
