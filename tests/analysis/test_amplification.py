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
        launches = changes.pop("launches", 1)
        sizes = {"bytes_read": 100 * MB, "bytes_written": 40 * MB}
        sizes |= {name: changes.pop(name) for name in sizes if name in changes}
        part = {
            "dram_bytes": (read + written) / launches,
            "dram_read_bytes": read / launches,
            "dram_write_bytes": written / launches,
        }
        rows = tuple(make_counters(launch=i, **part | changes) for i in range(launches))
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


def test_several_launches_pass_results_through_memory(explain: Factory) -> None:
    assert explain(read=150 * MB, written=90 * MB, launches=2) == (
        "workspace traffic: DRAM read 150 MB, 50 MB more than compulsory, in 2 "
        "launches; workspace traffic: DRAM took 90 MB, 50 MB more than the outputs "
        "have, in 2 launches"
    )


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
