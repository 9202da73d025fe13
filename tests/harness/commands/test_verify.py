import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dsprof.harness.cli import cli
from dsprof.harness.store import find_bundled_profile


def test_a_right_kernel_passes_and_the_table_has_a_row_a_check() -> None:
    result = CliRunner().invoke(cli, ["verify", "--kernels", "topk_softmax"])
    assert result.exit_code == 0
    assert "topk_softmax" in result.output
    assert "checks of 1 kernels: " in result.output
    assert " 0 failed" in result.output


def test_json_has_one_object_a_check() -> None:
    profile = str(find_bundled_profile())
    arguments = ["verify", "--kernels", "rmsnorm", "--profile", profile, "--json"]
    result = CliRunner().invoke(cli, arguments)
    rows = {row["check"]: row for row in json.loads(result.output)}
    assert rows["signature"]["outcome"] == "passed"
    assert "sglang-kernel 0.4.4" in rows["signature"]["detail"]
    assert rows["profile"] == {
        "kernel": "rmsnorm",
        "check": "profile",
        "outcome": "passed",
        "detail": "84 points",
    }


def test_the_written_table_verifies_and_a_changed_one_does_not(tmp_path: Path) -> None:
    table = tmp_path / "ops.md"
    select = ["--kernels", "rmsnorm"]
    made = CliRunner().invoke(cli, ["ops", *select, "-o", str(table)])
    assert made.output == f"Wrote {table}.\n"
    verify = ["verify", *select, "--ops", str(table)]
    assert CliRunner().invoke(cli, verify).exit_code == 0
    text = table.read_text("utf-8")
    table.write_text(text.replace("(2112, 1)", "(1536, 1)", 1), "utf-8")
    changed = CliRunner().invoke(cli, [*verify, "--json"])
    assert changed.exit_code == 1
    [failed] = [r for r in json.loads(changed.output) if r["outcome"] == "failed"]
    assert failed["check"] == "shapes"
    assert "input has strides (2112, 1), not (1536, 1)" in failed["detail"]


def test_a_listed_kernel_without_a_file_fails(tmp_path: Path) -> None:
    table = tmp_path / "ops.md"
    table.write_text("|Kernel|Source|\n|--|--|\n|`mla_decode`|flashinfer|\n", "utf-8")
    arguments = ["verify", "--kernels", "topk_softmax", "--ops", str(table)]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 1
    assert json.loads(result.output)[-1]["kernel"] == "mla_decode"


def test_an_unknown_kernel_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli, ["verify", "--kernels", "rmsnrom"])
    assert "No kernel 'rmsnrom'" in str(result.exception)


def test_without_torch_it_says_so_and_exits_with_3(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dsprof.harness.commands.verify.has_torch", lambda: False)
    result = CliRunner().invoke(cli, ["verify", "--kernels", "rmsnorm"])
    assert result.exit_code == 3
    assert "torch is not installed" in result.output
    assert "Made without it: iteration." in result.output
