from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.counters import Counters, counter_metrics
from dsprof.harness.counters_csv import header, parse, to_line
from dsprof.harness.errors import ProfileError
from dsprof.harness.records import Cache

ROW = Counters(
    label="rmsnorm/input_layernorm/decode/B=1,S=1",
    cache=Cache.COLD,
    launch=1,
    kernel_name='void norm<(int)8, "a, b">(T1 *)',
    function_name="norm",
    grid=(132, 1, 1),
    block=(128, 2, 1),
    ranges=("dsprof:rmsnorm", "<default domain>:step"),
    device_name="NVIDIA H200",
    compute_capability=(9, 0),
    nvidia_class="Small Grid",
    stalls={"wait": 1.5, "gmma": 0.25},
    missing={"l1_hit_pct": "no data"},
    duration_ns=3648.0,
    sm_pct=0.1234567890123,
    tensor_fp8_flops=2147483648.0,
)


def test_a_launch_comes_back_as_it_was_written() -> None:
    assert parse(header() + to_line(ROW), "counters.csv") == [ROW]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.floats(allow_nan=False, allow_infinity=False)
            for name in list(counter_metrics())[:6]
        },
    )
)
def test_every_value_comes_back_exactly(values: dict[str, Any]) -> None:
    row = replace(ROW, **values)
    assert parse(header() + to_line(row), "counters.csv") == [row]


def test_a_file_without_a_counter_that_came_later_still_loads() -> None:
    lines = (header() + to_line(ROW)).splitlines()
    last = list(counter_metrics())[-1]
    older = "\n".join(line.rpartition(",")[0] for line in lines) + "\n"
    assert last not in older.splitlines()[0]
    assert parse(older, "counters.csv") == [ROW]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n1,2\n", "line 1: no column 'label'"),
        (header().replace("sm_pct", "smm_pct"), "unknown column 'smm_pct'"),
        (header() + to_line(ROW).replace("3648", "many"), "line 2: could not convert"),
        (header() + "cut,off", "line 2"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ProfileError, match=problem):
        parse(text, "counters.csv")
