from dataclasses import replace

import pytest
from hypothesis import given

from dsprof.analysis.moe.geometry import Geometry, NumberFormat
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.work import activation_bytes, least_memory_bytes, work
from dsprof.harness.records import Phase, Point
from dsprof.kernels.experts import fp8_moe, triton_fp8_moe
from dsprof.kernels.spec import Kernel, Workload
from tests.analysis.moe.made import DEEPSEEK, EXPERT_BYTES, make_geometry
from tests.analysis.moe.test_routing import TOKENS, geometries


def test_the_whole_moe_of_the_model() -> None:
    # 8 rows x 6 x 7168 x 2048 FLOP; 8 experts; a BF16 row in and out: 4 x 7168.
    done = work(DEEPSEEK, Routing.EXPECTED, 1)
    assert done.flops == 704_643_072
    assert done.weight_bytes == pytest.approx(8 * EXPERT_BYTES)
    assert done.activation_bytes == 28_672


def test_an_unfused_pipeline_moves_six_tensors() -> None:
    moved = activation_bytes(DEEPSEEK, Routing.FORCED_LOCAL)
    # FP8 rows have 1/128 FP32 scales: 7168 + 224 and 2048 + 64.
    assert list(moved.values()) == [7392, 8 * 7392, 65_536, 8 * 2112, 114_688, 14_336]
    assert sum(moved.values()) == 277_984


def test_a_bf16_pipeline_quantises_nothing() -> None:
    bf16 = replace(DEEPSEEK, number_format=NumberFormat.BF16, block_size=1)
    moved = activation_bytes(bf16, Routing.FORCED_LOCAL)
    assert moved["SwiGLU output (BF16)"] == 8 * 4096


def test_known_experts_stand_in_for_expected_ones() -> None:
    done = work(DEEPSEEK, Routing.EXPECTED, 128, experts=251)
    assert done.weight_bytes == 251 * EXPERT_BYTES


@given(geometries(), TOKENS, TOKENS)
def test_intensity_and_bytes_never_fall_with_tokens(
    geometry: Geometry, one: int, other: int
) -> None:
    for routing in Routing:
        few, many = (work(geometry, routing, tokens) for tokens in sorted((one, other)))
        assert few.intensity <= many.intensity * (1 + 1e-9)
        assert few.total_bytes <= many.total_bytes * (1 + 1e-9)
        assert few.flops <= many.flops


@given(geometries(), TOKENS)
def test_forced_local_never_asks_for_less(geometry: Geometry, tokens: int) -> None:
    expected, forced = (work(geometry, routing, tokens) for routing in Routing)
    assert expected.flops <= forced.flops * (1 + 1e-9)
    assert expected.total_bytes <= forced.total_bytes * (1 + 1e-9)


@pytest.mark.parametrize("kernel", [fp8_moe.KERNEL, triton_fp8_moe.KERNEL])
@pytest.mark.parametrize(
    ("op", "beside"),
    [
        ("experts (fused)", 48),  # int32 ids and BF16 weights of 8 experts
        ("routed experts", 1024),  # FP32 logits of 256
    ],
)
@pytest.mark.parametrize("tokens", [1, 16, 512])
def test_a_kernels_own_cost_differs_by_what_chooses_its_experts(
    kernel: Kernel, op: str, beside: int, tokens: int
) -> None:
    point = Point(
        kernel=kernel.name, op=op, phase=Phase.DECODE, batch_size=tokens, seq_len=1
    )
    (axes,) = (one.axes for one in kernel.ops if one.name == op)
    size = Workload(point=point, axes=axes)
    cost = kernel.cost(size)
    assert kernel.distinct_experts is not None
    touched = kernel.distinct_experts(size)
    done = work(DEEPSEEK, Routing.EXPECTED, tokens, experts=touched)
    assert done.flops == sum(cost.flops.values())
    moved = cost.bytes_read + cost.bytes_written
    assert moved - done.total_bytes == beside * tokens


def test_memory_holds_every_local_expert_and_both_rows() -> None:
    needed = least_memory_bytes(make_geometry(local_experts=32), 1000)
    assert needed == 32 * EXPERT_BYTES + 1000 * 28_672
