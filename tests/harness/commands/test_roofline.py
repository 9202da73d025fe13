from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.harness.cli import cli
from dsprof.harness.errors import UsageError
from dsprof.harness.store import ProfileWriter
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
