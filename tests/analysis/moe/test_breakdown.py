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
        st.floats(-1.0, 5.0),
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
        start_us = last.start_us + last.time_us + gap_us if last else 0.0
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
def test_spans_and_gaps_end_where_the_last_launch_does(
    launches: list[tuple[str, float, float]],
) -> None:
    spans = spans_of(launches)
    made = breakdown(spans)
    assert made.total_us == pytest.approx(spans[-1].start_us + spans[-1].time_us)
    assert made.spans_us == pytest.approx(sum(span.time_us for span in spans))
    assert sum(made.stages_us.values()) == pytest.approx(made.spans_us)
    assert made.gemm_us + sum(made.other_stages_us.values()) == pytest.approx(
        made.spans_us
    )


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


def test_launches_that_overlap_have_a_gap_below_zero(with_pipelines: Profile) -> None:
    made = breakdowns(with_pipelines, Cache.COLD)[
        LABEL.replace("library_moe", "our_moe")
    ]
    assert [launch.gap_us for launch in made.launches] == [0, -1, 2]
    assert made.total_us == 96


def test_each_state_of_the_l2_has_its_own_launches(with_pipelines: Profile) -> None:
    (first, *_) = with_pipelines.launches
    warm = replace(first, cache=Cache.WARM, time_us=7.0)
    both = replace(with_pipelines, launches=(*with_pipelines.launches, warm))
    assert breakdowns(both, Cache.WARM)[LABEL].total_us == 7
    assert breakdowns(both, Cache.COLD)[LABEL].total_us == 140
    assert breakdowns(replace(both, launches=()), Cache.COLD) == {}
