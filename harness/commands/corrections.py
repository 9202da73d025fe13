"""Recomputes figures of the source documents from cost functions and device specs."""

from collections.abc import Iterator

from dsprof.analysis.numerals import scaled_bytes, scaled_flops, significant
from dsprof.analysis.report.corrections import Correction
from dsprof.harness.analytic import analytic_row
from dsprof.harness.commands.analytic import crossing
from dsprof.harness.commands.moe_corrections import moe_corrections
from dsprof.harness.device import Datapath, DeviceSpec, device_spec
from dsprof.harness.records import Measurement, Phase, Point
from dsprof.harness.sweep import make_sweep, plan
from dsprof.kernels import deepseek as ds
from dsprof.kernels.registry import load_kernel

PROFILE = "DeepSeek-R1-NVFP4-v2 Kernel Performance Profile"
GENERATOR = "DeepSeek Kernel Benchmark Script Generator"
ROOFLINE = "GB200 Roofline Analysis - DeepSeek-R1-NVFP4-v2"
FP4_GEMM = "cutlass_scaled_fp4_mm"
LONG_CONTEXT = 2**40  # a cache so long that q and the output do not count
GIGA = 1e9


def corrections() -> tuple[Correction, ...]:
    """Every figure, document by document, with the number that it comes to."""
    b200 = device_spec("b200")
    return (
        *_profile(b200, device_spec("gb200")),
        *_generator(b200),
        *_roofline(b200),
        *moe_corrections(b200, device_spec("h200-sxm")),
    )


def row(  # noqa: PLR0913 -- what identifies a call
    device: DeviceSpec,
    kernel: str,
    op: str,
    tokens: int,
    *,
    phase: Phase = Phase.DECODE,
    kv_len: int | None = None,
) -> Measurement:
    """A call's analytic work; prefill is of one request."""
    decode = phase is Phase.DECODE
    point = Point(
        kernel=kernel,
        op=op,
        phase=phase,
        batch_size=tokens if decode else 1,
        seq_len=1 if decode else tokens,
        kv_len=kv_len,
    )
    return analytic_row(load_kernel(kernel), point, device)


def _profile(b200: DeviceSpec, gb200: DeviceSpec) -> Iterator[Correction]:
    def tera(device: DeviceSpec) -> str:
        paths = (Datapath.FP4_TENSOR, Datapath.FP8_TENSOR, Datapath.BF16_TENSOR)
        return " / ".join(f"{device.peak(path) / 1e12:,.0f}" for path in paths)

    yield Correction(
        source=PROFILE,
        subject="Peak FP4 / FP8 / BF16 of a GB200 (TFLOP/s, dense)",
        stated="9000 / 4500 / 2250",
        recomputed=f"{tera(gb200)}; the stated ones are an HGX B200's: {tera(b200)}",
        how="data sheet rates, sparse ones halved",
    )
    router = row(b200, "dsv3_router_gemm", "gate", 16)
    yield _intensity(
        PROFILE, "AI of dsv3_router_gemm at its cap of 16 rows", "Compute", router
    )


def _generator(b200: DeviceSpec) -> Iterator[Correction]:
    q_b, norm = (
        row(b200, FP4_GEMM, "q_b_proj", 1),
        row(b200, "rmsnorm", "input_layernorm", 1),
    )
    q_b_us, norm_us = 12.3, 3.0  # as its example rows state
    yield _intensity(GENERATOR, "AI of the example row q_b_proj, M=1", "7200", q_b)
    yield Correction(
        source=GENERATOR,
        subject="gflops of that row",
        stated="1234.50",
        recomputed=significant(q_b.total_flops / q_b_us / 1e3, 4),
        how="2 N K over the row's own 0.0123 ms",
    )
    memory_pct = 100 * q_b.total_bytes / (q_b_us * 1e-6) / b200.hbm_bytes_per_s
    compute_pct = 100 * 1234.5 * GIGA / b200.peak(Datapath.FP4_TENSOR)
    yield Correction(
        source=GENERATOR,
        subject="peak_pct of that row",
        stated="13.72",
        recomputed=f"{significant(memory_pct)} of HBM, which bounds it",
        how=f"its gflops are {significant(compute_pct)} % of the FP4 peak",
    )
    rate = norm.total_bytes / (norm_us * 1e-6)
    yield Correction(
        source=GENERATOR,
        subject="bandwidth_gbs and peak_pct of the example row rmsnorm, M=1",
        stated="6400.00 and 80.00",
        recomputed=f"{significant(rate / GIGA)} and "
        f"{significant(100 * rate / b200.hbm_bytes_per_s)}",
        how="compulsory bytes over the row's own 0.003 ms",
    )
    for kernel in ("dsv3_fused_a_gemm", "dsv3_router_gemm"):
        loaded = load_kernel(kernel)
        points = plan(make_sweep([loaded]), [loaded])
        allowed = [p for p in points if not loaded.limit_reason(loaded.workload(p))]
        yield Correction(
            source=GENERATOR,
            subject=f"Sizes of the sweep that {kernel} takes",
            stated=f"{len(points)}",
            recomputed=f"{len(allowed)}",
            how="the kernel's limit of 16 tokens over both phases",
        )
    yield from _generator_bytes(b200)
    yield from _generator_attention(b200)


def _generator_bytes(b200: DeviceSpec) -> Iterator[Correction]:
    bf16 = 2
    for kernel, op, stated, how in (
        ("rmsnorm", "input_layernorm", 2 * ds.H * bf16, "the weight is read too"),
        (
            "fused_add_rmsnorm",
            "post_attention_layernorm",
            4 * ds.H * bf16,
            "the weight is read too",
        ),
        (
            "apply_rope_with_cos_sin_cache_inplace",
            "rotary_emb",
            4 * (ds.Nh + 1) * ds.Dr * bf16,
            "each element is read and written once; cos, sin and position are read",
        ),
    ):
        yield Correction(
            source=GENERATOR,
            subject=f"Bytes of {kernel}, one token",
            stated=f"{stated:,}",
            recomputed=f"{row(b200, kernel, op, 1).total_bytes:,}",
            how=how,
        )


def _generator_attention(b200: DeviceSpec) -> Iterator[Correction]:
    context = 1024
    decode = row(b200, "cutlass_mla_decode", "attn_mqa", 1, kv_len=context)
    for head_dim in (ds.Lkv + ds.Dr, ds.Dn):
        stated = 4 * ds.Nh * head_dim
        factor = significant(stated * context / decode.total_flops)
        yield Correction(
            source=GENERATOR,
            subject=f"FLOP of MLA decode a token of context, head_dim {head_dim}",
            stated=f"{stated:,}",
            recomputed=f"{decode.total_flops // context:,}",
            how=f"scores are over {ds.Lkv + ds.Dr} columns, values over {ds.Lkv}: "
            f"stated over computed {factor}",
        )
    prefill = row(
        b200,
        "trtllm_ragged_attention_deepseek",
        "attn_mha",
        context,
        phase=Phase.PREFILL,
    )
    yield Correction(
        source=GENERATOR,
        subject=f"FLOP of prefill attention, B=1 S={context}",
        stated=scaled_flops(4 * ds.Nh * context * ds.Dq),
        recomputed=scaled_flops(prefill.total_flops),
        how="causal: each of S queries meets (S + 1) / 2 keys on average",
    )


def _roofline(b200: DeviceSpec) -> Iterator[Correction]:
    m, n, k = 128, 24576, 1536
    own = 2 * m * n * k / (2 * m * k + k * n / 2 + 2 * m * n)
    q_b = row(b200, FP4_GEMM, "q_b_proj", m)
    yield Correction(
        source=ROOFLINE,
        subject="AI of q_b_proj at M=128 by the document's own formula",
        stated="371",
        recomputed=significant(own),
        how="2 M N K / (2 M K + K N / 2 + 2 M N)",
    )
    yield _intensity(ROOFLINE, "AI of q_b_proj at M=128", "371, compute", q_b)
    yield from _roofline_limits(b200)
    fused_a = row(b200, "dsv3_fused_a_gemm", "fused_qkv_a_proj", 16)
    yield _intensity(
        ROOFLINE, "AI of dsv3_fused_a_gemm at its cap of 16 rows", "~500", fused_a
    )
    for kernel, intensity, stated in (
        ("rmsnorm", 1.25, "10 GFLOPS"),
        ("silu_and_mul", 2 / 3, "5.4 GFLOPS"),
        ("topk_softmax", 2.0, "16 GFLOPS"),
    ):
        rate = significant(intensity * b200.hbm_bytes_per_s / 1e12)
        yield Correction(
            source=ROOFLINE,
            subject=f"Attainable rate of {kernel} at the stated AI",
            stated=stated,
            recomputed=f"{rate} TFLOP/s",
            how=f"{significant(intensity)} FLOP/byte x HBM bytes/s",
        )
    yield from _roofline_phases(b200)


def _roofline_limits(b200: DeviceSpec) -> Iterator[Correction]:
    for kernel, op, stated in (
        (FP4_GEMM, "fused_qkv_a_proj", "~7000"),
        (FP4_GEMM, "q_b_proj", "~12000"),
        (FP4_GEMM, "kv_b_proj", "~15000"),
        (FP4_GEMM, "o_proj", "~9000"),
        ("bmm_fp8", "q_nope * w_kc", "~256"),
        ("bmm_fp8", "attn * w_vc", "~256"),
    ):
        loaded = load_kernel(kernel)
        found = crossing(loaded, loaded.op(op), b200)
        where = "never" if found.tokens is None else f"from M = {found.tokens:,}"
        yield Correction(
            source=ROOFLINE,
            subject=f"AI of {kernel} {op}, called compute-bound",
            stated=stated,
            recomputed=f"at most {significant(found.limit_intensity, 4)}; "
            f"compute-bound {where}",
            how=f"limit as M grows; ridge {significant(found.ridge, 4)} FLOP/byte",
        )
    yield _intensity(
        ROOFLINE,
        "AI of bmm_fp8 q_nope * w_kc at B=64",
        "77, compute",
        row(b200, "bmm_fp8", "q_nope * w_kc", 64),
    )


def _roofline_phases(b200: DeviceSpec) -> Iterator[Correction]:
    ops = [op.name for op in load_kernel(FP4_GEMM).ops]
    highest = max(
        (row(b200, FP4_GEMM, op, 1) for op in ops),
        key=lambda found: found.arithmetic_intensity,
    )
    yield _intensity(
        ROOFLINE, "Highest AI of an FP4 GEMM at B=1", "compute-bound", highest
    )
    sizes = (16, 128, 1024, 16384)
    yield Correction(
        source=ROOFLINE,
        subject=f"AI of o_proj at M = {', '.join(map(str, sizes))}",
        stated="roughly constant",
        recomputed=" / ".join(
            significant(row(b200, FP4_GEMM, "o_proj", m).arithmetic_intensity)
            for m in sizes
        ),
        how="the weights are read once for all rows",
    )
    for kernel in ("cutlass_mla_decode", "trtllm_batch_decode_with_kv_cache_mla"):
        decode = row(b200, kernel, "attn_mqa", 128, kv_len=LONG_CONTEXT)
        ridge = decode.roof.ridge_point if decode.roof else float("nan")
        yield Correction(
            source=ROOFLINE,
            subject=f"AI of {kernel} at any batch",
            stated="compute-bound at high batch",
            recomputed=f"at most {significant(decode.arithmetic_intensity, 4)}, "
            f"{decode.bound}",
            how=f"limit as the context grows; ridge {significant(ridge, 4)}",
        )


def _intensity(
    source: str, subject: str, stated: str, found: Measurement
) -> Correction:
    ridge = found.roof.ridge_point if found.roof else float("nan")
    return Correction(
        source=source,
        subject=subject,
        stated=stated,
        recomputed=f"{significant(found.arithmetic_intensity, 4)}, {found.bound}",
        how=f"{scaled_flops(found.total_flops)} over "
        f"{scaled_bytes(found.total_bytes)}; ridge {significant(ridge, 4)}",
    )
