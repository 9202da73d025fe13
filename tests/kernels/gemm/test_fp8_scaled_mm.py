import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel, Tensors, Workload

Case = tuple[Kernel, Workload, Tensors]


@pytest.fixture
def case() -> Case:
    kernel = load_kernel("fp8_scaled_mm")
    point = Point(
        kernel=kernel.name,
        op="q_b_proj",
        phase=Phase.DECODE,
        batch_size=5,
        seq_len=1,
    )
    work = kernel.small_workload(point)
    return kernel, work, kernel.make_inputs(work, DeviceTensors("cpu", point))


def test_the_reference_scales_each_product_by_row_and_column(case: Case) -> None:
    kernel, work, args = case
    out = kernel.reference(work, args)["out"]
    for token, column in [(0, 0), (4, 383), (2, 100)]:
        products = args["mat_a"][token].double() * args["mat_b"][:, column].double()
        total = (
            products.sum() * args["scales_a"][token, 0] * args["scales_b"][column, 0]
        )
        assert out[token, column].item() == pytest.approx(total.item(), abs=1e-4)


def test_the_weight_is_column_major_and_scales_are_by_token_and_channel(
    case: Case,
) -> None:
    _, work, args = case
    assert args["mat_a"].is_contiguous()
    assert args["mat_b"].stride() == (1, work["k"])
    assert {args["mat_a"].dtype, args["mat_b"].dtype} == {torch.float8_e4m3fn}
    assert args["scales_a"].shape == (5, 1)
    assert args["scales_b"].shape == (work["n"], 1)


def test_outputs_are_of_order_one(case: Case) -> None:
    kernel, work, args = case
    assert kernel.reference(work, args)["out"].std().item() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("scales", ["scales_a", "scales_b"])
def test_a_misplaced_scale_is_caught(case: Case, scales: str) -> None:
    kernel, work, args = case
    got = kernel.reference(work, args | {scales: args[scales].roll(1, 0)})
    assert not compare(kernel, work, args, got, kernel.reference(work, args)).passed
