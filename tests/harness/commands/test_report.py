from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.analysis.report.folder import is_report
from dsprof.harness.cli import cli
from dsprof.harness.errors import ExitCode, ProfileError, UsageError
from dsprof.harness.records import Phase
from dsprof.harness.store import ProfileWriter, find_bundled_profile, load_profile
from tests.conftest import Factory


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


@pytest.fixture
def recorded(make_profile: Factory, tmp_path: Path) -> Path:
    """A profile on disk with one row."""
    profile = make_profile()
    path = tmp_path / "profile"
    writer = ProfileWriter.create(path, profile)
    for row in profile.measurements:
        writer.append(row, {})
    return path


def test_a_report_is_written_and_its_files_are_named(
    recorded: Path, tmp_path: Path
) -> None:
    output = tmp_path / "report"
    result = invoke(recorded, "--output", output)
    assert result.exit_code == 0
    assert is_report(output)
    assert f"  {output / 'index.html'}\n" in result.output


def test_an_existing_folder_needs_force(recorded: Path, tmp_path: Path) -> None:
    output = tmp_path / "report"
    invoke(recorded, "--output", output)
    (output / "summary.md").write_text("old")
    refused = invoke(recorded, "--output", output)
    assert isinstance(refused.exception, UsageError)
    assert refused.exception.exit_code == ExitCode.USAGE
    assert "--force" in str(refused.exception)
    assert (output / "summary.md").read_text() == "old"
    assert invoke(recorded, "--output", output, "--force").exit_code == 0
    assert (output / "summary.md").read_text() != "old"


def test_force_does_not_replace_a_folder_that_is_no_report(
    recorded: Path, tmp_path: Path
) -> None:
    result = invoke(recorded, "--output", tmp_path, "--force")
    assert isinstance(result.exception, UsageError)
    assert (recorded / "profile.json").exists()


def test_a_profile_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    result = invoke(tmp_path / "none", "--output", tmp_path / "report")
    assert isinstance(result.exception, ProfileError)
    assert not (tmp_path / "report").exists()


def test_the_help_shows_examples() -> None:
    assert "dsprof report --force" in invoke("--help").output


def test_the_links_are_those_of_the_chips_asked_for(tmp_path: Path) -> None:
    bundled = load_profile(find_bundled_profile())
    rows = [
        row
        for row in bundled.measurements
        if row.point.phase is Phase.DECODE and row.point.batch_size in {1, 32, 128}
    ]
    few = replace(bundled, measurements=(), counters=())
    writer = ProfileWriter.create(tmp_path / "few", few)
    for row in rows:
        writer.append(row, {})
    output = tmp_path / "report"
    asked = (tmp_path / "few", "-o", output, "--tp", "16", "--ep", "64")
    assert invoke(*asked).exit_code == 0
    assert "TP=16 EP=64" in (output / "npu.md").read_text()


def test_heads_that_cannot_be_divided_are_refused() -> None:
    result = invoke("--tp", "3")
    assert isinstance(result.exception, UsageError)
    assert "--tp 3: 128 heads cannot be divided so" in str(result.exception)
