"""dsprof whatif: a layer and the model on a machine that they were not measured on."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from dsprof.harness.commands.options import layer_options
from dsprof.harness.errors import UsageError
from dsprof.harness.records import Cache, LayerPath, Phase

if TYPE_CHECKING:
    from dsprof.analysis.whatif.passes import Pass
    from dsprof.analysis.whatif.target import Target
    from dsprof.harness.commands.whatif_sweep import AskedSweep
    from dsprof.harness.profile import Profile

Files: TypeAlias = Callable[[], dict[str, bytes]]  # by name in the output folder

DEFAULT_POINTS = 1_000_000
WHATIF_FILES = ("whatif.md", "whatif.json")
SWEEP_FILES = ("design-space.md", "design-space.json", "figures/design-space.png")


def print_example(
    context: click.Context,
    parameter: click.Parameter,  # noqa: ARG001 -- click passes it
    value: bool,  # noqa: FBT001
) -> None:
    """Print the example of a target file and end, whatever else was asked for."""
    if value:
        from dsprof.analysis.whatif.target_file import EXAMPLE_TOML

        click.echo(EXAMPLE_TOML.read_text(encoding="utf-8"), nl=False)
        context.exit()


@click.command(name="whatif")
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@click.option(
    "--target",
    "-t",
    metavar="NAME|FILE.toml",
    help="A known GPU, or a file that describes a machine.  [default: all known GPUs]",
)
@layer_options
@click.option(
    "--cache",
    type=click.Choice([str(cache) for cache in Cache]),
    default=str(Cache.COLD),
    show_default=True,
    help="State of the L2 when a call starts.",
)
@click.option(
    "--sweep",
    metavar="RANGES",
    help="Search machines, e.g. bandwidth=1TB:16TB,fp8=250T:4000T,sram=32MB:512MB.",
)
@click.option(
    "--within",
    metavar="TIME",
    help="With --sweep: find the cheapest design whose layer is so quick, e.g. 500us.",
)
@click.option(
    "--points",
    type=click.IntRange(min=1),
    default=DEFAULT_POINTS,
    show_default=True,
    help="With --sweep: at most so many designs.",
)
@click.option(
    "--costs",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.toml",
    help="With --sweep: your own coefficients of area and energy.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write it there, as Markdown and as JSON.",
)
@click.option("--force", is_flag=True, help="Replace existing files of that folder.")
@click.option(
    "--print-example",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_example,
    help="Print a target file to start from.",
)
def command(
    profile: Path | None,
    as_json: bool,  # noqa: FBT001 -- click passes flags so
    output: Path | None,
    force: bool,  # noqa: FBT001
    **options: Any,  # noqa: ANN401 -- click's options
) -> None:
    """Project a layer and the model of PROFILE onto another machine.

    Without PROFILE, of the H200 profile that comes with dsprof. Each call's time is
    split into tensor, vector, HBM, on-chip and fixed parts by a fit of its kernel's
    own sweep, and each part is scaled by the two machines' resources. The error of
    the fits on token counts that were left out of them is printed with every time.

    \b
    dsprof whatif
    dsprof whatif --target b200 --batch-size 32
    dsprof whatif --print-example > npu.toml
    dsprof whatif --target npu.toml --phase prefill --seq-len 2048 --json
    dsprof whatif --sweep bandwidth=1TB:16TB,fp8=250T:4000T --within 200us
    """
    from dsprof.analysis.whatif.target import source_target
    from dsprof.harness.commands.whatif_sweep import asked_sweep
    from dsprof.harness.store import find_bundled_profile, load_profile

    _check(options)
    is_sweep = options["sweep"] is not None
    if output is not None:
        from dsprof.harness.commands.written_folder import refuse_existing

        names = SWEEP_FILES if is_sweep else WHATIF_FILES
        refuse_existing([output / name for name in names], force=force)
    loaded = load_profile(find_bundled_profile() if profile is None else profile)
    # What was asked for is read first: the fits take seconds.
    if is_sweep:
        asked = asked_sweep(options)
        files = _search(loaded, _pass(loaded, options), asked, as_json=as_json)
    else:
        targets = _targets(options["target"], source_target(loaded))
        files = _project(_pass(loaded, options), targets, as_json=as_json)
    if output is not None:
        _write(output, files())


def _check(options: Mapping[str, Any]) -> None:
    """A UsageError for options that do not go together."""
    if options["sweep"] is None:
        if options["within"] is not None or options["costs"] is not None:
            raise UsageError("--within and --costs go with --sweep. Add it.")
    elif options["target"] is not None:
        raise UsageError("--target and --sweep exclude each other. Give one.")


def _targets(target: str | None, source: "Target") -> "Sequence[Target]":
    """The machine that was asked for, or every known GPU but the source."""
    from dsprof.analysis.report.whatif import other_gpus
    from dsprof.analysis.whatif.target_file import find_target

    return other_gpus(source) if target is None else [find_target(target, source)]


def _pass(profile: "Profile", options: Mapping[str, Any]) -> "Pass":
    """The pass that was asked for; a UsageError without a time."""
    from dsprof.analysis.layer import path_of
    from dsprof.analysis.whatif.fit import fit_kernels
    from dsprof.analysis.whatif.passes import pass_terms
    from dsprof.harness.commands.recorded_size import recorded_kv_len, recorded_size

    size = recorded_size(
        profile, Phase(options["phase"]), options["batch_size"], options["seq_len"]
    )
    taken = pass_terms(
        profile,
        fit_kernels(profile, Cache(options["cache"])),
        size,
        path=LayerPath(options["path"]) if options["path"] else path_of(profile),
        kv_len=recorded_kv_len(profile, size, options["kv_len"]),
    )
    if not taken.layer.calls:
        raise UsageError(
            f"No call of {taken.title} has a time in this profile. Choose another "
            "--cache, --path or size."
        )
    return taken


def _project(taken: "Pass", targets: "Sequence[Target]", *, as_json: bool) -> Files:
    """Print the pass on the targets; return how to write it."""
    from dsprof.harness.commands.whatif_answer import (
        Answer,
        answer_files,
        plain_answer,
        print_answer,
    )

    answer = Answer(taken=taken, on=tuple(taken.on(machine) for machine in targets))
    if as_json:
        click.echo(json.dumps(plain_answer(answer), indent=1))
    else:
        print_answer(answer)
    return partial(answer_files, answer)


def _search(
    profile: "Profile", taken: "Pass", asked: "AskedSweep", *, as_json: bool
) -> Files:
    """Print the design space of the pass's layer; return how to write it."""
    from dsprof.harness.commands.whatif_sweep import (
        plain_sweep,
        print_sweep,
        sweep_answer,
        sweep_files,
    )

    answer = sweep_answer(profile, taken, asked)
    if as_json:
        click.echo(json.dumps(plain_sweep(answer), indent=1))
    else:
        print_sweep(answer)
    return partial(sweep_files, answer)


def _write(output: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files, and name them beside what is for other programs to read."""
    from dsprof.harness.commands.written_folder import write_folder

    for path in write_folder(output, contents):
        click.echo(f"Wrote {path}", err=True)
