from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dsprof.analysis.npu.layers import npu_data
from dsprof.analysis.npu.link_bytes import Parallel
from dsprof.analysis.npu.section import Topic
from dsprof.analysis.report.documents import join_documents
from dsprof.analysis.report.npu import (
    ENERGY_FIGURE,
    LIMITS_FIGURE,
    npu_drawings,
    render_npu,
)
from dsprof.harness.ceiling import Pattern
from dsprof.harness.counters import counter_metrics
from dsprof.harness.profile import Profile
from dsprof.harness.records import Status, Timing
from dsprof.harness.store import load_profile
from tests.analysis.npu.planted import Kind, ceiling, counted_rows, planted_profile
from tests.analysis.planted import model_profile
from tests.conftest import Factory

H200 = Path(__file__).parents[3] / "profiles" / "h200-sxm"
ROOFS = (ceiling(Pattern.HBM_READ, 5e12, 750.0),)
RECORDED = ("2026-11-20-first", "2026-11-20-layer")
OWN = "my<script>alert(1)</script>|`x`"


@pytest.fixture
def planted(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    make_counters: Factory,
) -> Callable[..., Profile]:
    """A layer with counters and a roof."""

    def make(kind: Kind = Kind.MEMORY, **changes: Any) -> Profile:  # noqa: ANN401
        made = planted_profile(
            make_profile, make_measurement, make_timing, kind, ceilings=ROOFS
        )
        made = replace(made, counters=counted_rows(make_counters, made))
        return replace(made, **changes)

    return make


def page_of(profile: Profile, **options: Any) -> str:  # noqa: ANN401
    page = render_npu(profile, **options)
    assert page is not None
    return page


def parts_of(page: str) -> dict[str, str]:
    """The text of each section by its topic."""
    parts = page.split("\n## ")[2:]
    assert len(parts) == len(Topic)
    return dict(zip(Topic, parts, strict=True))


def changed(before: str, after: str) -> set[Topic]:
    first, second = parts_of(before), parts_of(after)
    return {topic for topic in Topic if first[topic] != second[topic]}


def bullets(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("- ")]


def assert_honest(page: str) -> None:
    """Nine sections, no number that is none, no bullet without a word."""
    parts_of(page)
    for word in ("nan", "None", "inf ", "- -", "built-in", " - ."):
        assert word not in page
    assert all(line.removeprefix("- ").strip() for line in bullets(page))


def test_the_nine_sections_stand_in_order(planted: Callable[..., Profile]) -> None:
    page = page_of(planted())
    for number, topic in enumerate(Topic, start=1):
        assert f"\n## {number}. {topic}\n" in page
    assert_honest(page)


def test_the_opening_table_repeats_each_recommendation(
    planted: Callable[..., Profile],
) -> None:
    page = page_of(planted())
    table = page.split("\n## ")[1]
    for topic, part in parts_of(page).items():
        shown = [line for line in table.splitlines() if line.startswith(f"| {topic} ")]
        assert len(shown) == part.count(" Sensitivity: ")


def test_a_layer_that_streams_and_one_that_computes_get_other_pages(
    planted: Callable[..., Profile],
) -> None:
    pages = [page_of(planted(kind)) for kind in Kind]
    limited = [next(line for line in bullets(page)) for page in pages]
    assert "limited by: HBM" in limited[0]
    assert "limited by: tensor" in limited[1]
    # The planted counters are alike, and the formulas those of the same model.
    assert changed(*pages) == set(Topic) - {Topic.PARALLELISM}


def scaled_power(profile: Profile, factor: float) -> Profile:
    def warmer(timing: Timing | None) -> Timing | None:
        return timing and replace(timing, power_w=factor * timing.power_w)

    rows = tuple(
        replace(row, warm=warmer(row.warm), cold=warmer(row.cold))
        for row in profile.measurements
    )
    return replace(profile, measurements=rows)


def test_other_powers_change_the_power_section_alone(
    planted: Callable[..., Profile],
) -> None:
    before, after = planted(), scaled_power(planted(), 1.25)
    assert changed(page_of(before), page_of(after)) == {Topic.POWER}


def test_other_hit_rates_change_the_caches_section_alone(
    planted: Callable[..., Profile], make_counters: Factory
) -> None:
    counters = counted_rows(make_counters, planted(), l1_hit_pct=77.0)
    after = planted(counters=counters)
    assert changed(page_of(planted()), page_of(after)) == {Topic.CACHES}


def test_other_grids_change_the_parallelism_section_alone(
    planted: Callable[..., Profile], make_counters: Factory
) -> None:
    counters = counted_rows(make_counters, planted(), achieved_occupancy_pct=11.0)
    after = planted(counters=counters)
    assert changed(page_of(planted()), page_of(after)) == {Topic.PARALLELISM}


def test_other_chips_change_the_interconnect_section_alone(
    planted: Callable[..., Profile],
) -> None:
    profile = planted()
    after = page_of(profile, parallel=Parallel(tp=4, ep=16))
    assert changed(page_of(profile), after) == {Topic.INTERCONNECT}


def test_a_profile_without_counters_gives_an_honest_page(
    planted: Callable[..., Profile],
) -> None:
    page = page_of(planted(counters=()))
    assert_honest(page)
    assert "no counters" in parts_of(page)[Topic.PARALLELISM]
    assert "Sensitivity" not in parts_of(page)[Topic.PARALLELISM]


def test_a_profile_of_one_kernel_gives_an_honest_page(
    make_profile: Factory,
) -> None:
    page = page_of(make_profile())
    assert_honest(page)
    assert "no step of a layer has a time in this profile" in page
    assert "0 of its timed calls" not in page


def test_ways_to_do_one_step_make_no_page(
    make_profile: Factory, make_measurement: Factory
) -> None:
    ways = tuple(
        make_measurement(kernel=kernel, op="routed experts") for kernel in "ab"
    )
    assert render_npu(make_profile(measurements=ways)) is None
    other = make_profile(measurements=(*ways, make_measurement(kernel="c")))
    (layer,) = npu_data(other).layers
    assert [call.row.point.kernel for call in layer.calls] == ["c"]


def test_a_profile_of_failures_alone_gives_an_honest_page(
    make_profile: Factory, make_measurement: Factory
) -> None:
    failed = tuple(
        make_measurement(batch_size=batch, status=Status.FAILED, reason="crashed")
        for batch in (1, 2, 3)
    )
    page = page_of(make_profile(measurements=failed))
    assert_honest(page)
    assert "none of 3 planned points has a time" in page
    assert "Sensitivity:" not in page
    assert len(bullets(page)) >= len(Topic)


def test_a_recorded_program_alone_gives_its_families(
    make_profile: Factory, make_counters: Factory
) -> None:
    page = page_of(model_profile(make_profile, make_counters))
    assert_honest(page)
    assert "kernel time by family: GEMV 50.0 %" in parts_of(page)[Topic.BALANCE]


def test_launches_without_a_counter_and_without_a_point_give_an_honest_page(
    make_profile: Factory, make_counters: Factory
) -> None:
    bare = make_counters(
        label="", cache=None, kernel_name=OWN, **dict.fromkeys(counter_metrics())
    )
    full = make_counters(label="", cache=None, kernel_name=OWN)
    assert_honest(page_of(make_profile(measurements=(), counters=(bare,))))
    page = page_of(make_profile(measurements=(), counters=(full,)))
    assert_honest(page)
    assert "L1 hits 25.0 % and L2 hits 50.0 %" in parts_of(page)[Topic.CACHES]


def test_a_profile_without_any_row_has_no_page(make_profile: Factory) -> None:
    assert render_npu(make_profile(measurements=())) is None


def test_a_kernel_named_in_html_stays_text(
    make_profile: Factory, make_measurement: Factory
) -> None:
    row = make_measurement(kernel=OWN, dtype="<b>bf16</b>")
    html = join_documents([page_of(make_profile(measurements=(row,)))], {}).body
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;bf16" in html


def test_the_figures_stand_in_their_sections(planted: Callable[..., Profile]) -> None:
    profile = planted()
    drawings = npu_drawings(npu_data(profile))
    links = [link for link, _ in drawings]
    assert links == [LIMITS_FIGURE, ENERGY_FIGURE]
    parts = parts_of(page_of(profile, figures=links))
    assert LIMITS_FIGURE.path in parts[Topic.BALANCE]
    assert ENERGY_FIGURE.path in parts[Topic.POWER]


def test_a_profile_without_times_has_no_figure(make_profile: Factory) -> None:
    assert not npu_drawings(npu_data(make_profile(measurements=())))


@cache
def recorded_page(name: str) -> str:
    return page_of(load_profile(H200 / name))


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_profiles_give_honest_pages(name: str) -> None:
    assert_honest(recorded_page(name))


def test_two_recorded_profiles_give_other_numbers() -> None:
    first, second = (
        {line.split(" Confidence")[0] for line in bullets(page) if "Sensitiv" in line}
        for page in map(recorded_page, RECORDED)
    )
    assert first
    assert not first & second
