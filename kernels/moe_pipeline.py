"""Binds both GEMMs of the experts' pipeline to what lies between its steps.

Which device code runs them is the configuration's to say; what is around them
(``experts/triton_fp8_moe.py``) is the same for all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsprof.kernels import blocks, fp8, grouped, moe_gemm, moe_wgmma
from dsprof.kernels.moe_configs import Implementation, MoeConfig
from dsprof.kernels.spec import Tensors, Workload

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What both GEMMs of a size are bound to, whatever their implementation.

    Of a call's routing, ``rows`` is filled and ``x`` quantised before ``gate_up``.
    """

    work: Workload
    config: MoeConfig
    x: "torch.Tensor"  # e4m3 (tokens, n), every token once
    x_scales: "torch.Tensor"  # FP32 (tokens, n / 128)
    w1: "torch.Tensor"  # e4m3 (experts, 2 * intermediate, n), gate before up
    w1_scales: "torch.Tensor"  # FP32 (experts, 2 * intermediate / 128, n / 128)
    w2: "torch.Tensor"  # e4m3 (experts, n, intermediate)
    w2_scales: "torch.Tensor"  # FP32 (experts, n / 128, intermediate / 128)
    rows: moe_gemm.RowList
    out: "torch.Tensor"  # BF16 (assignments, n), weighted, in the assignments' order


def make_job(work: Workload, args: Tensors, config: MoeConfig) -> Job:
    """Allocate what lies between the steps; serving does it once, for its largest."""
    import torch

    device, tokens, n = args["x"].device, work.tokens, work["n"]
    assignments = grouped.assignments(work)
    # The op also counts id -1, an expert on another GPU.
    capacity = blocks.capacity(assignments, work["experts"] + 1, config.block_m)

    def empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, device=device)

    rows = moe_gemm.RowList(
        block_rows=config.block_m,
        sorted_token_ids=empty(capacity, dtype=torch.int32),
        expert_ids=empty(capacity // config.block_m, dtype=torch.int32),
        num_tokens_post_padded=empty(1, dtype=torch.int32),
    )
    return Job(
        work=work,
        config=config,
        x=empty(tokens, n, dtype=torch.float8_e4m3fn),
        x_scales=empty(tokens, n // fp8.GROUP, dtype=torch.float32),
        w1=args["w1"].mT,
        w1_scales=args["w1_scales"].mT,
        w2=args["w2"].mT,
        w2_scales=args["w2_scales"].mT,
        rows=rows,
        out=empty(assignments, n, dtype=torch.bfloat16),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemms:
    """Both GEMMs, bound: the second takes the routing weights (tokens, top_k)."""

    gate_up: Callable[[], object]
    down: "Callable[[torch.Tensor], object]"


def _portable(api: Any, job: Job) -> Gemms:  # noqa: ANN401 -- loaded symbols
    """Bind the GEMMs of ``_fused_moe_kernel``, for any GPU and few rows."""
    first, second = _operands(job)
    return Gemms(
        gate_up=moe_gemm.bind_gate_up(
            api.fused_moe_silu,
            first,
            job.rows,
            job.config.gate_up,
            second.a,
            second.a_scales,
            overlap=job.config.overlap,
        ),
        down=moe_gemm.bind_gemm(
            api.fused_moe,
            second,
            job.rows,
            job.config.down,
            job.out,
            is_weighted=True,
            overlap=job.config.overlap,
        ),
    )


def _wgmma(api: Any, job: Job) -> Gemms:  # noqa: ANN401 -- loaded symbols
    """Bind the GEMMs of ``_fused_moe_wgmma``, for Hopper and many rows."""
    first, second = _operands(job)
    tiles = moe_wgmma.make_tiles(job.rows)
    pair = moe_wgmma.bind_pairing(api.pair_blocks, job.rows, tiles)
    gate_up = moe_wgmma.bind_gate_up(
        api.fused_moe_wgmma,
        first,
        job.rows,
        tiles,
        job.config.gate_up,
        second.a,
        second.a_scales,
    )

    def pair_and_gate_up() -> None:
        pair()
        gate_up()

    down = moe_wgmma.bind_gemm(
        api.fused_moe_wgmma,
        second,
        job.rows,
        tiles,
        job.config.down,
        job.out,
        is_weighted=True,
    )
    return Gemms(gate_up=pair_and_gate_up, down=down)


def _operands(job: Job) -> tuple[moe_gemm.Operands, moe_gemm.Operands]:
    """Both GEMMs' operands: gathered where they lie, in the assignments' order."""
    import torch

    inner, assignments = job.work["intermediate"], len(job.out)
    device = job.x.device
    codes = torch.empty(assignments, inner, dtype=job.x.dtype, device=device)
    scales = torch.empty(assignments, inner // fp8.GROUP, device=device)
    return (
        moe_gemm.Operands(
            a=job.x, a_scales=job.x_scales, b=job.w1, b_scales=job.w1_scales
        ),
        moe_gemm.Operands(a=codes, a_scales=scales, b=job.w2, b_scales=job.w2_scales),
    )


_BIND: dict[Implementation, Callable[[Any, Job], Gemms]] = {
    Implementation.PORTABLE: _portable,
    Implementation.WGMMA: _wgmma,
}


def bind_gemms(api: Any, job: Job) -> Gemms:  # noqa: ANN401 -- loaded symbols
    """Bind both GEMMs in the implementation that the job's configuration names."""
    return _BIND[job.config.implementation](api, job)
