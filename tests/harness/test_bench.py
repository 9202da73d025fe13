import subprocess
import sys
from dataclasses import replace

import pytest

from dsprof.harness.bench import Bench, Instruments, Outcome, describe
from dsprof.harness.records import Cache, Phase, Point, Status
from dsprof.harness.sweep import make_sweep
from tests.harness.toy import FREE_BYTES, KERNELS, FakeStopwatch, FakeTracer


@pytest.fixture
def stopwatch() -> FakeStopwatch:
    return FakeStopwatch()


@pytest.fixture
def bench(stopwatch: FakeStopwatch) -> Bench:
    return Bench(
        make_sweep(list(KERNELS.values())),
        device="cpu",
        compute_capability=(9, 0),
        instruments=Instruments(
            stopwatch=stopwatch, tracer=FakeTracer(), free_bytes=lambda: FREE_BYTES
        ),
        load=KERNELS.__getitem__,
    )


def point_of(kernel: str, batch_size: int) -> Point:
    return Point(
        kernel=kernel, op="small", phase=Phase.DECODE, batch_size=batch_size, seq_len=1
    )


def measure(bench: Bench, kernel: str, batch_size: int = 4) -> Outcome:
    return bench.measure(point_of(kernel, batch_size))


def test_a_correct_kernel_is_timed_warm_and_cold(bench: Bench) -> None:
    outcome = measure(bench, "double")
    row = outcome.measurement
    assert row.status is Status.OK
    assert row.warm is not None
    assert row.cold is not None
    assert (row.warm.median_us, row.cold.median_us) == (10.0, 20.0)
    assert len(outcome.samples_us[Cache.WARM]) == 100
    assert (row.m, row.n, row.k) == (4, 8, 0)
    assert row.total_bytes == 4 * 8 * 4
    assert row.provider.startswith("dsprof ")


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        ("triple", "out is off by "),
        ("leave_last_row", "8 of 32"),
        ("allocate_and_leave", "32 of 32"),
        ("give_nan", "32 of 32"),
    ],
)
def test_a_wrong_output_is_a_row_with_its_error_and_no_time(
    bench: Bench, stopwatch: FakeStopwatch, kernel: str, reason: str
) -> None:
    outcome = measure(bench, kernel)
    row = outcome.measurement
    assert row.status is Status.INCORRECT
    assert reason in row.reason
    assert row.error is not None
    assert row.warm is row.cold is None
    assert not outcome.samples_us
    assert stopwatch.calls == 0


def test_a_kernel_that_raises_fails_its_point_with_the_first_line(bench: Bench) -> None:
    outcome = measure(bench, "complain")
    assert outcome.measurement.status is Status.FAILED
    assert outcome.measurement.reason == "RuntimeError: the kernel refused"
    assert not outcome.context_lost
    assert measure(bench, "double").measurement.status is Status.OK


def test_a_kernel_no_package_has_is_unavailable_and_says_what_to_install(
    bench: Bench,
) -> None:
    row = measure(bench, "absent").measurement
    assert row.status is Status.UNAVAILABLE
    assert "toylib" in row.reason
    assert "toy-lib" in row.reason


def test_a_changed_signature_is_unavailable_and_says_what_was_found(
    bench: Bench,
) -> None:
    row = measure(bench, "changed").measurement
    assert row.status is Status.UNAVAILABLE
    assert row.reason.startswith(
        "changed calls dsprof.kernels.registry:load_kernel of dsprof "
    )
    assert "does not fit (name): too many positional arguments; expected" in row.reason
    assert measure(bench, "double").measurement.status is Status.OK


def test_a_renamed_function_is_unavailable_and_named(bench: Bench) -> None:
    row = measure(bench, "renamed").measurement
    assert row.status is Status.UNAVAILABLE
    assert row.reason.startswith(
        "renamed needs dsprof.kernels.registry:load_a_kernel, and dsprof "
    )


def test_the_first_provider_that_passes_its_probe_is_used(bench: Bench) -> None:
    row = measure(bench, "choice").measurement
    assert row.status is Status.OK
    assert row.provider.startswith("dsprof-good ")


def test_a_provider_that_was_asked_for_is_used_even_if_it_fails(bench: Bench) -> None:
    point = Point(
        kernel="choice",
        op="small",
        phase=Phase.DECODE,
        batch_size=4,
        seq_len=1,
        provider="dsprof-broken",
    )
    row = bench.measure(point).measurement
    assert (row.status, row.provider[:13]) == (Status.FAILED, "dsprof-broken")
    assert row.reason == "RuntimeError: the kernel refused"


def test_a_provider_that_a_kernel_does_not_have_is_unavailable(bench: Bench) -> None:
    point = Point(
        kernel="double",
        op="small",
        phase=Phase.DECODE,
        batch_size=4,
        seq_len=1,
        provider="other",
    )
    row = bench.measure(point).measurement
    assert row.status is Status.UNAVAILABLE
    assert row.reason == "double has no provider 'other'."


def test_a_kernel_for_a_later_chip_is_unsupported(bench: Bench) -> None:
    row = measure(bench, "future").measurement
    assert row.status is Status.UNSUPPORTED
    assert row.reason == "future needs compute capability 10.0; this GPU has 9.0."


def test_a_shape_beyond_the_limit_is_a_row_with_the_reason(bench: Bench) -> None:
    assert measure(bench, "limited", 1).measurement.status is Status.OK
    row = measure(bench, "limited", 2).measurement
    assert (row.status, row.reason) == (Status.OUT_OF_LIMIT, "one token only")


def test_missing_reasons_are_known_without_measuring(bench: Bench) -> None:
    assert bench.missing_reason("double") is None
    assert "toylib" in (bench.missing_reason("absent") or "")
    assert "10.0" in (bench.missing_reason("future") or "")


def test_measuring_leaves_torchs_settings_as_they_were(bench: Bench) -> None:
    import torch

    measure(bench, "double")
    assert not torch.are_deterministic_algorithms_enabled()


def test_importing_the_bench_imports_no_torch() -> None:
    code = "import sys, dsprof.harness.bench; sys.exit('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], check=False)
    assert process.returncode == 0


def test_a_row_says_how_many_experts_its_routing_touched() -> None:
    kernel = replace(KERNELS["double"], distinct_experts=lambda work: work.tokens * 8)
    work = kernel.workload(point_of("double", batch_size=2))
    assert describe(kernel, work, timer="graph").distinct_experts == 16
    unrouted = describe(KERNELS["double"], work, timer="graph")
    assert unrouted.distinct_experts is None


def test_a_traced_point_has_its_launches_in_both_cache_states(bench: Bench) -> None:
    traced = bench.trace(point_of("double", batch_size=4))
    assert (traced.label, traced.reason) == ("double/small/decode/B=4,S=1", "")
    # The second launch begins at 11 us, 4 us after the first began at 7 us.
    assert [
        (span.cache, span.index, span.function_name, span.start_us, span.time_us)
        for span in traced.launches
    ] == [
        ("warm", 0, "first_kernel", 0.0, 3.0),
        ("warm", 1, "second_kernel", 4.0, 5.0),
        ("cold", 0, "first_kernel", 0.0, 3.0),
        ("cold", 1, "second_kernel", 4.0, 5.0),
    ]
    assert {(span.label, span.calls) for span in traced.launches} == {(traced.label, 3)}


def test_a_point_that_cannot_be_traced_says_why(bench: Bench) -> None:
    traced = bench.trace(point_of("complain", batch_size=4))
    assert traced.launches == ()
    assert traced.reason == "RuntimeError: the kernel refused"
    assert not traced.context_lost


def test_a_point_larger_than_the_memory_is_refused_before_it_is_made(
    bench: Bench, stopwatch: FakeStopwatch
) -> None:
    # 8 BF16 columns in and out: 32 bytes a row, 1.6 GB.
    row = measure(bench, "double", batch_size=50_000_000).measurement
    assert row.status is Status.OUT_OF_LIMIT
    assert row.reason == ("needs at least 1.6 GB of memory; the GPU has 1.0 GB free.")
    assert (row.m, row.n, row.timer) == (50_000_000, 8, "graph")
    assert stopwatch.calls == 0


def test_a_limit_of_the_kernel_comes_before_the_memory(bench: Bench) -> None:
    row = measure(bench, "limited", batch_size=50_000_000).measurement
    assert row.reason == "one token only"
