"""moe.md of a profile with ways to run experts, and of a GPU that ran nothing."""

import re

import pytest

from dsprof.analysis.moe.geometry import NumberFormat
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import Study, analytic_study, recorded_study
from dsprof.analysis.report.moe import figure_link, render_moe
from dsprof.analysis.report.moe_measured_tables import actual_table, stage_table
from dsprof.analysis.report.moe_tables import accounts_table, minimum_table
from dsprof.harness.device import device_spec
from dsprof.harness.profile import Profile
from tests.analysis.moe.made import DEEPSEEK, make_geometry, moe_profile
from tests.conftest import Factory

SECTIONS = [
    "MoE geometry",
    "Per-token arithmetic",
    "Bandwidth to compute crossover",
    "Theoretical minimum time",
    "Two accounts of the routing",
    "Actual performance against the theoretical bound",
    "Analysis by regime",
    "Roofline chart",
    "Implications for optimization",
]


@pytest.fixture
def profile(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    return moe_profile(make_profile, make_measurement, make_timing)


@pytest.fixture
def study(profile: Profile) -> Study:
    return recorded_study(profile, DEEPSEEK, Routing.EXPECTED, (1, 100))


@pytest.fixture(scope="module")
def forced() -> Study:
    return analytic_study(
        device_spec("b200"),
        make_geometry(local_experts=32),
        Routing.FORCED_LOCAL,
        (1, 901, 14107),
    )


def test_every_geometry_has_every_section(profile: Profile) -> None:
    studies = [
        recorded_study(
            profile, make_geometry(local_experts=local), Routing.EXPECTED, (1,)
        )
        for local in (32, 256)
    ]
    page = render_moe(studies, "dsprof moe")
    assert re.findall(r"^### (.*)$", page, re.MULTILINE) == SECTIONS * 2
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == [
        "Hardware specs",
        "32 of 256 experts",
        "All 256 experts",
        "Regenerating",
    ]
    assert "all 256 experts were on the GPU there, and 32 are here" in page
    assert "figures/moe-32-of-256.png" in page
    assert "figures/moe-256-of-256.png" in page
    assert "analytic only" not in page.splitlines()[0]


def test_the_page_of_a_gpu_alone_says_that_nothing_was_measured(forced: Study) -> None:
    page = render_moe([forced], "dsprof moe --gpu b200")
    assert page.startswith("# Routed experts: NVIDIA HGX B200, analytic only\n")
    assert "No time on this page was measured" in page
    assert figure_link(forced).title.endswith("NVIDIA HGX B200, analytic")
    for words in ("704.6 MFLOP", "278.0 KB", "1.410 GB", "T \\~ 1,446 tokens"):
        assert words in page


def test_the_least_times_have_a_column_for_the_measured_roof(
    study: Study, forced: Study
) -> None:
    measured, rated = minimum_table(study), minimum_table(forced)
    assert measured.headings[-2:] == (
        "Bound, burst roof",
        ">Theory min, burst roof (us)",
    )
    assert rated.headings[-1] == ">Theory min (us)"
    for table in (measured, rated):
        assert all(len(row) == len(table.headings) for row in table.rows)
    assert [row[-1] for row in rated.rows] == ["176", "208", "2,209"]


def test_the_accounts_stand_side_by_side(forced: Study) -> None:
    table = accounts_table(forced)
    assert table.rows[0][7:] == ("5.51", "176", "32.0")


def test_measured_sizes_have_times_shares_and_the_experts_that_were_read(
    study: Study,
) -> None:
    table = actual_table(study)
    assert all(len(row) == len(table.headings) for row in table.rows)
    first = dict(zip(table.headings, table.rows[0], strict=True))
    assert (first[">T"], first[">Experts read"]) == ("1", "8")
    assert first[">whole_moe (us)"] == "141"
    assert first[">whole_moe (% of burst)"] == "62.5"


def test_the_calls_of_a_way_are_all_of_its_time(study: Study) -> None:
    table = stage_table(study)
    for way in ("whole_moe", "group_gemm"):
        rows = [row for row in table.rows if getattr(row[0], "text", "") == way]
        for column in (2, 3, 4):
            shares = [float(str(row[column])) for row in rows]
            assert sum(shares) == pytest.approx(100, abs=0.2)


def test_an_asked_t_without_a_point_is_named(study: Study) -> None:
    page = render_moe([study], "x")
    assert "Of the T of the table above, not measured: 100." in page


@pytest.mark.parametrize(
    "changes",
    [
        {"number_format": NumberFormat.BF16, "block_size": 1},
        {"local_experts": 1},
        {"experts": 8, "local_experts": 8, "groups": 1, "top_groups": 1},
        {"hidden": 128, "intermediate": 128},
    ],
)
def test_any_geometry_makes_a_page(profile: Profile, changes: dict[str, int]) -> None:
    geometry = make_geometry(**changes)
    study = recorded_study(profile, geometry, Routing.EXPECTED, (1, 10**6))
    page = render_moe([study], "x")
    assert "nan" not in page
    assert "None" not in page
