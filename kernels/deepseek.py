"""DeepSeek-R1/V3: sizes under their usual symbols, and its kernels."""

from dsprof.harness.records import ModelParameter

H = 7168  # hidden_size
Lq = 1536  # q_lora_rank
Lkv = 512  # kv_lora_rank
Nh = 128  # num_attention_heads
Dn = 128  # qk_nope_head_dim
Dr = 64  # qk_rope_head_dim
Dv = 128  # v_head_dim
Dq = Dn + Dr  # qk_head_dim
E = 256  # n_routed_experts
K = 8  # num_experts_per_tok
I = 2048  # moe_intermediate_size  # noqa: E741 -- the model's own symbol
DENSE_I = 18432  # intermediate_size of the dense layers
EXPERT_GROUPS = 8  # n_group
TOPK_GROUPS = 4  # topk_group
FP8_BLOCK = 128  # rows, and columns, of a weight_block_size
ROUTED_SCALING = 2.5  # routed_scaling_factor
VOCABULARY = 129280  # vocab_size
LAYERS = 61
DENSE_LAYERS = 3  # layers 0 to 2 have a dense MLP
RMS_EPS = 1e-6

QKV_A = Lq + Lkv + Dr  # fused_qkv_a_proj: q_a, kv_a and k_pe side by side, 2112

# The 23 kernels of DeepSeek-R1-NVFP4-v2 inference, in the order of its kernel list:
# name, the library it comes from, and its place in the layer.
KERNELS = (
    ("rmsnorm", "sgl-kernel", "Norm"),
    ("fused_add_rmsnorm", "sgl-kernel", "Norm"),
    ("cutlass_scaled_fp4_mm", "sgl-kernel", "GEMM"),
    ("dsv3_fused_a_gemm", "sgl-kernel", "GEMM"),
    ("dsv3_router_gemm", "sgl-kernel", "GEMM"),
    ("bmm_fp8", "sgl-kernel", "BMM"),
    ("cutlass_mla_decode", "sgl-kernel", "Attention"),
    ("trtllm_batch_decode_with_kv_cache_mla", "flashinfer", "Attention"),
    ("trtllm_ragged_attention_deepseek", "flashinfer", "Attention"),
    ("mla_rope_quantize_fp8", "flashinfer", "Attention"),
    ("apply_rope_with_cos_sin_cache_inplace", "sgl-kernel", "RoPE"),
    ("concat_mla_k", "sgl-kernel", "Concat"),
    ("silu_and_mul", "sgl-kernel", "Activation"),
    ("topk_softmax", "sgl-kernel", "MoE Routing"),
    ("topk_sigmoid", "sgl-kernel", "MoE Routing"),
    ("moe_fused_gate", "sgl-kernel", "MoE Routing"),
    ("prepare_moe_input", "sgl-kernel", "MoE"),
    ("scaled_fp4_experts_quant", "sgl-kernel", "MoE"),
    ("cutlass_fp4_group_mm", "sgl-kernel", "MoE"),
    ("apply_shuffle_mul_sum", "sgl-kernel", "MoE"),
    ("moe_align_block_size", "sgl-kernel", "MoE"),
    ("trtllm_fp4_block_scale_moe", "flashinfer", "MoE"),
    ("fused_moe_kernel", "triton", "MoE"),
)


MODEL_PARAMETERS = tuple(
    ModelParameter(name=name, value=value, symbol=symbol)
    for name, value, symbol in (
        ("hidden_size", H, "H"),
        ("q_lora_rank", Lq, "Lq"),
        ("kv_lora_rank", Lkv, "Lkv"),
        ("num_attention_heads", Nh, "Nh"),
        ("qk_nope_head_dim", Dn, "Dn"),
        ("qk_rope_head_dim", Dr, "Dr"),
        ("v_head_dim", Dv, "Dv"),
        ("n_routed_experts", E, "E"),
        ("num_experts_per_tok", K, "K"),
        ("moe_intermediate_size", I, "I"),
        ("n_group", EXPERT_GROUPS, "G"),
        ("topk_group", TOPK_GROUPS, "Gk"),
        ("weight_block_size", FP8_BLOCK, ""),
        ("num_hidden_layers", LAYERS, "L"),
        ("first_k_dense_replace", DENSE_LAYERS, "Ld"),
    )
)
