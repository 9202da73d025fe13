"""The layer: which kernels do its steps, as the kernel list has it and as served.

As listed: the rows of the list, one MoE layer. As served: what sglang runs for
DeepSeek-R1-NVFP4-v2, in order, steps off the list included. Only o_proj and the MLPs
of that checkpoint are FP4 (its model card); the other projections, w_kc and w_vc are
BF16, and the KV cache is FP8.

A GPU without FP4 takes counterparts, most of them in FP8 with 1x128 and 128x128 block
scales. Left out, because no kernel here does them: the embedding, collectives, and the
concatenation of q_nope and q_pe, which share one buffer.
"""

from dsprof.harness.records import Alternative, Call, LayerKind, LayerPath, Phase, Slot

Pair = tuple[str, str]  # kernel, op

FP8_QUANT = "sgl_per_token_group_quant_8bit"
FP8_GEMM = "fp8_blockwise_scaled_mm"
FP8_GROUPED = "fp8_blockwise_scaled_grouped_mm"
NORM, ADD_NORM = "rmsnorm", "fused_add_rmsnorm"
ROPE = "apply_rope_with_cos_sin_cache_inplace"
POST_NORM = "post_attention_layernorm"
GATE_UP, DOWN = "experts (gate_up)", "experts (down)"
KV_WRITE = ("set_mla_kv_buffer", "kv_write")
# Rows of codes and of their scales lie in two tensors.
SHUFFLE = (("shuffle_rows", "experts"), ("shuffle_rows", "experts (scales)"))


def _is(*calls: Pair) -> Alternative:
    """What the model runs for the step."""
    return Alternative(calls=tuple(Call(kernel=name, op=op) for name, op in calls))


def _for(*calls: Pair) -> Alternative:
    """What stands in for it."""
    return Alternative(calls=_is(*calls).calls, stands_in=True)


def _listed(phase: Phase, kernel: str, op: str, *others: Alternative) -> Slot:
    return Slot(
        phase=phase,
        kernel=kernel,
        op=op,
        alternatives=(_is((kernel, op)), *others) if others else (),
    )


def _served(
    phase: Phase, layer: LayerKind, step: str, *alternatives: Alternative
) -> Slot:
    first = alternatives[0].calls[0]
    return Slot(
        phase=phase,
        kernel=first.kernel,
        op=first.op,
        path=LayerPath.AS_SERVED,
        layer=layer,
        step=step,
        alternatives=alternatives,
    )


def _listed_fp4(phase: Phase, op: str, counterpart: str = FP8_GEMM) -> Slot:
    return _listed(phase, "cutlass_scaled_fp4_mm", op, _for((counterpart, op)))


def _listed_start(phase: Phase) -> tuple[Slot, ...]:
    qkv_a = "fused_qkv_a_proj"
    first = (
        # Above its 16 tokens, serving calls the plain GEMM.
        _listed(phase, "dsv3_fused_a_gemm", qkv_a, _is(("linear", qkv_a)))
        if phase is Phase.DECODE
        # Its n of 2112 is no multiple of a 128x128 block.
        else _listed_fp4(phase, qkv_a, "fp8_scaled_mm")
    )
    return (
        _listed(phase, NORM, "input_layernorm"),
        first,
        _listed(phase, NORM, "q_a_layernorm"),
        _listed(phase, NORM, "kv_a_layernorm"),
        _listed_fp4(phase, "q_b_proj"),
    )


def _listed_end(phase: Phase) -> tuple[Slot, ...]:
    quant, fp4_grouped = "scaled_fp4_experts_quant", "cutlass_fp4_group_mm"
    return (
        _listed_fp4(phase, "o_proj"),
        _listed(phase, ADD_NORM, POST_NORM),
        _listed(phase, "dsv3_router_gemm", "gate", _is(("linear", "gate"))),
        _listed(phase, "topk_softmax", "topk"),
        _listed(phase, "prepare_moe_input", "experts"),
        _listed(
            phase,
            quant,
            "experts",
            _for((FP8_QUANT, "experts"), *SHUFFLE),
        ),
        _listed(phase, fp4_grouped, GATE_UP, _for((FP8_GROUPED, GATE_UP))),
        _listed(phase, "silu_and_mul", "act_fn"),
        _listed(phase, fp4_grouped, DOWN, _for((FP8_GROUPED, DOWN))),
        _listed(phase, "apply_shuffle_mul_sum", "experts"),
    )


AS_LISTED = (
    *_listed_start(Phase.DECODE),
    _listed(Phase.DECODE, "bmm_fp8", "q_nope * w_kc"),
    _listed(Phase.DECODE, ROPE, "rotary_emb"),
    _listed(
        Phase.DECODE,
        "cutlass_mla_decode",
        "attn_mqa",
        _for(("flash_mla", "attn_mqa")),
        _for(("batch_mla_paged_attention", "attn_mqa")),
    ),
    _listed(Phase.DECODE, "bmm_fp8", "attn * w_vc"),
    *_listed_end(Phase.DECODE),
    *_listed_start(Phase.PREFILL),
    _listed_fp4(Phase.PREFILL, "kv_b_proj"),
    _listed(Phase.PREFILL, ROPE, "rotary_emb"),
    _listed(Phase.PREFILL, "concat_mla_k", "concat_k"),
    _listed(
        Phase.PREFILL,
        "trtllm_ragged_attention_deepseek",
        "attn_mha",
        _for(("batch_prefill_with_ragged_kv_cache", "attn_mha")),
    ),
    *_listed_end(Phase.PREFILL),
)


def _served_start(phase: Phase) -> tuple[Slot, ...]:
    both, qkv_a = LayerKind.BOTH, "fused_qkv_a_proj"
    return (
        _served(
            phase,
            LayerKind.FIRST,
            "input norm, layer 0",
            _is((NORM, "input_layernorm")),
        ),
        # The same call as after attention: it adds the residual and norms.
        _served(phase, LayerKind.LATER, "input norm", _is((ADD_NORM, POST_NORM))),
        _served(
            phase,
            both,
            "q_a, kv_a and k_pe projection",
            _is(("dsv3_fused_a_gemm", qkv_a)),
            _is(("linear", qkv_a)),
        ),
        _served(phase, both, "q_a norm", _is((NORM, "q_a_layernorm"))),
        _served(phase, both, "kv_a norm", _is((NORM, "kv_a_layernorm"))),
        _served(phase, both, "q_b projection", _is(("linear", "q_b_proj"))),
    )


def _bmm(op: str, step: str) -> Slot:
    return _served(
        Phase.DECODE, LayerKind.BOTH, step, _is(("bmm", op)), _for(("bmm_fp8", op))
    )


def _decode_attention() -> tuple[Slot, ...]:
    op = "attn_mqa"
    rope = (ROPE, "rotary_emb")
    return (
        _bmm("q_nope * w_kc", "q_nope into the latent space"),
        # One slot, because the attention kernel decides in what format q is wanted.
        _served(
            Phase.DECODE,
            LayerKind.BOTH,
            "rope, cache write, attention",
            _is(
                ("mla_rope_quantize_fp8", "rotary_emb"),
                KV_WRITE,
                ("trtllm_batch_decode_with_kv_cache_mla", op),
            ),
            _is(rope, KV_WRITE, ("cutlass_mla_decode", op)),
            _for(rope, KV_WRITE, ("flash_mla", op)),
            _for(rope, KV_WRITE, ("batch_mla_paged_attention", op)),
        ),
        _bmm("attn * w_vc", "attention out of the latent space"),
    )


def _prefill_attention() -> tuple[Slot, ...]:
    phase, both = Phase.PREFILL, LayerKind.BOTH
    return (
        _served(phase, both, "kv_b projection", _is(("linear", "kv_b_proj"))),
        _served(phase, both, "rope", _is((ROPE, "rotary_emb"))),
        _served(phase, both, "cache write", _is(KV_WRITE)),
        _served(phase, both, "k of both parts", _is(("concat_mla_k", "concat_k"))),
        _served(
            phase,
            both,
            "attention",
            _is(("trtllm_ragged_attention_deepseek", "attn_mha")),
            _for(("batch_prefill_with_ragged_kv_cache", "attn_mha")),
        ),
    )


def _fp4_linear(
    phase: Phase, layer: LayerKind, name: str, operand: str
) -> tuple[Slot, Slot]:
    """A quantised projection: its operand, which no listed kernel makes, and GEMM."""
    return (
        _served(
            phase,
            layer,
            f"{name} operand",
            _is(("scaled_fp4_quant", operand)),
            _for((FP8_QUANT, operand)),
        ),
        _served(
            phase,
            layer,
            name,
            _is(("cutlass_scaled_fp4_mm", name)),
            _for((FP8_GEMM, name)),
        ),
    )


def _mlp(phase: Phase, layer: LayerKind, name: str) -> tuple[Slot, ...]:
    return (
        *_fp4_linear(phase, layer, f"{name}.gate_up_proj", "hidden"),
        _served(
            phase, layer, f"{name} activation", _is(("silu_and_mul", f"{name}.act_fn"))
        ),
        *_fp4_linear(phase, layer, f"{name}.down_proj", f"{name}.down"),
    )


def _routed_experts(phase: Phase) -> Slot:
    """Routing and experts: one fused kernel, or a pipeline of eight to ten."""
    route, fused = ("moe_fused_gate", "topk"), "experts (fused)"
    sort, activate = ("prepare_moe_input", "experts"), ("silu_and_mul", "act_fn")
    combine = ("apply_shuffle_mul_sum", "experts")
    fp4_quant, fp4_grouped = "scaled_fp4_experts_quant", "cutlass_fp4_group_mm"
    return _served(
        phase,
        LayerKind.MOE,
        "routing and routed experts",
        _is(("trtllm_fp4_block_scale_moe", fused)),
        _is(
            route,
            sort,
            (fp4_quant, "experts"),
            (fp4_grouped, GATE_UP),
            activate,
            (fp4_quant, DOWN),
            (fp4_grouped, DOWN),
            combine,
        ),
        _for(
            route,
            sort,
            (FP8_QUANT, "experts"),
            *SHUFFLE,
            (FP8_GROUPED, GATE_UP),
            activate,
            (FP8_QUANT, DOWN),
            (FP8_GROUPED, DOWN),
            combine,
        ),
        _for(route, ("fp8_moe", fused)),
        _for(route, ("triton_fp8_moe", fused)),
        _for(
            route,
            ("moe_align_block_size", "experts"),
            (FP8_QUANT, "experts"),
            ("fused_moe_kernel", GATE_UP),
            activate,
            (FP8_QUANT, DOWN),
            ("fused_moe_kernel", DOWN),
            ("moe_sum_reduce", "experts"),
        ),
    )


def _served_end(phase: Phase) -> tuple[Slot, ...]:
    both, moe, once = LayerKind.BOTH, LayerKind.MOE, LayerKind.ONCE
    return (
        *_fp4_linear(phase, both, "o_proj", "o_proj"),
        _served(phase, both, "post-attention norm", _is((ADD_NORM, POST_NORM))),
        *_mlp(phase, LayerKind.DENSE, "dense_mlp"),
        *_mlp(phase, moe, "shared_experts"),
        _served(
            phase,
            moe,
            "router",
            _is(("dsv3_router_gemm", "gate")),
            _is(("linear", "gate")),
        ),
        _routed_experts(phase),
        _served(
            phase,
            moe,
            "shared and routed experts added",
            _is(("shared_experts_add", "experts")),
        ),
        _served(phase, once, "final norm", _is((ADD_NORM, POST_NORM))),
        _served(phase, once, "lm_head", _is(("lm_head", "lm_head"))),
    )


AS_SERVED = (
    *_served_start(Phase.DECODE),
    *_decode_attention(),
    *_served_end(Phase.DECODE),
    *_served_start(Phase.PREFILL),
    *_prefill_attention(),
    *_served_end(Phase.PREFILL),
)

SLOTS = (*AS_LISTED, *AS_SERVED)
