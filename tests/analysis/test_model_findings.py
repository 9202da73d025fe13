"""What is said of a model follows from its rows, and from nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dsprof.analysis.findings import Finding
from dsprof.analysis.model_advice import recommendations
from dsprof.analysis.model_conclusions import bottlenecks, conclusions
from dsprof.analysis.model_counter_findings import (
    class_findings,
    duration_findings,
    roof_findings,
    utilisation_findings,
)
from dsprof.analysis.model_findings import coverage_line, time_findings
from dsprof.analysis.model_kernels import ModelKernels, model_kernels
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache
from tests.analysis.planted import (
    CAST,
    COMPUTES,
    DECODE,
    FLASH,
    GEMM,
    GEMV,
    MULTIPLY,
    OWN,
    STREAMS,
    Planted,
    model_profile,
    timeline_of,
)
from tests.conftest import Factory

PARTS = (
    time_findings,
    class_findings,
    utilisation_findings,
    duration_findings,
    roof_findings,
    conclusions,
    bottlenecks,
    recommendations,
)


def said(profile: Profile) -> dict[str, str]:
    """Every sentence by its part and title, with what it cites."""
    model = read(profile)
    return {
        f"{part.__name__}: {one.title}": f"{one.detail} {one.rows}"
        for part in PARTS
        for one in part(model)
    }


def read(profile: Profile) -> ModelKernels:
    return model_kernels(profile, profile.timelines[0])


def titles(found: Sequence[Finding]) -> list[str]:
    return [one.title for one in found]


def scaled(profile: Profile, **factors: float) -> Profile:
    return replace(
        profile,
        counters=tuple(
            replace(
                row,
                **{name: getattr(row, name) * by for name, by in factors.items()},
            )
            for row in profile.counters
        ),
    )


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {
        title
        for title in before.keys() | after.keys()
        if before.get(title) != after.get(title)
    }


@pytest.fixture
def profile(make_profile: Factory, make_counters: Factory) -> Profile:
    return model_profile(make_profile, make_counters)


@pytest.mark.parametrize(
    ("counter", "sentences"),
    [
        (
            "l1_hit_pct",
            {
                "utilisation_findings: L1 hit rate",
                "conclusions: Memory hierarchy",
            },
        ),
        (
            "l2_hit_pct",
            {
                "utilisation_findings: L2 hit rate",
                "conclusions: Memory hierarchy",
            },
        ),
        (
            "achieved_occupancy_pct",
            {
                "utilisation_findings: Achieved occupancy",
                # From just half of what is possible to less.
                "utilisation_findings: Less than half of the possible occupancy",
                "conclusions: Utilisation, weighted by time",
            },
        ),
        ("l2_bytes", {"conclusions: Memory hierarchy"}),
        (
            "duration_ns",
            {
                "duration_findings: Longest launch",
                "duration_findings: Time under ncu over time in the program",
            },
        ),
    ],
)
def test_one_scaled_counter_changes_its_own_sentences_and_no_other(
    profile: Profile, counter: str, sentences: set[str]
) -> None:
    after = said(scaled(profile, **{counter: 0.9}))
    assert changed(said(profile), after) == sentences


def test_scaled_bytes_move_roofs_and_advice_but_no_time(profile: Profile) -> None:
    found = changed(said(profile), said(scaled(profile, dram_bytes=0.9)))
    assert {title.partition(":")[0] for title in found} == {
        *("roof_findings", "conclusions", "recommendations"),
    }
    assert "recommendations: Fewer bytes a weight" in found


def all_of(
    make_profile: Factory, make_counters: Factory, counters: Mapping[str, Any]
) -> Profile:
    kernels = [
        Planted(name=name, total_us=us, counters=counters)
        for name, us in ((GEMM, 600.0), (GEMV, 300.0), (FLASH, 100.0))
    ]
    return model_profile(make_profile, make_counters, kernels)


def test_memory_bound_kernels_make_the_conclusions_of_memory(
    make_profile: Factory, make_counters: Factory
) -> None:
    model = read(all_of(make_profile, make_counters, STREAMS))
    assert "Memory decides" in titles(conclusions(model))
    assert "Compute decides" not in titles(conclusions(model))
    assert titles(bottlenecks(model))[0] == "DRAM bandwidth"
    advice = titles(recommendations(model))
    assert "More rows a launch (batching, speculative decoding)" in advice
    assert "Fewer bytes a weight" in advice
    assert "Narrower tensor types" not in advice


def test_compute_bound_kernels_make_the_conclusions_of_compute(
    make_profile: Factory, make_counters: Factory
) -> None:
    model = read(all_of(make_profile, make_counters, COMPUTES))
    assert "Compute decides" in titles(conclusions(model))
    assert "Memory decides" not in titles(conclusions(model))
    assert titles(bottlenecks(model))[0] == "Tensor cores"
    advice = {one.title: one.detail for one in recommendations(model)}
    assert "Fewer bytes a weight" not in advice
    assert "More rows a launch (batching, speculative decoding)" not in advice
    # The toy GPU does twice the FLOP/s in FP8.
    assert "save at most 50.0 %" in advice["Narrower tensor types"]


def test_idle_kernels_are_told_to_find_more_parallel_work(
    make_profile: Factory, make_counters: Factory
) -> None:
    idle = {"sm_pct": 8.0, "memory_pct": 12.0, "dram_pct": 9.0, "waves_per_sm": 0.2}
    model = read(all_of(make_profile, make_counters, idle))
    assert "Neither side decides" in titles(conclusions(model))
    assert "Latency" in titles(bottlenecks(model))
    advice = titles(recommendations(model))
    assert "More parallel work in kernels that wait" in advice


def test_a_family_dominates_only_from_its_threshold_on(
    make_profile: Factory, make_counters: Factory
) -> None:
    def found(share: float) -> list[str]:
        kernels = (
            Planted(name=GEMV, total_us=10 * share),
            Planted(name=GEMM, total_us=10 * (100 - share)),
        )
        profile = model_profile(make_profile, make_counters, kernels)
        return titles(time_findings(read(profile)))

    assert "GEMV dominates" in found(25.0)
    assert "GEMV" in found(24.0)
    assert "GEMV dominates" not in found(24.0)
    assert not [title for title in found(2.0) if title.startswith("GEMV")]


def test_findings_cite_the_ranks_of_their_rows(profile: Profile) -> None:
    found = {one.title: one for one in time_findings(read(profile))}
    assert found["GEMV dominates"].rows == ("#1",)
    assert found["GEMV dominates"].detail.startswith("50.0 % of the kernel time")
    assert found["Copy/cast"].rows == ("#4",)
    assert found["Kernels of no known library"].rows == ("#6",)


def test_only_kernels_between_the_large_ones_are_to_be_fused(
    make_profile: Factory, make_counters: Factory
) -> None:
    def advice(*kernels: Planted) -> dict[str, Finding]:
        profile = model_profile(make_profile, make_counters, kernels)
        return {one.title: one for one in recommendations(read(profile))}

    title = "Fuse small operations into their neighbours"
    large = Planted(name=GEMM, total_us=900.0, counters=COMPUTES)
    small = Planted(name=MULTIPLY, total_us=100.0, instances=50)
    found = advice(large, small)[title]
    assert found.detail.startswith("at most 10.0 % of the kernel time")
    assert "360 MB" in found.detail  # 3.6 MB a microsecond
    assert found.rows == ("#2",)
    assert title not in advice(large, replace(small, total_us=90.0))
    assert title not in advice(large)


def test_gaps_ask_for_a_graph_unless_there_is_one(profile: Profile) -> None:
    def advice(busy: float, mode: str) -> dict[str, str]:
        timeline = profile.timelines[0]
        whole, time = timeline.ranges
        time = replace(time, wall_ns=round(time.busy_ns / busy))
        timeline = replace(timeline, ranges=(whole, time), mode=mode)
        found = read(replace(profile, timelines=(timeline,)))
        return {one.title: one.detail for one in recommendations(found)}

    assert advice(0.5, "eager")["Close the gaps"].startswith("launch from a CUDA graph")
    assert "at most 2.00 times" in advice(0.5, "eager")["Close the gaps"]
    assert "between replays" in advice(0.5, "CUDA graph")["Close the gaps"]
    assert "Close the gaps" not in advice(0.95, "eager")


def test_a_timeline_without_counters_says_nothing_of_counters(
    profile: Profile,
) -> None:
    model = read(replace(profile, counters=(), captures=()))
    assert not class_findings(model)
    assert not utilisation_findings(model)
    assert not roof_findings(model)
    assert not duration_findings(model)
    assert "Memory decides" not in titles(conclusions(model))
    assert titles(time_findings(model)) == titles(time_findings(read(profile)))
    assert "counters" not in coverage_line(model)


def test_the_coverage_line_gives_time_and_counters(profile: Profile) -> None:
    line = coverage_line(read(profile))
    assert line.startswith("The top 6 = 100 % of the GPU's kernel time")
    assert "5 of these 6 have counters" in line
    assert "96.0 % of all kernel time" in line


def test_one_kernel_and_none_at_all_are_described(
    make_profile: Factory, make_counters: Factory
) -> None:
    one = model_profile(make_profile, make_counters, DECODE[:1])
    assert said(one)["conclusions: GEMV decides the time"].startswith("100 %")
    bare = replace(timeline_of(DECODE[:1]), kernels=())
    assert said(replace(one, timelines=(bare,))).keys() <= {
        "bottlenecks: Launches and host",
        "recommendations: Close the gaps",
    }


def test_missing_counters_leave_their_sentences_out(profile: Profile) -> None:
    rows = tuple(
        replace(row, l1_hit_pct=None, dram_bytes=None, memory_bytes_per_s=None)
        for row in profile.counters
    )
    found = said(replace(profile, counters=rows))
    assert "utilisation_findings: L1 hit rate" not in found
    assert not [title for title in found if title.startswith("roof_findings")]
    assert "conclusions: Memory hierarchy" not in found
    assert not [text for text in found.values() if "nan" in text]


def test_no_sentence_of_the_planted_decode_lacks_a_number(profile: Profile) -> None:
    found = said(profile)
    assert not [text for text in found.values() if " - " in text or "nan" in text]
    assert all(any(sign.isdigit() for sign in text) for text in found.values())
    assert {CAST, OWN} <= set(read(profile).top["kernel_name"])


def test_a_roof_that_is_passed_is_explained_by_the_cold_l2_alone(
    profile: Profile,
) -> None:
    above = scaled(profile, dram_bytes=2.0)
    title = "roof_findings: Above the rated roof"
    assert title not in said(profile)
    assert "ncu began with a cold L2" in said(above)[title]
    warm = tuple(replace(row, cache=Cache.WARM) for row in above.counters)
    assert "cold" not in said(replace(above, counters=warm))[title]


def test_copies_and_communication_are_named_from_their_thresholds_on(
    make_profile: Factory, make_counters: Factory
) -> None:
    nccl = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)"

    def found(nccl_us: float, copy_ns: int) -> list[str]:
        kernels = (
            Planted(name=GEMV, total_us=100 - nccl_us),
            Planted(name=nccl, total_us=nccl_us, counters=None),
        )
        profile = model_profile(make_profile, make_counters, kernels)
        (timeline,) = profile.timelines
        whole, time = timeline.ranges
        time = replace(time, copy_ns=copy_ns, busy_ns=100_000)
        timeline = replace(timeline, ranges=(whole, time))
        return titles(bottlenecks(read(replace(profile, timelines=(timeline,)))))

    assert {"Communication", "Copies and fills"} <= set(found(5, 5_000))
    assert not {"Communication", "Copies and fills"} & set(found(4, 4_000))


def test_kernels_of_no_family_do_not_decide(
    make_profile: Factory, make_counters: Factory
) -> None:
    kernels = (Planted(name=OWN, total_us=100.0, counters=None),)
    found = read(model_profile(make_profile, make_counters, kernels))
    assert not [title for title in titles(conclusions(found)) if "decides" in title]
    assert "Concentration" not in titles(time_findings(found))
