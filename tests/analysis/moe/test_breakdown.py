from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.moe.breakdown import GAPS, breakdown, breakdowns
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache

LABEL = "library_moe/routed_experts/decode/B=1,S=1"
SPANS = st.lists(
    st.tuples(
        st.sampled_from(["device_kernel", "act_and_mul_kernel", "fill"]),
        st.floats(-100.0, 5.0),  # below zero, it begins while the one before runs
        st.floats(2.0, 1e4),
    ),
    min_size=1,
    max_size=20,
)


def spans_of(launches: list[tuple[str, float, float]]) -> list[LaunchSpan]:
    """Launches of one call; the first begins at 0, whatever its gap."""
    found: list[LaunchSpan] = []
    for index, (name, gap_us, time_us) in enumerate(launches):
        last = found[-1] if found else None
        ends_us = last.start_us + last.time_us if last else 0.0
        start_us = max(last.start_us, ends_us + gap_us) if last else 0.0
        found.append(
            LaunchSpan(
                label=LABEL,
                cache=Cache.COLD,
                index=index,
                function_name=name,
                start_us=start_us,
                time_us=time_us,
                calls=20,
            )
        )
    return found


@given(SPANS)
def test_times_and_gaps_end_where_the_last_launch_does(
    launches: list[tuple[str, float, float]],
) -> None:
    spans = spans_of(launches)
    made = breakdown(spans)
    assert made.total_us == pytest.approx(
        max(span.start_us + span.time_us for span in spans)
    )
    assert made.spans_us == pytest.approx(sum(span.time_us for span in spans))
    assert made.gemm_us + sum(made.other_stages_us.values()) == pytest.approx(
        made.total_us - made.gaps_us
    )
    for launch in made.launches:
        assert launch.gap_us >= 0
        assert 0 <= launch.time_us <= launch.span_us + 1e-6


@given(SPANS)
def test_shares_of_stages_and_gaps_are_one(
    launches: list[tuple[str, float, float]],
) -> None:
    made = breakdown(spans_of(launches))
    assert sum(made.shares.values()) == pytest.approx(1)
    assert list(made.shares)[-1] == GAPS


@given(SPANS, st.randoms())
def test_order_of_rows_does_not_matter(
    launches: list[tuple[str, float, float]], random: Random
) -> None:
    spans = spans_of(launches)
    mixed = list(spans)
    random.shuffle(mixed)
    assert breakdown(mixed) == breakdown(spans)


def test_a_call_is_split_into_stages_and_gaps(with_pipelines: Profile) -> None:
    made = breakdowns(with_pipelines, Cache.COLD)[LABEL]
    assert made.stages_us == {
        "gate": 10,
        "GEMM gate_up": 80,
        "activation": 5,
        "GEMM down": 40,
    }
    # 2 + 2 + 1 of 140 us.
    assert (made.gaps_us, made.total_us, made.gemm_us) == (5, 140, 120)
    assert made.other_stages_us == {"gate": 10, "activation": 5}
    assert made.functions["GEMM down"] == ("device_kernel",)
    assert made.calls == 20


def test_a_launch_is_charged_from_the_end_of_those_before_it(
    with_pipelines: Profile,
) -> None:
    made = breakdowns(with_pipelines, Cache.COLD)[
        LABEL.replace("library_moe", "our_moe")
    ]
    # 10 us; 60 from 9 us on; 25 from 71 on.
    assert [launch.time_us for launch in made.launches] == [10, 59, 25]
    assert [launch.gap_us for launch in made.launches] == [0, 0, 2]
    assert (made.total_us, made.spans_us) == (96, 95)


def test_a_launch_that_waits_for_the_one_before_is_not_charged_for_it() -> None:
    # As an H200 ran one token: the second GEMM begins 57 us before the first ends.
    made = breakdown(
        spans_of(
            [("fused_moe_silu", 0, 58), ("fused_moe", -57, 86), ("sum_rows", -28, 29)]
        )
    )
    assert made.stages_us == {"GEMM gate_up": 58, "GEMM down": 29, "reduce": 1}
    assert (made.gaps_us, made.total_us, made.spans_us) == (0, 88, 173)


def test_each_state_of_the_l2_has_its_own_launches(with_pipelines: Profile) -> None:
    (first, *_) = with_pipelines.launches
    warm = replace(first, cache=Cache.WARM, time_us=7.0)
    both = replace(with_pipelines, launches=(*with_pipelines.launches, warm))
    assert breakdowns(both, Cache.WARM)[LABEL].total_us == 7
    assert breakdowns(both, Cache.COLD)[LABEL].total_us == 140
    assert breakdowns(replace(both, launches=()), Cache.COLD) == {}
