import json
import subprocess
import sys

import pytest

from dsprof.harness.cli import COMMANDS, cli, main

HEAVY = ("torch", "pandas", "matplotlib", "triton", "sgl_kernel", "flashinfer")


def run_fresh(*arguments: str) -> dict[str, object]:
    """Run the command in a fresh interpreter; heavy modules and CPU seconds of it."""
    code = (
        "import json, resource, sys\n"
        "from dsprof.harness.cli import cli\n"
        "try:\n"
        "    cli.main(sys.argv[1:], prog_name='dsprof')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        f"heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "result = {'heavy': heavy, 'cpu_s': used.ru_utime + used.ru_stime}\n"
        "print(json.dumps(result), file=sys.stderr)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, object] = json.loads(process.stderr.splitlines()[-1])
    return result


@pytest.mark.parametrize(
    ("arguments", "limit_s"),
    [(("--help",), 0.3), (("list",), 0.5), (("time", "--help"), 0.5)],
)
def test_it_answers_at_once_and_imports_nothing_heavy(
    arguments: tuple[str, ...], limit_s: float
) -> None:
    results = [run_fresh(*arguments) for _ in range(3)]
    assert all(result["heavy"] == [] for result in results)
    assert min(float(str(result["cpu_s"])) for result in results) < limit_s


def test_every_command_has_a_module_with_examples_in_its_help() -> None:
    context = cli.make_context("dsprof", ["list"])
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert f"dsprof {name}" in (command.help or "")


def test_a_mistake_is_one_line_and_its_exit_code(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["time", "--kernels", "rmsnrm"])
    assert end.value.code == 2
    error = capfd.readouterr().err
    assert error.startswith("dsprof: No kernel 'rmsnrm'. Known: ")
    assert error.count("\n") == 1


def test_an_unknown_command_is_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["tiem"])
    assert end.value.code == 2
    assert "No such command 'tiem'" in capfd.readouterr().err
