import gc
from pathlib import Path

import pytest

from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import analytic_study
from dsprof.analysis.report.folder import create_report, is_report, write_report
from dsprof.harness.captures import ImportedFile
from dsprof.harness.device import DeviceSpec
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Status,
)
from tests.analysis.counted import counted_profile, gemm, point_of
from tests.analysis.moe.made import make_geometry
from tests.conftest import Factory


@pytest.fixture
def profile(make_profile: Factory) -> Profile:
    made: Profile = make_profile()
    return made


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }


def without_library(page: str) -> str:
    """The page without the plotting library, which has addresses of its own."""
    before, _, rest = page.partition("<script>/**")
    return before + rest.partition("</script>")[2]


def test_a_report_of_times_has_five_documents_their_figures_and_a_page(
    profile: Profile, tmp_path: Path
) -> None:
    written = write_report(profile, tmp_path)
    assert files(tmp_path) == {
        *("summary.md", "roofline.md", "whatif.md", "npu.md", "corrections.md"),
        *("index.html", "figures/npu-limits.png"),
        *("figures/roofline.png", "figures/time.png", "figures/share.png"),
    }
    assert set(written) == {tmp_path / name for name in files(tmp_path)}
    assert is_report(tmp_path)


def test_studies_of_the_routed_experts_have_a_page_and_a_chart_each(
    profile: Profile, toy_gpu: DeviceSpec, tmp_path: Path
) -> None:
    studies = [
        analytic_study(
            toy_gpu, make_geometry(local_experts=local), Routing.EXPECTED, (1, 64)
        )
        for local in (32, 256)
    ]
    write_report(profile, tmp_path, moe=studies)
    charts = {"figures/moe-32-of-256.png", "figures/moe-256-of-256.png"}
    assert files(tmp_path) >= {"moe.md", *charts}
    assert all(chart in (tmp_path / "moe.md").read_text() for chart in charts)
    assert is_report(tmp_path)


def test_a_report_of_many_kernels_also_has_panels_by_category(
    make_profile: Factory, make_measurement: Factory, tmp_path: Path
) -> None:
    rows = tuple(make_measurement(kernel=f"kernel_{i}") for i in range(17))
    write_report(make_profile(measurements=rows), tmp_path)
    assert "figures/roofline-by-category.png" in files(tmp_path)
    assert "figures/roofline-by-category.png" in (tmp_path / "roofline.md").read_text()
    assert is_report(tmp_path)


def test_a_profile_with_counters_has_their_page_and_six_more_figures(
    make_profile: Factory,
    make_measurement: Factory,
    make_counters: Factory,
    tmp_path: Path,
) -> None:
    profile = counted_profile(
        make_profile,
        point_of(make_measurement, make_counters),
        gemm(make_measurement, make_counters),
    )
    write_report(profile, tmp_path)
    counted = {
        *("counters.md", "figures/roofline-measured.png"),
        *("figures/roofline-hierarchy.png", "figures/roofline-normalized.png"),
        *("figures/histograms-throughput.png", "figures/histograms-caches.png"),
        "figures/histograms-occupancy.png",
    }
    assert counted <= files(tmp_path)
    text = (tmp_path / "counters.md").read_text("utf-8")
    assert all(f"]({name})" in text for name in counted - {"counters.md"})
    page = (tmp_path / "index.html").read_text("utf-8")
    assert 'id="kernel-classification"' in page
    figures = {name for name in files(tmp_path) if name.startswith("figures/")}
    assert without_library(page).count("data:image/webp") == len(figures)
    assert is_report(tmp_path)


def test_imported_launches_have_no_page_or_figure_of_times(
    make_profile: Factory, make_counters: Factory, tmp_path: Path
) -> None:
    file = ImportedFile(name="a.ncu-rep", sha256="0", format="ncu-rep", launches=1)
    launches = (make_counters(label="", cache=None, fp32_flops=None),)
    profile = make_profile(measurements=(), imported=(file,), counters=launches)
    write_report(profile, tmp_path)
    assert files(tmp_path) == {
        *("summary.md", "counters.md", "npu.md", "corrections.md", "index.html"),
        *(f"figures/histograms-{n}.png" for n in ("throughput", "caches", "occupancy")),
    }
    text = (tmp_path / "counters.md").read_text("utf-8")
    assert "No row has counted FLOP and bytes, so no roofline is drawn." in text
    summary = (tmp_path / "summary.md").read_text("utf-8")
    assert summary.startswith("# Imported kernel profile: Toy GPU")
    assert "`a.ncu-rep` (ncu-rep)" in summary
    assert "## Findings" not in summary
    assert is_report(tmp_path)


def test_a_report_without_counters_says_in_one_line_how_to_add_them(
    profile: Profile, tmp_path: Path
) -> None:
    write_report(profile, tmp_path)
    lines = (tmp_path / "summary.md").read_text("utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("- **Counters:**")]
    assert "analytic only: no counters were captured" in line
    assert "`dsprof ncu --all --cache both -o PROFILE` adds them" in line


def test_the_garbage_collector_is_left_as_it_was(
    profile: Profile, tmp_path: Path
) -> None:
    write_report(profile, tmp_path)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_the_page_holds_its_figures_and_loads_nothing(
    make_profile: Factory, make_measurement: Factory, tmp_path: Path
) -> None:
    rows = (make_measurement(kernel="<script>alert(1)</script>", reason="a|b"),)
    write_report(make_profile(measurements=rows), tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    own = without_library(page)
    assert own.count('src="data:image/webp;base64,') == own.count("src=") > 0
    assert "<script>alert" not in page
    assert "http://" not in own
    assert "https://" not in own


@pytest.mark.parametrize("timed", [False, True])
def test_a_profile_without_times_still_makes_a_report(
    make_profile: Factory, make_measurement: Factory, tmp_path: Path, *, timed: bool
) -> None:
    rows = (make_measurement(status=Status.FAILED),) if timed else ()
    write_report(make_profile(measurements=rows), tmp_path)
    assert is_report(tmp_path)


def test_a_new_folder_is_made_with_its_parents_and_nothing_beside_it(
    profile: Profile, tmp_path: Path
) -> None:
    output = tmp_path / "deep" / "report"
    create_report(profile, output, replace=False)
    assert is_report(output)
    assert list(output.parent.iterdir()) == [output]


def test_an_existing_folder_is_not_replaced_unless_asked(
    profile: Profile, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Replace it with --force"):
        create_report(profile, tmp_path, replace=False)


def test_an_old_report_is_replaced_whole_if_asked(
    profile: Profile, tmp_path: Path
) -> None:
    output = tmp_path / "report"
    create_report(profile, output, replace=False)
    (output / "summary.md").write_text("old")
    (output / "figures" / "time.png").unlink()
    create_report(profile, output, replace=True)
    assert (output / "summary.md").read_text() != "old"
    assert "figures/time.png" in files(output)
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("made_before", [False, True])
def test_a_folder_with_anything_else_in_it_is_never_replaced(
    profile: Profile, tmp_path: Path, *, made_before: bool
) -> None:
    output = tmp_path / "thesis"
    if made_before:
        create_report(profile, output, replace=False)
    output.mkdir(exist_ok=True)
    (output / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds more than a dsprof report"):
        create_report(profile, output, replace=True)
    assert (output / "notes.txt").read_text() == "mine"


def test_a_page_that_dsprof_did_not_make_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<html>mine</html>")
    assert not is_report(tmp_path)


def test_a_report_of_before_the_page_was_interactive_may_be_replaced(
    profile: Profile, tmp_path: Path
) -> None:
    output = tmp_path / "report"
    create_report(profile, output, replace=False)
    (output / "index.html").rename(output / "report.html")
    assert is_report(output)
    create_report(profile, output, replace=True)
    assert "report.html" not in files(output)


def test_an_empty_folder_may_be_replaced(profile: Profile, tmp_path: Path) -> None:
    output = tmp_path / "empty"
    output.mkdir()
    create_report(profile, output, replace=True)
    assert is_report(output)


def test_a_file_in_the_way_is_named_and_kept(profile: Profile, tmp_path: Path) -> None:
    output = tmp_path / "report"
    output.write_text("mine")
    with pytest.raises(UsageError, match="is not a folder"):
        create_report(profile, output, replace=True)
    with pytest.raises(UsageError, match="Cannot write"):
        create_report(profile, output / "below", replace=False)
    assert output.read_text() == "mine"
