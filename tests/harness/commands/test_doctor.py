"""dsprof doctor on this machine, whatever it has."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from dsprof.harness.commands.doctor import command
from dsprof.harness.readiness import can_time, checks


@pytest.fixture
def exit_code() -> int:
    return 0 if can_time(checks()) else 3


def test_the_table_is_printed_whatever_the_exit_code(exit_code: int) -> None:
    result = CliRunner().invoke(command, [])
    assert result.exit_code == exit_code
    for check in checks():
        assert check.name in result.output
    verdict = "dsprof time can run here." if exit_code == 0 else "cannot run here"
    assert verdict in result.output


def test_json_has_one_object_a_check_and_the_same_exit_code(exit_code: int) -> None:
    result = CliRunner().invoke(command, ["--json"])
    assert result.exit_code == exit_code
    rows = json.loads(result.output)
    assert [row["name"] for row in rows] == [check.name for check in checks()]
    assert all(row.keys() == {"name", "state", "found", "fix"} for row in rows)
    assert {row["state"] for row in rows} <= {"ok", "warning", "missing"}


def test_with_every_gpu_hidden_it_says_so_and_exits_with_3(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 3
    assert "missing: GPU" in result.output


def test_the_help_shows_an_example() -> None:
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "dsprof doctor --json" in result.output


def test_it_imports_no_torch() -> None:
    script = (
        "import sys; from click.testing import CliRunner;"
        "from dsprof.harness.commands.doctor import command;"
        "CliRunner().invoke(command, []);"
        "print(*{'torch', 'pandas', 'matplotlib', 'triton'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []
