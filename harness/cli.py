"""The dsprof command: a group whose commands are imported when they are called."""

import importlib
import sys
from typing import Any

import click

from dsprof.harness.errors import DsprofError

# Name -> the line that `dsprof --help` shows; the module of that name holds the rest.
COMMANDS = {
    "list": "Kernels, their ops, and what runs here.",
    "doctor": "What this machine has and lacks for profiling.",
    "verify": "Check every kernel file: call, shapes, cost, reference.",
    "ops": "Write the table of kernels and of their arguments.",
    "new": "Write a kernel file and its test, to be filled in.",
    "time": "Time kernels on this GPU and record a profile.",
    "ncu": "Capture hardware counters of kernels and join them to their times.",
    "nsys": "Record a whole program: which kernels take its time, and their counters.",
    "ceilings": "Measure this GPU's roofs: bandwidth and FLOP/s, burst and sustained.",
    "model": "Run a whole model with random weights: DeepSeek-V3, DeepSeek-OCR-2.",
    "import": "Make a profile of other people's ncu, nsys or torch.profiler files.",
    "roofline": "Draw and tabulate the roofline of a profile, a CSV file or a GPU.",
    "moe": "Least and measured time of the routed experts against tokens.",
    "layer": "Add up a layer and the whole model from a profile.",
    "whatif": "Project a layer and the model onto another machine.",
    "report": "Write the whole report of a profile.",
}
# Commands whose name cannot be a module's.
MODULES = {"import": "import_profile"}


class LazyGroup(click.Group):
    """Imports a command's module when the command is called, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        name = MODULES.get(cmd_name, cmd_name)
        module = importlib.import_module(f"dsprof.harness.commands.{name}")
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 a finding, 2 usage, 3 nothing can run here, "
    "4 inconclusive.",
)
@click.version_option(package_name="dsprof")
def cli() -> None:
    """Profile the GPU kernels of DeepSeek-R1/V3 inference.

    \b
    dsprof report                the bundled H200 profile, no GPU needed
    dsprof time                  time every kernel on this GPU
    dsprof report profiles/...   the report of what was recorded
    """


def main(arguments: list[str] | None = None) -> Any:  # noqa: ANN401 -- exits
    """Run the command line; a DsprofError ends as one line and its exit code."""
    try:
        cli.main(arguments, prog_name="dsprof")
    except DsprofError as error:
        click.echo(f"dsprof: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
