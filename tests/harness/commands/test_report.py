from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.analysis.report.folder import is_report
from dsprof.harness.cli import cli
from dsprof.harness.errors import ExitCode, ProfileError, UsageError
from dsprof.harness.store import ProfileWriter
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
