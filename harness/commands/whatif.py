"""dsprof whatif: a layer and the model on a machine that they were not measured on."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsprof.harness.errors import UsageError
from dsprof.harness.records import Cache, LayerPath, Phase

if TYPE_CHECKING:
    from dsprof.analysis.whatif.target import Target

DEFAULT_SEQ_LEN = 1024


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
@click.option(
    "--phase",
    type=click.Choice([str(phase) for phase in Phase]),
    default=str(Phase.DECODE),
    show_default=True,
)
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--seq-len",
    type=click.IntRange(min=1),
    default=DEFAULT_SEQ_LEN,
    show_default=True,
    help="Prompt length; prefill only.",
)
@click.option(
    "--kv-len",
    type=click.IntRange(min=1),
    help="Context length; decode only.  [default: the profile's first]",
)
@click.option(
    "--path",
    type=click.Choice([str(path) for path in LayerPath]),
    help="Which account of the layer.  [default: as-served, if any of it has a time]",
)
@click.option(
    "--cache",
    type=click.Choice([str(cache) for cache in Cache]),
    default=str(Cache.COLD),
    show_default=True,
    help="State of the L2 when a call starts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write whatif.md and whatif.json there.",
)
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
    target: str | None,
    as_json: bool,  # noqa: FBT001 -- click passes flags so
    output: Path | None,
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
    """
    from dsprof.analysis.layer import path_of
    from dsprof.analysis.whatif.fit import fit_kernels
    from dsprof.analysis.whatif.passes import pass_terms
    from dsprof.analysis.whatif.target import source_target
    from dsprof.harness.commands.recorded_size import recorded_kv_len, recorded_size
    from dsprof.harness.commands.whatif_answer import (
        Answer,
        plain_answer,
        print_answer,
        write_answer,
    )
    from dsprof.harness.store import find_bundled_profile, load_profile

    loaded = load_profile(find_bundled_profile() if profile is None else profile)
    targets = _targets(target, source_target(loaded))
    size = recorded_size(
        loaded, Phase(options["phase"]), options["batch_size"], options["seq_len"]
    )
    kv_len = recorded_kv_len(loaded, size, options["kv_len"])
    path = LayerPath(options["path"]) if options["path"] else path_of(loaded)
    fits = fit_kernels(loaded, Cache(options["cache"]))
    taken = pass_terms(loaded, fits, size, path=path, kv_len=kv_len)
    if not taken.layer.calls:
        raise UsageError(
            f"No call of {taken.title} has a time in this profile. Choose another "
            "--cache, --path or size."
        )
    answer = Answer(taken=taken, on=tuple(taken.on(machine) for machine in targets))
    if output is not None:
        write_answer(output, answer)
    if as_json:
        click.echo(json.dumps(plain_answer(answer), indent=1))
    else:
        print_answer(answer)


def _targets(target: str | None, source: "Target") -> list["Target"]:
    """The machine that was asked for, or every known GPU other than the source."""
    from dsprof.analysis.whatif.target import target_of_device
    from dsprof.analysis.whatif.target_file import find_target
    from dsprof.harness.device import known_devices

    if target is not None:
        return [find_target(target, source)]
    known = (target_of_device(spec, source) for spec in known_devices().values())
    return [machine for machine in known if machine.name != source.name]
