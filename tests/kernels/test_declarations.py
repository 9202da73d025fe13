"""What holds for every kernel file, whatever the kernel."""

import sys
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.records import Phase, Point
from dsprof.harness.sweep import make_sweep, plan
from dsprof.harness.tensors import DeviceTensors, poison
from dsprof.kernels.registry import load_kernel, load_kernels
from dsprof.kernels.spec import Kernel, Tensors, Workload

H200 = (9, 0)
TOKENS = 4
KV_LEN = 96  # more than one page, and no whole number of them

KERNELS = load_kernels()
OPS = [(kernel.name, op.name) for kernel in KERNELS for op in kernel.ops]

every_kernel = pytest.mark.parametrize(
    "kernel", KERNELS, ids=[kernel.name for kernel in KERNELS]
)
every_op = pytest.mark.parametrize(("name", "op"), OPS)


class Solved(NamedTuple):
    kernel: Kernel
    work: Workload
    args: Tensors
    expected: Tensors

    def passes(self, **changes: torch.Tensor) -> bool:
        got = self.expected | changes
        return compare(self.kernel, self.work, self.args, got, self.expected).passed


@cache
def solved(name: str, op: str) -> Solved:
    """Return a small workload and its reference; no test may change these tensors."""
    kernel = load_kernel(name)
    is_decode = Phase.DECODE in kernel.phases
    point = Point(
        kernel=name,
        op=op,
        phase=Phase.DECODE if is_decode else Phase.PREFILL,
        batch_size=TOKENS if is_decode else 2,
        seq_len=1 if is_decode else 8,
        kv_len=KV_LEN if kernel.has_kv_axis and is_decode else None,
    )
    work = kernel.small_workload(point)
    args = kernel.make_inputs(work, DeviceTensors("cpu", point))
    return Solved(kernel, work, args, kernel.reference(work, args))


def default_points(kernel: Kernel) -> list[Point]:
    return plan(make_sweep([kernel]), [kernel])


def content(tensor: torch.Tensor) -> bytes:
    """Bytes of the elements: equal to themselves even where they are NaN."""
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


@every_kernel
def test_inputs_have_a_shape_at_every_default_point(kernel: Kernel) -> None:
    for point in default_points(kernel):
        args = kernel.make_inputs(kernel.workload(point), DeviceTensors("meta", point))
        assert {tensor.device.type for tensor in args.values()} == {"meta"}


@every_kernel
def test_default_points_are_8_decode_and_20_prefill_an_op(kernel: Kernel) -> None:
    points = default_points(kernel)
    kv_lens = 2 if kernel.has_kv_axis else 1
    expected = {Phase.DECODE: 8 * kv_lens, Phase.PREFILL: 20}
    ops = [op for op in kernel.ops if not op.on_request]
    for phase in Phase:
        count = sum(point.phase is phase for point in points) / len(ops)
        assert count == (expected[phase] if phase in kernel.phases else 0)


@every_kernel
def test_it_runs_on_an_h200_or_has_a_chip_that_it_is_for(kernel: Kernel) -> None:
    assert kernel.capability_reason(H200) is None or (
        kernel.min_compute_capability >= (10, 0)
    )


@every_kernel
def test_it_needs_no_package_to_be_declared(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for provider in kernel.providers:
        monkeypatch.setitem(sys.modules, provider.package, None)
        with pytest.raises(ImportError):
            provider.load()


@every_op
def test_the_reference_gives_every_output_and_each_is_finite(
    name: str, op: str
) -> None:
    kernel, _, _, expected = solved(name, op)
    assert expected.keys() == kernel.tolerance.keys()
    assert all(bool(tensor.isfinite().all()) for tensor in expected.values())


@every_op
def test_the_reference_leaves_its_arguments_alone(name: str, op: str) -> None:
    kernel, work, args, expected = solved(name, op)
    before = {key: content(tensor) for key, tensor in args.items()}
    kernel.reference(work, args)
    assert {key: content(tensor) for key, tensor in args.items()} == before
    # An in-place kernel would otherwise overwrite what it is compared with.
    memory = {tensor.untyped_storage().data_ptr() for tensor in args.values()}
    assert all(
        tensor.untyped_storage().data_ptr() not in memory
        for tensor in expected.values()
    )


@every_op
def test_the_same_point_gets_the_same_inputs(name: str, op: str) -> None:
    kernel, work, args, _ = solved(name, op)
    again = kernel.make_inputs(work, DeviceTensors("cpu", work.point))
    assert {key: content(tensor) for key, tensor in again.items()} == {
        key: content(tensor) for key, tensor in args.items()
    }


@every_op
def test_the_reference_passes_its_own_check(name: str, op: str) -> None:
    assert solved(name, op).passes()


@every_op
def test_rounding_to_the_output_type_passes(name: str, op: str) -> None:
    case = solved(name, op)
    rounded = {
        key: tensor.to(case.args[key].dtype)
        for key, tensor in case.expected.items()
        if key in case.args
    }
    assert case.passes(**rounded)


def doubled(tensor: torch.Tensor) -> torch.Tensor:
    return tensor * 2


def two_rows_swapped(tensor: torch.Tensor) -> torch.Tensor:
    rows = tensor.flatten(0, -2)
    order = torch.arange(len(rows))
    order[:2] = order[:2].flip(0)
    return rows[order].view_as(tensor)


def last_tile_unwritten(tensor: torch.Tensor) -> torch.Tensor:
    columns = max(1, tensor.shape[-1] // 8)
    damaged = tensor.clone()
    poison(damaged[-1:, ..., -columns:])
    return damaged


def last_row_stale(tensor: torch.Tensor) -> torch.Tensor:
    return torch.cat([tensor[:-1], torch.zeros_like(tensor[-1:])])


# Buffers longer than what the kernel writes: their end is no part of the result.
LONGER_THAN_WRITTEN = {("scaled_fp4_experts_quant", "scales")}


@pytest.mark.parametrize(
    "damage", [doubled, two_rows_swapped, last_tile_unwritten, last_row_stale]
)
@every_op
def test_a_damaged_float_output_is_caught(
    name: str, op: str, damage: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    case = solved(name, op)
    for key, tensor in case.expected.items():
        at_the_end = damage in {last_tile_unwritten, last_row_stale}
        if at_the_end and (name, key) in LONGER_THAN_WRITTEN:
            continue
        if tensor.is_floating_point():
            assert not case.passes(**{key: damage(tensor)}), key


def one_more(tensor: torch.Tensor) -> torch.Tensor:
    damaged = tensor.clone()
    damaged.view(-1)[0] += 1
    return damaged


def first_unwritten(tensor: torch.Tensor) -> torch.Tensor:
    damaged = tensor.clone()
    poison(damaged.view(-1)[:1])
    return damaged


def filled(value: int) -> Callable[[torch.Tensor], torch.Tensor]:
    # Converted afterwards, because an unsigned type refuses a value that it has not.
    return lambda tensor: torch.full(tensor.shape, value).to(tensor.dtype)


LIMITS = torch.iinfo(torch.int32)


@pytest.mark.parametrize(
    "damage",
    [one_more, first_unwritten]
    + [filled(value) for value in (LIMITS.min, LIMITS.max, -1, 0, 1_000_000)],
    ids=["one_more", "first_unwritten", "least", "greatest", "-1", "0", "10**6"],
)
@every_op
def test_a_damaged_integer_output_is_caught_without_a_crash(
    name: str, op: str, damage: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    case = solved(name, op)
    integers = {
        key: tensor
        for key, tensor in case.expected.items()
        if not tensor.is_floating_point()
    }
    for key, tensor in integers.items():
        assert not case.passes(**{key: damage(tensor)}), key
    if integers:
        every = {key: damage(tensor) for key, tensor in integers.items()}
        assert not case.passes(**every)


@every_kernel
def test_outputs_start_poisoned_unless_the_kernel_adds_to_them(kernel: Kernel) -> None:
    _, _, args, expected = solved(kernel.name, kernel.ops[0].name)
    overwritten_inputs = {
        "fused_add_rmsnorm": {"input", "residual"},
        "apply_rope_with_cos_sin_cache_inplace": {"query", "key"},
        "set_mla_kv_buffer": {"cache"},
    }
    for key in expected.keys() & args.keys() - overwritten_inputs.get(
        kernel.name, set()
    ):
        poisoned = args[key].clone()
        poison(poisoned)
        assert content(args[key]) == content(poisoned), key
