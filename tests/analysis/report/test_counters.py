"""counters.md: tables and sentences of what ncu counted."""

from pathlib import Path

import pytest

from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.report.counters import render_counters
from dsprof.analysis.report.documents import join_documents
from dsprof.analysis.shown_rows import shown_rows
from dsprof.harness.captures import Capture, Gap, ImportedFile
from dsprof.harness.counters import counter_metrics
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Status
from tests.analysis.counted import counted_profile, gemm, point_of
from tests.conftest import Factory


def render(profile: Profile) -> str:
    return render_counters(profile, shown_rows(merged_frame(profile)))


def part(markdown: str, heading: str) -> str:
    """The text from a heading to the next."""
    _, _, rest = markdown.partition(f"{heading}\n")
    return rest.partition("\n#")[0]


def row(markdown: str, start: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.fixture
def profile(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> Profile:
    capture = Capture(
        cache=Cache.COLD,
        command="ncu --metrics a,b -o out python",
        ncu_version="2025.3.1.0",
        started="2026-11-21T10:00:00Z",
        wall_s=42.0,
        points=2,
        launches=2,
        max_passes=12,
        gaps=(
            Gap(label="mla/x/decode/B=1,S=1", status=Status.UNSUPPORTED, reason="old"),
            Gap(label="mla/x/decode/B=2,S=1", status=Status.UNSUPPORTED, reason="old"),
        ),
    )
    return counted_profile(
        make_profile,
        point_of(make_measurement, make_counters, batch_size=4),
        gemm(make_measurement, make_counters),
        captures=(capture,),
    )


def test_captures_and_gaps_say_what_was_asked_for_and_what_is_missing(
    profile: Profile,
) -> None:
    text = part(render(profile), "## Captures")
    assert row(text, "| cold")[1:] == [
        *("2026-11-21T10:00:00Z", "2025.3.1.0", "2", "2", "12", "42.0", "2"),
    ]
    assert "ncu --metrics a,b -o out python" in text
    assert row(text, "| `mla`") == ["`mla`", "unsupported", "old", "2"]


def test_classes_are_counted_in_each_cache_state(profile: Profile) -> None:
    text = part(render(profile), "## Kernel classification")
    assert row(text, "| compute-bound") == ["compute-bound", "1", "50.0", "1", "50.0"]
    assert row(text, "| unknown") == ["unknown", "0", "0", "0", "0"]


def test_each_op_has_its_class_and_limiter_at_each_size(profile: Profile) -> None:
    text = part(render(profile), "### Class and limiter by size")
    assert "| Kernel | Op | decode B=4 | prefill B=1 S=1024 |" in text
    assert row(text, "| `linear`")[2:] == ["-", "compute-bound (tensor)"]
    assert row(text, "| `rmsnorm`")[2:] == ["memory-bound (dram)", "-"]


def test_means_are_of_classes_and_of_all(profile: Profile) -> None:
    text = part(render(profile), "### Cold L2")
    assert "| Mean of | Compute-bound | Memory-bound | Overall |" in text
    assert row(text, "| SM throughput")[1:] == ["80.0", "10.0", "45.0"]
    assert row(text, "| Duration under ncu (us)")[1:] == ["30.0", "10.0", "20.0"]
    assert row(text, "| Rows")[1:] == ["1", "1", "2"]


def test_every_metric_name_is_the_one_that_is_captured(profile: Profile) -> None:
    text = part(render(profile), "### What the counters mean")
    for name in ("sm_pct", "memory_pct", "memory_bytes_per_s", "l1_hit_pct"):
        (metric, *_) = counter_metrics()[name].names(9)
        assert f"`{metric}`" in text
    assert "ncu has no metric `mem__throughput`" in text


def test_the_longest_come_first(profile: Profile) -> None:
    text = part(render(profile), "## Longest under ncu")
    kernels = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert ["`linear`" in kernels[0], "`rmsnorm`" in kernels[1]] == [True, True]


def test_traffic_is_held_against_the_formula_cold_beside_warm(
    profile: Profile,
) -> None:
    text = part(render(profile), "## Traffic and FLOP against the formulas")
    found = row(text, "| `linear`")
    assert found[2:8] == [
        *("prefill B=1 S=1024", "11.0 MB", "11.0 MB", "1.00", "1.00", "1.00"),
    ]


def test_every_point_has_its_class_margin_and_flags(profile: Profile) -> None:
    text = part(render(profile), "### decode B=4")
    heads = row(text, "| Kernel")
    assert heads[:3] == ["Kernel", "Op", "L2"]
    lines = [line for line in text.splitlines() if "rmsnorm" in line]
    assert [line.split(" | ")[2] for line in lines] == ["cold", "warm"]
    assert row(text, "| `rmsnorm`")[heads.index("Class")] == "memory-bound"


def test_stalls_have_a_column_only_where_they_were_captured(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    def launches(stalls: dict[str, float]) -> str:
        point = point_of(make_measurement, make_counters, counters={"stalls": stalls})
        return part(
            render(counted_profile(make_profile, point)), "## Launches and occupancy"
        )

    assert "Longest wait" not in launches({})
    text = launches({"long_scoreboard": 6.0, "wait": 1.0, "selected": 1.0})
    assert row(text, "| `rmsnorm`")[-1] == "long_scoreboard 75.0 %"


def test_names_are_listed_by_time_with_library_and_full_name(profile: Profile) -> None:
    text = part(render(profile), "## Kernel names")
    assert row(text, "| 1 ")[1:4] == ["75.0", "GEMM (BF16, 128x64x64)", "cuBLAS"]
    assert "`void RMSNormKernel<8, __nv_bfloat16>(T2 *, T2 *, T2 *, int)`" in text


def test_imported_launches_have_a_page_without_columns_of_nothing(
    make_profile: Factory, make_counters: Factory
) -> None:
    launches = (
        make_counters(label="", cache=None, missing={"l1_hit_pct": "no data"}),
        make_counters(label="", cache=None, dram_bytes=None, missing={}),
    )
    file = ImportedFile(
        name="theirs.ncu-rep", sha256="0123456789abcdef", format="ncu-rep", launches=2
    )
    text = render(make_profile(measurements=(), counters=launches, imported=(file,)))
    assert row(text, "| `theirs.ncu-rep`")[2:4] == ["2", "`0123456789ab`"]
    assert row(text, "| `l1_hit_pct`")[1:] == ["no data", "1 of 2"]
    assert "### Launches outside a point" in text
    assert "Graph time" not in part(text, "## Longest under ncu")
    assert "No row has an analytic cost" in text
    assert "Class and limiter by size" not in text


def test_a_page_of_one_launch_without_a_counter_still_renders(
    make_profile: Factory, make_counters: Factory
) -> None:
    bare = make_counters(
        label="",
        cache=None,
        kernel_name="a|b `c` <script>",
        **dict.fromkeys(counter_metrics()),
    )
    text = render(make_profile(measurements=(), counters=(bare,)))
    assert row(text, "| unknown")[1:] == ["1", "100"]
    page = join_documents([text], {}).body
    assert "<script" not in page
    assert "a|b" in page


def test_the_template_knows_no_number_of_its_own() -> None:
    source = Path(__file__).parents[3] / "analysis" / "report" / "counters.md.j2"
    words = source.read_text(encoding="utf-8")
    assert "thresholds.ratio" in words
    assert "1.10" not in words
