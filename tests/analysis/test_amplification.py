from typing import Any

import pytest

from dsprof.analysis.amplification import explain_amplification
from dsprof.analysis.merge import merge_point
from dsprof.harness.records import Cache
from tests.conftest import Factory

MB = 1_000_000
L2_BYTES = 50 * MB


@pytest.fixture
def explain(make_counters: Factory, make_measurement: Factory) -> Factory:
    """Explain the traffic of a kernel that must read 100 MB and write 40 MB."""

    def make(**changes: Any) -> str:  # noqa: ANN401
        read, written = changes.pop("read"), changes.pop("written")
        launches, first_read = (
            changes.pop("launches", 1),
            changes.pop("first_read", None),
        )
        sizes = {"bytes_read": 100 * MB, "bytes_written": 40 * MB}
        sizes |= {name: changes.pop(name) for name in sizes if name in changes}
        part = {
            "dram_bytes": (read + written) / launches,
            "dram_read_bytes": read / launches,
            "dram_write_bytes": written / launches,
        }
        parts = [part | changes for _ in range(launches)]
        if first_read is not None:
            parts[0] = parts[0] | {"dram_read_bytes": float(first_read)}
            parts[1] = parts[1] | {"dram_read_bytes": float(read - first_read)}
        rows = tuple(make_counters(launch=i, **of) for i, of in enumerate(parts))
        return explain_amplification(
            merge_point(rows, make_measurement(**sizes)), L2_BYTES
        )

    return make


def test_traffic_from_95_to_110_percent_of_the_compulsory_needs_no_reason(
    explain: Factory,
) -> None:
    assert explain(read=100 * MB, written=33 * MB) == ""  # 0.95
    assert explain(read=114 * MB, written=40 * MB) == ""  # 1.10
    assert explain(read=100 * MB, written=32 * MB) != ""  # 0.94
    assert explain(read=115 * MB, written=40 * MB) != ""  # 1.11


def test_writes_that_fit_l2_were_left_there(explain: Factory) -> None:
    assert explain(read=100 * MB, written=2 * MB) == (
        "writes left in L2: DRAM took 2 MB of 40 MB written"
    )
    said = explain(read=100 * MB, written=2 * MB, bytes_written=90 * MB)
    assert said.startswith("not explained")
    assert said.endswith("88 MB is more than L2 has")


def test_reads_that_dram_did_not_serve_came_from_a_warm_l2(explain: Factory) -> None:
    assert explain(read=60 * MB, written=40 * MB, cache=Cache.WARM) == (
        "L2 hits: DRAM read 60 MB of 100 MB compulsory, the rest lay in L2"
    )
    too_many = explain(read=10 * MB, written=40 * MB, cache=Cache.WARM)
    assert too_many.startswith("not explained")  # 90 MB do not fit 50 MB
    cold = explain(read=60 * MB, written=40 * MB)
    assert cold.startswith("not explained")  # a cold L2 has nothing to serve


def test_more_reads_than_fit_l2_are_re_reads(explain: Factory) -> None:
    assert explain(read=150 * MB, written=40 * MB) == (
        "re-reads: DRAM read 150 MB, 50 MB more than compulsory, L2 did not keep all "
        "of 140 MB"
    )
    fits = explain(read=30 * MB, written=1 * MB, bytes_read=10 * MB, bytes_written=MB)
    assert fits.startswith("not explained: DRAM read 30 MB, 20 MB more")


def test_what_several_launches_read_may_be_what_they_passed_on(
    explain: Factory,
) -> None:
    # The second launch reads 75 MB; the first may have written 60 of its 100 MB.
    said = explain(read=150 * MB, written=90 * MB, launches=2, l2_bytes=60.0 * MB)
    assert said == (
        "workspace or repeated reads: DRAM read 150 MB, 50 MB more than compulsory, in "
        "2 launches; workspace traffic: DRAM took 90 MB, 50 MB more than the outputs "
        "have, in 2 launches"
    )
    small = {"bytes_read": 10_000, "bytes_written": 0}
    assert explain(read=130_000, written=0, launches=2, **small) == (
        "fixed or repeated reads of 2 launches: DRAM read 130 KB, 120 KB more than "
        "compulsory"
    )


def test_what_no_launch_before_can_have_written_was_read_twice(
    explain: Factory,
) -> None:
    # Each of the two reads 300 MB, and 1 MB is all that the first moved in L2.
    said = explain(read=600 * MB, written=40 * MB, launches=2, l2_bytes=1.0 * MB)
    assert said.startswith("workspace or repeated reads")  # 200 of 500 MB are sure
    said = explain(
        read=600 * MB, written=40 * MB, launches=2, l2_bytes=1.0 * MB, first_read=0
    )
    assert said == (
        "re-reads: DRAM read 600 MB, 500 MB more than compulsory, L2 did not keep all "
        "of 140 MB"
    )


def test_half_of_an_l2_of_two_partitions_is_all_that_surely_fits(
    explain: Factory,
) -> None:
    sizes = {"bytes_read": 30 * MB, "bytes_written": 10 * MB}
    assert explain(read=40 * MB, written=10 * MB, **sizes) == (
        "re-reads: DRAM read 40 MB, 10 MB more than compulsory, although all 40 MB fit "
        "L2, likely as its two partitions of 25 MB keep a copy each"
    )
    one = explain(read=40 * MB, written=10 * MB, compute_capability=(12, 0), **sizes)
    assert one.startswith("not explained: DRAM read 40 MB")


def test_a_warm_capture_whose_l2_was_cold_says_so(explain: Factory) -> None:
    small = {"bytes_read": 16 * MB, "bytes_written": MB, "cache": Cache.WARM}
    # 16 us under ncu, 10 us in graph replays.
    slow = explain(read=16 * MB, written=MB, duration_ns=16_000.0, **small)
    assert slow == (
        "L2 colder than in graph replays (DRAM read 1 of compulsory, 1.6 times their "
        "time), likely by ncu's saves and restores of memory between passes"
    )
    assert explain(read=16 * MB, written=MB, duration_ns=11_000.0, **small) == ""
    hits = explain(read=8 * MB, written=MB, duration_ns=16_000.0, **small)
    assert hits.startswith("L2 hits: ")
    cold = small | {"cache": Cache.COLD}
    assert explain(read=16 * MB, written=MB, duration_ns=16_000.0, **cold) == ""
    # What L2 cannot hold is read from DRAM in graph replays as well.
    large = {"cache": Cache.WARM, "duration_ns": 16_000.0}
    assert explain(read=100 * MB, written=40 * MB, **large) == ""


def test_a_small_kernel_also_reads_its_own_code(explain: Factory) -> None:
    said = explain(read=90_000, written=0, bytes_read=10_000, bytes_written=0)
    assert said == (
        "fixed reads of a launch (code, arguments, tables): DRAM read 90 KB, 80 KB "
        "more than compulsory"
    )


def test_a_total_without_its_parts_is_not_explained(
    make_counters: Factory, make_measurement: Factory
) -> None:
    launch = make_counters(dram_bytes=1e9, dram_read_bytes=None)
    said = explain_amplification(merge_point((launch,), make_measurement()))
    assert said == "not explained: 7.75e+03 times the compulsory bytes in all"


def test_nothing_is_said_without_a_cost(make_counters: Factory) -> None:
    assert explain_amplification(merge_point((make_counters(label=""),), None)) == ""
