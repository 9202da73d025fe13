"""The parts of moe.md about whole pipelines."""

from dataclasses import replace

import pytest

from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import Study, recorded_study
from dsprof.analysis.report.markdown import Code, Table
from dsprof.analysis.report.moe import render_moe
from dsprof.analysis.report.moe_figures import moe_drawings
from dsprof.analysis.report.moe_pipeline_tables import (
    breakdown_tables,
    efficiency_table,
    gemm_table,
    pipeline_table,
    untimed_table,
)
from dsprof.harness.profile import Profile
from dsprof.harness.records import Status
from tests.analysis.moe.made import DEEPSEEK, LIBRARY, OURS, pipeline_profile
from tests.conftest import Factory


@pytest.fixture
def profile(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    make_launch: Factory,
) -> Profile:
    return pipeline_profile(make_profile, make_measurement, make_timing, make_launch)


def study_of(profile: Profile) -> Study:
    return recorded_study(profile, DEEPSEEK, Routing.EXPECTED, (1,))


def rows(table: Table) -> list[dict[str, str]]:
    """Cells by heading; every row has all of them."""
    return [
        {
            heading.removeprefix(">"): cell.text if isinstance(cell, Code) else cell
            for heading, cell in zip(table.headings, row, strict=True)
        }
        for row in table.rows
    ]


def test_pipelines_stand_beside_the_least_times_and_each_other(
    profile: Profile,
) -> None:
    first, _, last = rows(pipeline_table(study_of(profile)))
    assert (first["T"], first["Experts read"], first["Bound"]) == ("1", "8", "memory")
    assert (first["Min, burst (us)"], first["library_moe (us)"]) == ("88.1", "150")
    assert first["our_moe, times as fast as library_moe"] == "1.50"
    assert (last["our_moe (us)"], last["Bound"]) == ("7,000", "compute")


def test_each_point_has_its_rate_shares_clock_and_error(profile: Profile) -> None:
    found = rows(efficiency_table(study_of(profile)))
    assert [(one["T"], one["Pipeline"]) for one in found[:2]] == [
        ("1", "library_moe"),
        ("1", "our_moe"),
    ]
    # 352.4 MB in 150 us; 5.7724e12 FLOP in 6,500 us.
    assert found[0]["Reached"] == "2.35 TB/s"
    assert found[0]["Throttled by"] == "nothing"
    large = found[4]
    assert large["Reached"] == "888 TFLOP/s"
    assert (large["% of burst roof"], large["% of sustained roof"]) == ("88.8", "98.7")
    assert (large["SM clock (MHz)"], large["Throttled by"]) == ("1,500", "sw_power_cap")
    assert large["Error, of its limit"] == "0.0020 of 0.010"


def test_a_breakdown_has_stages_gaps_and_both_sums(profile: Profile) -> None:
    tables = breakdown_tables(study_of(profile))
    assert list(tables) == ["library_moe", "our_moe"]
    shares = {one["Stage"]: one["% at T=1"] for one in rows(tables["library_moe"])}
    assert list(shares)[:5] == [
        "gate",
        "GEMM gate_up",
        "activation",
        "GEMM down",
        "gaps",
    ]
    percent = [float(share) for share in list(shares.values())[:5]]
    assert sum(percent) == pytest.approx(100, abs=0.05)
    assert (shares["Launches"], shares["The call, traced (us)"]) == ("4", "140")
    assert shares["The graph's median (us)"] == "150"


def test_breakdowns_are_shown_at_asked_sizes_that_every_pipeline_has(
    profile: Profile, make_launch: Factory
) -> None:
    more = tuple(
        make_launch(label=f"{kernel}/routed_experts/{size}", function_name="fused_moe")
        for kernel, size in (
            (LIBRARY, "decode/B=128,S=1"),
            (OURS, "decode/B=128,S=1"),
            (OURS, "prefill/B=8192,S=1"),
        )
    )
    traced = replace(profile, launches=(*profile.launches, *more))

    def shown(tokens: tuple[int, ...], of: Profile) -> list[list[str]]:
        study = recorded_study(of, DEEPSEEK, Routing.EXPECTED, tokens)
        return [
            [name for name in table.headings if name.startswith(">%")]
            for table in breakdown_tables(study).values()
        ]

    assert shown((1, 128, 8192), traced) == [[">% at T=1", ">% at T=128"]] * 2
    assert shown((128,), traced) == [[">% at T=128"]] * 2
    assert shown((7,), traced) == [[">% at T=1", ">% at T=128"]] * 2
    ours_alone = replace(traced, launches=more[2:])
    assert shown((1,), ours_alone) == [[">% at T=8,192"]]


def test_both_gemms_have_their_rates(profile: Profile) -> None:
    library, ours = rows(gemm_table(study_of(profile)))
    assert library["GEMM gate_up (us)"] == "80.0"
    # 2/3 of 352.4 MB in the 59 us past the gate's end.
    assert ours["GEMM gate_up (TB/s of weights)"] == "3.98"


def test_a_point_without_a_time_is_named_with_its_reason(profile: Profile) -> None:
    broken = replace(
        profile,
        measurements=tuple(
            replace(
                row, status=Status.INCORRECT, reason="off by 1", warm=None, cold=None
            )
            if row.point.kernel == OURS and row.point.tokens == 128
            else row
            for row in profile.measurements
        ),
    )
    study = study_of(broken)
    (row,) = rows(untimed_table(study))
    assert row == {
        "Pipeline": "our_moe",
        "T": "128",
        "Outcome": "incorrect",
        "Reason": "off by 1",
    }
    page = render_moe([study], "x")
    assert "Planned points of whole pipelines without a time" in page
    found = rows(pipeline_table(study))
    assert found[1]["our_moe (us)"] == "-"
    assert found[1]["our_moe, times as fast as library_moe"] == "-"


def test_the_page_keeps_pipelines_and_sums_apart(profile: Profile) -> None:
    page = render_moe([study_of(profile)], "x")
    whole = page.index("timed whole as one CUDA graph")
    sums = page.index("the sum of its calls' medians, cold L2")
    assert whole < sums < page.index("### Analysis by regime")
    assert "Percent of one call of `our_moe` by stage" in page
    assert "figures/moe-256-of-256-stages.png" in page


def test_a_page_without_launches_has_no_stages(profile: Profile) -> None:
    study = study_of(replace(profile, launches=()))
    page = render_moe([study], "x")
    assert "by stage" not in page
    assert "stages.png" not in page
    assert list(moe_drawings(study)) == ["figures/moe-256-of-256.png"]
    assert list(moe_drawings(study_of(profile))) == [
        "figures/moe-256-of-256.png",
        "figures/moe-256-of-256-stages.png",
    ]


def test_without_measured_roofs_shares_are_of_the_rated_one(profile: Profile) -> None:
    table = efficiency_table(study_of(replace(profile, ceilings=())))
    assert ">% of spec roof" in table.headings
