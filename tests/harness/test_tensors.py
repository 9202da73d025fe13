from dataclasses import replace

import pytest
import torch

from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors, poison
from dsprof.kernels import routed

POINT = Point(kernel="x", op="y", phase=Phase.DECODE, batch_size=4, seq_len=1)

FLOATS = ["float32", "bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"]


@pytest.fixture
def make() -> DeviceTensors:
    return DeviceTensors("cpu", POINT)


@pytest.mark.parametrize("dtype", FLOATS)
def test_unwritten_floats_are_nan(make: DeviceTensors, dtype: str) -> None:
    assert make.output(3, 5, dtype=dtype).float().isnan().all()


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int32", -(2**31)), ("int64", -(2**63)), ("int8", -128), ("uint8", 255)],
)
def test_unwritten_integers_are_what_no_kernel_means_to_write(
    make: DeviceTensors, dtype: str, value: int
) -> None:
    assert make.output(3, dtype=dtype).tolist() == [value] * 3


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_part_can_be_poisoned(dtype: str) -> None:
    tensor = torch.ones(2, 4).to(getattr(torch, dtype))
    poison(tensor[1:, 2:])
    assert tensor.float().isnan().tolist() == [[False] * 4, [False, False, True, True]]


@pytest.mark.parametrize("dtype", FLOATS)
def test_values_are_standard_normal_in_every_width(
    make: DeviceTensors, dtype: str
) -> None:
    values = make.normal(64, 256, dtype=dtype)
    assert str(values.dtype) == f"torch.{dtype}"
    assert values.float().mean().item() == pytest.approx(0, abs=0.05)
    assert values.float().std().item() == pytest.approx(1, abs=0.05)


def test_a_point_has_the_same_values_every_time(make: DeviceTensors) -> None:
    again = DeviceTensors("cpu", POINT)
    assert torch.equal(make.normal(4, 8), again.normal(4, 8))
    assert torch.equal(make.expert_ids(4, 256, 8), again.expert_ids(4, 256, 8))


def test_another_point_has_other_values(make: DeviceTensors) -> None:
    other = DeviceTensors("cpu", replace(POINT, op="z"))
    assert not torch.equal(make.normal(4, 8), other.normal(4, 8))


def test_a_tokens_experts_are_distinct_and_all_experts_are_used(
    make: DeviceTensors,
) -> None:
    ids = make.expert_ids(512, 256, 8)
    assert (ids.dtype, ids.shape) == (torch.int32, (512, 8))
    assert all(len(set(row)) == 8 for row in ids.tolist())
    # 256 experts get 16 tokens each on average: none is left out.
    assert sorted(set(ids.flatten().tolist())) == list(range(256))


def test_bytes_take_every_value_about_as_often(make: DeviceTensors) -> None:
    drawn = make.bytes(256, 64)
    assert (drawn.dtype, drawn.shape) == (torch.uint8, (256, 64))
    counts = torch.bincount(drawn.flatten().int(), minlength=256)
    assert (int(counts.min()) > 20, int(counts.max()) < 120) == (True, True)


def test_scratch_is_zero(make: DeviceTensors) -> None:
    assert make.zeros(3, dtype="int32").tolist() == [0, 0, 0]


def test_meta_tensors_have_shapes_and_take_no_memory() -> None:
    meta = DeviceTensors("meta", POINT)
    made = [
        meta.normal(2**20, 2**20),
        meta.output(2**20, 2**20, dtype="int32"),
        meta.zeros(2**20, 2**20, dtype="uint8"),
        meta.bytes(2**20, 2**20),
        meta.expert_ids(2**40, 256, 8),
        meta.router_logits(2**40, 256, 8, 8, 4),
    ]
    assert {tensor.device.type for tensor in made} == {"meta"}


def test_meta_routing_has_the_shape_and_type_of_the_real_one(
    make: DeviceTensors,
) -> None:
    meta = DeviceTensors("meta", POINT)
    for real, shape_only in (
        (make.expert_ids(16, 256, 8), meta.expert_ids(16, 256, 8)),
        (
            make.router_logits(16, 256, 8, 8, 4),
            meta.router_logits(16, 256, 8, 8, 4),
        ),
    ):
        assert (real.shape, real.dtype) == (shape_only.shape, shape_only.dtype)


def test_router_logits_choose_the_experts_of_their_size(make: DeviceTensors) -> None:
    scores = make.router_logits(64, 32, 4, 1, 1).sigmoid()
    chosen = scores.topk(4, sorted=False).indices.sort().values
    assert chosen.tolist() == routed.routed_ids(64, 32, 4, 1, 1).tolist()
