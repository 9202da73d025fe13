"""Rows grouped by expert, against loops over experts, tokens and slots."""

import re
from typing import Any

import pytest
import torch

from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels import fp8, grouped
from dsprof.kernels.spec import Workload

EXPERTS, TOP_K = 6, 2

# As sglang-kernel 0.4.4 registers fp8_blockwise_scaled_grouped_mm.
SCHEMA = """
Tensor output, Tensor a_ptrs, Tensor b_ptrs, Tensor out_ptrs, Tensor a_scales_ptrs,
Tensor b_scales_ptrs, Tensor a, Tensor b, Tensor scales_a, Tensor scales_b,
Tensor stride_a, Tensor stride_b, Tensor stride_c, Tensor layout_sfa, Tensor layout_sfb,
Tensor problem_sizes, Tensor expert_offsets, Tensor workspace
"""


def make_work(tokens: int) -> Workload:
    point = Point(kernel="x", op="y", phase=Phase.DECODE, batch_size=tokens, seq_len=1)
    return Workload(point=point, axes={"experts": EXPERTS, "top_k": TOP_K})


def make_tensors() -> DeviceTensors:
    return DeviceTensors("cpu", make_work(1).point)


IDS = torch.tensor([[4, 1], [1, 0], [5, 4]], dtype=torch.int32)


def test_assignments_come_by_expert_and_then_by_number() -> None:
    # Assignments 0 to 5 go to experts 4, 1, 1, 0, 5, 4.
    order, first_rows = grouped.by_expert(IDS, EXPERTS)
    assert order.tolist() == [3, 1, 2, 0, 5, 4]
    assert first_rows.tolist() == [0, 1, 3, 3, 3, 5, 6]
    assert first_rows.dtype == torch.int32


def test_only_experts_with_rows_are_busy() -> None:
    _, first_rows = grouped.by_expert(IDS, EXPERTS)
    busy = [(e, mine.start, mine.stop) for e, mine in grouped.busy_experts(first_rows)]
    assert busy == [(0, 0, 1), (1, 1, 3), (4, 3, 5), (5, 5, 6)]


def test_problem_sizes_are_m_n_k_of_every_expert() -> None:
    _, first_rows = grouped.by_expert(IDS, EXPERTS)
    sizes = grouped.problem_sizes(first_rows, n=256, k=128)
    assert sizes.tolist() == [[m, 256, 128] for m in (1, 2, 0, 0, 2, 1)]
    assert sizes.dtype == torch.int32


def test_the_busy_share_is_of_the_experts_that_the_routing_touches() -> None:
    work = make_work(3)
    ids = grouped.expert_ids(work, make_tensors())
    busy = len(set(ids.flatten().tolist()))
    assert grouped.busy_share(work) * EXPERTS == busy
    assert grouped.distinct_experts(work) == busy


def test_matmul_gives_each_row_its_experts_weight() -> None:
    _, first_rows = grouped.by_expert(IDS, EXPERTS)
    rows, weights = torch.randn(6, 8), torch.randn(EXPERTS, 4, 8)
    out = grouped.matmul(lambda mine: rows[mine], weights.__getitem__, first_rows)
    for row, expert in enumerate([0, 1, 1, 4, 4, 5]):
        torch.testing.assert_close(out[row], weights[expert] @ rows[row])


def test_a_mixture_sums_each_tokens_weighted_experts() -> None:
    x, matrices = torch.randn(3, 8), torch.randn(EXPERTS, 8, 8)
    weights = torch.rand(3, TOP_K)
    out = grouped.mixture(
        x, lambda expert, rows: rows @ matrices[expert], IDS, weights, EXPERTS
    )
    for token in range(3):
        expected = torch.zeros(8)
        for slot in range(TOP_K):
            expected += weights[token, slot] * (x[token] @ matrices[IDS[token, slot]])
        torch.testing.assert_close(out[token], expected)


def test_scales_lie_between_half_and_one_and_a_half_of_their_mean() -> None:
    scales = grouped.scales(make_tensors(), 64, 64, mean=3.0)
    assert (scales.min().item() > 1.5, scales.max().item() < 4.5) == (True, True)
    assert scales.mean().item() == pytest.approx(3.0, rel=0.01)
    assert scales.std().item() > 0.3


def test_fp8_operands_give_products_of_order_one() -> None:
    make = make_tensors()
    a, scales_a = grouped.fp8_rows(make, 64, 512)
    b, scales_b = grouped.fp8_weights(make, 2, 256, 512)
    product = fp8.dequantize_groups(a, scales_a) @ fp8.dequantize_blocks(b, scales_b).mT
    assert product.std().item() == pytest.approx(1.08, rel=0.1)


def test_bytes_of_fp8_rows_and_weights_are_those_of_their_tensors() -> None:
    make = DeviceTensors("meta", make_work(1).point)
    rows = grouped.fp8_rows(make, 7, 512)
    weights = grouped.fp8_weights(make, 3, 256, 512)
    assert 7 * grouped.fp8_row_bytes(512) == sum(t.nbytes for t in rows)
    assert 3 * grouped.fp8_weight_bytes(256, 512) == sum(t.nbytes for t in weights)


def test_the_fp8_gemm_is_given_every_operand_in_the_ops_order() -> None:
    names = re.findall(r"Tensor (\w+)", SCHEMA)
    given: dict[str, Any] = {}

    def op(*args: torch.Tensor) -> None:
        given.update(zip(names, args, strict=True))

    operands = {
        name: torch.empty(1)
        for name in ["a", "scales_a", "scales_b", "out", "sizes", "first_rows"]
    }
    b = torch.empty(EXPERTS, 256, 512).mT
    grouped.bind_fp8_gemm(op, b=b, **operands)()
    ours = {"out": "output", "sizes": "problem_sizes", "first_rows": "expert_offsets"}
    for name, operand in operands.items():
        assert given[ours.get(name, name)] is operand, name
    assert given["b"] is b
    tables = {
        name: (tuple(given[name].shape), given[name].dtype)
        for name in names
        if "ptrs" in name or "stride" in name or "layout" in name
    }
    layout = ((EXPERTS, 5), torch.int32)
    assert tables == {
        name: layout if "layout" in name else ((EXPERTS,), torch.int64)
        for name in tables
    }
    assert [given[name][0].item() for name in ("stride_a", "stride_b")] == [512, 512]
    assert given["stride_c"][0].item() == 256
    assert len({given[name].data_ptr() for name in names if "ptrs" in name}) == 5
