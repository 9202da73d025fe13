import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.analysis.names import name_kernel
from dsprof.harness.cli import cli
from dsprof.harness.errors import UsageError
from dsprof.harness.store import ProfileWriter
from tests.analysis.counted import counted_profile, gemm, point_of
from tests.conftest import Factory


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["roofline", *map(str, arguments)])


@pytest.fixture
def recorded(
    make_profile: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A profile on disk with one row, and a folder of its own to write into."""
    profile = make_profile()
    path = tmp_path / "profile"
    writer = ProfileWriter.create(path, profile)
    for row in profile.measurements:
        writer.append(row, {})
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return path


@pytest.fixture
def counted(
    make_profile: Factory,
    make_measurement: Factory,
    make_counters: Factory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A profile with counters on disk."""
    profile = counted_profile(
        make_profile,
        point_of(make_measurement, make_counters),
        gemm(make_measurement, make_counters),
    )
    path = tmp_path / "counted"
    writer = ProfileWriter.create(path, replace(profile, counters=()))
    for row in profile.measurements:
        writer.append(row, {})
    writer.add_counters(profile.counters)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return path


def test_it_draws_a_figure_and_a_report_that_links_to_it(recorded: Path) -> None:
    result = invoke(recorded)
    assert result.exit_code == 0
    assert result.output == "Wrote roofline.png\nWrote roofline.md\n"
    assert Path("roofline.png").read_bytes().startswith(b"\x89PNG")
    assert "![Roofline](roofline.png)" in Path("roofline.md").read_text()


def test_by_phase_gives_a_figure_each(recorded: Path) -> None:
    result = invoke(
        recorded, "--by-phase", "--output", "my figures/h200.png", "--report", "a/r.md"
    )
    assert result.exit_code == 0
    assert {path.name for path in Path("my figures").iterdir()} == {
        "h200-decode.png",
        "h200-prefill.png",
    }
    text = Path("a/r.md").read_text()
    assert "![Roofline, decode](../my%20figures/h200-decode.png)" in text


def test_a_profile_with_counters_is_drawn_in_every_view(counted: Path) -> None:
    pictures = {}
    for options in (
        *((), ("--hierarchy",), ("--normalized",), ("--kernel", "rmsnorm")),
        ("--kernel", "rmsnorm", "--hierarchy"),
    ):
        result = invoke(counted, *options, "--force")
        assert result.exit_code == 0, result.output
        pictures[options] = Path("roofline.png").read_bytes()
    assert len(set(pictures.values())) == len(pictures)
    assert invoke(counted, "--hierarchy", "--by-phase", "--force").exit_code == 0
    assert Path("roofline-decode.png").read_bytes() not in pictures.values()


def test_the_page_of_one_kernel_is_about_that_kernel(counted: Path) -> None:
    assert invoke(counted, "--kernel", "linear").exit_code == 0
    text = Path("roofline.md").read_text()
    assert "`linear`" in text
    assert "`rmsnorm`" not in text


def test_views_but_the_hierarchy_need_no_counters(recorded: Path) -> None:
    assert invoke(recorded, "--normalized", "--force").exit_code == 0
    assert "![Normalized roofline](" in Path("roofline.md").read_text()
    assert invoke(recorded, "--kernel", "rmsnorm", "--force").exit_code == 0
    error = invoke(recorded, "--hierarchy", "--force").exception
    assert isinstance(error, UsageError)
    assert f"dsprof ncu --all --cache both -o {recorded}" in str(error)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--kernel", "gem"), "No kernel 'gem' in .*It has: rmsnorm"),
        (("--hierarchy", "--normalized"), "exclude each other"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(
    recorded: Path, options: tuple[str, ...], message: str
) -> None:
    error = invoke(recorded, *options).exception
    assert isinstance(error, UsageError)
    assert re.search(message, str(error))
    assert list(Path().iterdir()) == []


def test_imported_launches_are_drawn_under_their_friendly_names(
    make_profile: Factory,
    make_counters: Factory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launches = (make_counters(label="", cache=None),)
    writer = ProfileWriter.create(tmp_path / "theirs", make_profile(measurements=()))
    writer.add_counters(launches)
    monkeypatch.chdir(tmp_path)
    friendly = name_kernel(launches[0].kernel_name).friendly
    assert invoke("theirs", "--kernel", friendly, "--hierarchy").exit_code == 0
    text = Path("roofline.md").read_text()
    assert text.startswith("# Counters: Toy GPU")
    assert "![Hierarchical roofline](roofline.png)" in text


@pytest.mark.parametrize("source", [("--analytic",), ("--input", "x.csv")])
def test_views_of_a_profile_are_refused_without_one(source: tuple[str, ...]) -> None:
    error = invoke(*source, "--kernel", "rmsnorm").exception
    assert isinstance(error, UsageError)
    assert "draw a profile" in str(error)


@pytest.mark.parametrize("name", ["roofline.png", "roofline.md"])
def test_an_existing_file_is_named_and_kept_without_force(
    recorded: Path, name: str
) -> None:
    Path(name).write_text("mine")
    result = invoke(recorded)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"{name} exists. Overwrite it with --force."
    assert [path.name for path in Path().iterdir()] == [name]
    assert invoke(recorded, "--force").exit_code == 0
    assert Path(name).read_bytes() != b"mine"


def test_two_files_cannot_have_one_name(recorded: Path) -> None:
    result = invoke(recorded, "--output", "x", "--report", "x")
    assert isinstance(result.exception, UsageError)


def test_a_folder_in_the_way_is_named(recorded: Path) -> None:
    Path("taken").write_text("mine")
    result = invoke(recorded, "--output", "taken/roofline.png")
    assert isinstance(result.exception, UsageError)
    assert "Cannot write taken/roofline.png" in str(result.exception)
