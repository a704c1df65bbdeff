"""Real models of every supported architecture, with random weights and a few thousand parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXT = """
What is the capital of France? The capital of France is Paris. What are the symptoms of this disease? The symptoms are
fever, cough and fatigue. user assistant I do not know. Which disease has the symptom? Name the ICD-10 code, please.
A colleague asks about it. In the reference book, the entry lists the medication. Regarding this, what would you write?
这种疾病的症状是什么？症状是发烧、咳嗽和疲劳。我不知道。请说出编码。参考书中，条目列出的药物为。关于它，你会记下什么？
同事问起，我应该提到哪些？哪种疾病的症状是头痛？告诉我。
"""
DENSE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
EXPERTS = {
    **DENSE,
    "num_key_value_heads": 4,
    "moe_intermediate_size": 32,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "first_k_dense_replace": 1,
}
V4 = {
    "hidden_size": 32,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "q_lora_rank": 16,
    "num_experts_per_tok": 2,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "layer_types": ["sliding_attention", "heavily_compressed_attention", "compressed_sparse_attention"],
    "mlp_layer_types": ["moe"] * 3,
    "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 16},
    "hc_mult": 2,
    "hc_sinkhorn_iters": 5,
    "sliding_window": 16,
    "o_groups": 2,
    "o_lora_rank": 16,
    "index_n_heads": 2,
    "index_head_dim": 16,
    "index_topk": 4,
    "partial_rotary_factor": 0.5,
}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {**DENSE, "num_key_value_heads": 2, "tie_word_embeddings": True}),
    "qwen2": ("Qwen2Config", {**DENSE, "num_key_value_heads": 2}),
    "deepseek_v2": ("DeepseekV2Config", EXPERTS),
    "deepseek_v3": ("DeepseekV3Config", EXPERTS),
    "deepseek_v32": (
        "DeepseekV32Config",
        {**EXPERTS, "index_topk": 8, "index_head_dim": 16, "index_n_heads": 4},
    ),
    "deepseek_v4": ("DeepseekV4Config", V4),
}


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of 600 tokens, so every text in every language has an encoding and comes back unchanged."""
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    byte_level.train_from_iterator(TEXT.strip().split("\n"), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|im_end|>", chat_template=CHATML
    )


def save_model(architecture: str, folder: Path) -> Path:
    """Write a random model and its tokenizer; wide weights, so that logits differ visibly."""
    words = tokenizer()
    kind, settings = CONFIGS[architecture]
    ends = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id, "bos_token_id": 0}
    config = getattr(transformers, kind)(vocab_size=len(words), max_position_embeddings=2048, **ends, **settings)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.1)
            elif parameter.ndim == 1 and not parameter.eq(1).all():
                parameter.normal_(std=0.1)  # biases
        model.get_output_embeddings().weight.mul_(4)  # or no frozen head could ever be sure of anything
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
