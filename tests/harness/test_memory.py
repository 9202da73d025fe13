from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsprof.harness.memory import memory_reason, needed_memory
from dsprof.harness.records import Phase, Point
from dsprof.kernels.spec import Kernel, Run, Tensors, Workload
from tests.harness.toy import KERNELS, double

ROW_BYTES = 2 * 2 * 8  # BF16, input and output, 8 columns
KEPT_BYTES = 4 * 100  # a row of what prepare_buffers keeps


def work_of(kernel: Kernel, tokens: int) -> Workload:
    point = Point(
        kernel=kernel.name,
        op="small",
        phase=Phase.DECODE,
        batch_size=tokens,
        seq_len=1,
    )
    return kernel.workload(point)


def prepare_buffers(_api: object, work: Workload, args: Tensors) -> Run:
    """Keep an FP32 buffer of 100 columns, through a view, and drop a larger one."""
    import torch

    device = args["input"].device
    torch.empty(work.tokens, 1000, device=device).add_(1)
    kept = torch.empty(work.tokens, 100, device=device).mT

    def run() -> Tensors:
        assert len(kept)
        return double(args)

    return run


def with_prepare(prepare: Any) -> Kernel:  # noqa: ANN401 -- any provider's
    kernel = KERNELS["double"]
    return replace(kernel, providers=(replace(kernel.providers[0], prepare=prepare),))


@settings(deadline=None)  # torch imports its meta functions at the first
@given(tokens=st.integers(1, 10**12))
def test_arguments_and_kept_buffers_count_and_temporary_ones_do_not(
    tokens: int,
) -> None:
    kernel = with_prepare(prepare_buffers)
    (provider,), work = kernel.providers, work_of(kernel, tokens)
    whole_bytes = tokens * (ROW_BYTES + KEPT_BYTES)
    assert needed_memory(kernel, provider, work) == whole_bytes
    assert (
        needed_memory(kernel, provider, work, enough=tokens * ROW_BYTES + 1)
        == tokens * ROW_BYTES
    )


def test_a_reason_is_given_from_one_byte_too_many_on() -> None:
    kernel = with_prepare(prepare_buffers)
    (provider,), work = kernel.providers, work_of(kernel, 10**7)
    # 10^7 rows of 32 + 400 bytes.
    assert memory_reason(kernel, provider, work, 4_320_000_000) is None
    assert memory_reason(kernel, provider, work, 4_319_999_999) == (
        "needs at least 4.3 GB of memory; the GPU has 4.3 GB free."
    )


def refuse(*_arguments: object) -> Any:  # noqa: ANN401 -- never returns
    raise RuntimeError("values are needed")


def test_what_meta_tensors_cannot_do_counts_as_nothing() -> None:
    kernel = with_prepare(refuse)
    (provider,), work = kernel.providers, work_of(kernel, 10)
    assert needed_memory(kernel, provider, work) == 10 * ROW_BYTES
    unmade = replace(kernel, make_inputs=refuse)
    assert needed_memory(unmade, provider, work) == 0


@pytest.mark.gpu
def test_memory_that_torch_keeps_is_free() -> None:
    import torch

    from dsprof.harness.memory import free_memory

    torch.cuda.empty_cache()
    before_bytes = free_memory()
    held = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    assert before_bytes - free_memory() >= held.nbytes
    del held
    assert before_bytes - free_memory() < 1 << 28
