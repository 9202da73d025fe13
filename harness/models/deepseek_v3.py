"""DeepSeek-V3 for transformers: the published sizes at any depth, and its prompt."""

from functools import partial
from typing import Any

from dsprof.harness.models.job import V3_LAYERS, ModelJob
from dsprof.harness.models.libraries import import_transformers
from dsprof.harness.models.whole_model import Prompt, WholeModel

BF16_BYTES = 2
# Queries, expanded keys and values, and eight experts' activations of one token. A
# prompt of 1,024 tokens on an H200 needed 0.9 GB; the rest is for CUDA itself.
WORKING_BYTES_PER_TOKEN = 2**20
WORKING_BYTES = 2**30

# config.json of the published model, number by number.
PUBLISHED: dict[str, Any] = {
    "vocab_size": 129280,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 163840,
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 10000.0,
        "factor": 40.0,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
}
TINY: dict[str, Any] = PUBLISHED | {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "q_lora_rank": 32,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "n_routed_experts": 16,
    "num_experts_per_tok": 4,
}


def whole_model(job: ModelJob) -> WholeModel:
    """Describe the model of a job: its first layers dense, the others with experts."""
    sizes = TINY if job.tiny else PUBLISHED
    config = import_transformers().DeepseekV3Config(
        **sizes,
        num_hidden_layers=job.layers,
        first_k_dense_replace=job.dense_layers,
        num_mtp_layers=0,
        tie_word_embeddings=False,
        attention_bias=False,
        hidden_act="silu",
        use_cache=True,
    )
    dense, moe = job.dense_layers, job.layers - job.dense_layers
    latent = sizes["kv_lora_rank"] + sizes["qk_rope_head_dim"]
    prompt_tokens = job.batch_size * job.prompt_tokens
    return WholeModel(
        architecture="DeepseekV3ForCausalLM",
        config=config,
        text_config=config,
        size=f"{dense} dense + {moe} MoE of {V3_LAYERS} layers"
        + (", toy sizes" if job.tiny else ""),
        prompts=partial(_prompts, job, sizes["vocab_size"]),
        batch_size=job.batch_size,
        most_tokens=prompt_tokens + job.batch_size * job.decode_tokens,
        cache_bytes_per_token=job.layers * latent * BF16_BYTES,
        working_bytes=WORKING_BYTES + WORKING_BYTES_PER_TOKEN * prompt_tokens,
        layer_bytes=_expert_bytes(sizes) if moe > 1 else 0,
    )


def _expert_bytes(sizes: dict[str, Any]) -> int:
    """Bytes of one MoE layer's routed experts, which are nearly all of the layer."""
    matrices = 3 * sizes["hidden_size"] * sizes["moe_intermediate_size"]
    return int(sizes["n_routed_experts"] * matrices * BF16_BYTES)


def _prompts(job: ModelJob, vocabulary: int) -> list[Prompt]:
    import torch

    dice = torch.Generator().manual_seed(job.seed)
    size = (job.batch_size, job.prompt_tokens)
    return [Prompt(token_ids=torch.randint(vocabulary, size, generator=dice))]
