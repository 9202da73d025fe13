"""dsprof moe: the routed experts of a layer under the roofs of a GPU."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from dsprof.harness.commands.options import sizes
from dsprof.harness.errors import UsageError
from dsprof.kernels import deepseek as ds

if TYPE_CHECKING:
    from dsprof.analysis.moe.geometry import Geometry
    from dsprof.analysis.moe.study import Study
    from dsprof.harness.profile import Profile

Command: TypeAlias = Callable[..., Any]

# Decode batches, a prompt and two long ones, as in the study that this repeats.
TOKENS = (1, 7, 14, 32, 55, 80, 901, 11948, 14107)
GPUS_A_SERVER = 8  # that share the experts where nothing else was asked for
PAGE = "moe.md"
ROUTING = ("experts", "local_experts", "top_k", "groups", "top_groups")
SIZES = (*ROUTING, "hidden", "intermediate")  # any of these: not the model's own
FORMAT = ("dtype", "block_size")


def _size(name: str, default: int | None, text: str) -> Callable[[Command], Command]:
    """An option for a whole number of at least 1."""
    return click.option(
        name,
        type=click.IntRange(min=1),
        default=default,
        show_default=default is not None,
        help=text,
    )


@click.command(name="moe")
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@click.option(
    "--gpu",
    metavar="NAME|FILE.toml",
    help="A known GPU or a file of one, by its rated roofs alone.",
)
@_size("--experts", ds.E, "Experts that the router chooses from.")
@_size("--local-experts", None, "Of these on the GPU.  [default: all]")
@_size("--top-k", ds.K, "Experts a token.")
@_size("--groups", ds.EXPERT_GROUPS, "Equal groups of experts.")
@_size("--top-groups", None, "Groups a token.  [default: half]")
@_size("--hidden", ds.H, "Columns of a token.")
@_size("--intermediate", ds.I, "Columns between both GEMMs.")
@click.option(
    "--dtype",
    type=click.Choice(["fp8", "bf16", "fp4"]),
    default="fp8",
    show_default=True,
    help="Format of weights and of the GEMMs' inputs.",
)
@_size("--block-size", None, "Values that share a scale.  [default: fp8 128, fp4 16]")
@click.option(
    "--tokens",
    type=sizes,
    default=",".join(map(str, TOKENS)),
    show_default=True,
    help="Numbers of tokens, with commas between.",
)
@click.option(
    "--routing",
    type=click.Choice(["expected", "forced-local"]),
    default="expected",
    show_default=True,
    help="Experts as a router chooses them, or all of a token's on this GPU.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Also write {PAGE} and its charts there.",
)
@click.option("--force", is_flag=True, help="Replace existing files of that folder.")
@click.pass_context
def command(
    context: click.Context,
    /,
    profile: Path | None,
    as_json: bool,  # noqa: FBT001 -- click passes flags so
    output: Path | None,
    force: bool,  # noqa: FBT001
    **options: Any,  # noqa: ANN401 -- click's options
) -> None:
    """Least time of a layer's routed experts against tokens, and what was measured.

    Without PROFILE, of the H200 profile that comes with dsprof; with --gpu, of a GPU
    by its rated roofs alone. Without a size, the experts are DeepSeek-V3's: an eighth
    of them on the GPU, and then all.

    \b
    dsprof moe
    dsprof moe --gpu b200 --local-experts 32 --routing forced-local
    dsprof moe --gpu b200 --dtype fp4 --tokens 1,128,16384 --json
    dsprof moe --experts 64 --local-experts 16 --top-k 6 --groups 1 --hidden 2048
    dsprof moe runs/mine -o runs/mine-moe
    """
    from dsprof.harness.commands.moe_answer import (
        moe_files,
        plain_moe,
        print_moe,
    )

    if profile is not None and options["gpu"] is not None:
        raise UsageError(
            "PROFILE and --gpu exclude each other: a profile has its own GPU. Give one."
        )
    geometries = _geometries(options, asked=_asked(context))
    studies = _studies(profile, geometries, options)
    if output is not None:
        from dsprof.analysis.report.moe import figure_link
        from dsprof.harness.commands.written_folder import refuse_existing

        names = [PAGE, *(figure_link(study).path for study in studies)]
        refuse_existing([output / name for name in names], force=force)
    if as_json:
        click.echo(json.dumps([plain_moe(study) for study in studies], indent=1))
    else:
        for study in studies:
            print_moe(study)
    if output is not None:
        from dsprof.harness.commands.written_folder import write_folder

        contents = moe_files(studies, page=PAGE, command=_line(context, profile))
        for path in write_folder(output, contents):
            click.echo(f"Wrote {path}", err=True)


def _asked(context: click.Context) -> set[str]:
    """Options that were given."""
    return {
        name
        for name in context.params
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }


def _geometries(options: Mapping[str, Any], *, asked: set[str]) -> "list[Geometry]":
    """The geometry of the options; two of the model where none of it was asked for."""
    from dsprof.analysis.moe.geometry import Geometry, NumberFormat

    number_format = NumberFormat(options["dtype"])
    groups, block = options["groups"], options["block_size"]
    local = options["local_experts"]
    whole = Geometry(
        experts=options["experts"],
        local_experts=options["experts"] if local is None else local,
        top_k=options["top_k"],
        groups=groups,
        top_groups=options["top_groups"] or -(-groups // 2),
        hidden=options["hidden"],
        intermediate=options["intermediate"],
        number_format=number_format,
        block_size=number_format.block_size if block is None else block,
    )
    if asked & set(SIZES):
        return [whole]
    return _part_and_whole(whole)


def _part_and_whole(whole: "Geometry") -> "list[Geometry]":
    """One GPU's experts of a server's, and all of them."""
    return [replace(whole, local_experts=whole.experts // GPUS_A_SERVER), whole]


def _studies(
    profile: Path | None, geometries: "Sequence[Geometry]", options: Mapping[str, Any]
) -> "list[Study]":
    from dsprof.analysis.moe.experts_read import WHOLE_STEP
    from dsprof.analysis.moe.routing import Routing
    from dsprof.analysis.moe.study import analytic_study, recorded_study
    from dsprof.harness.device import device_spec
    from dsprof.harness.store import find_bundled_profile, load_profile

    routing, tokens = Routing(options["routing"]), options["tokens"]
    if options["gpu"] is not None:
        device = device_spec(options["gpu"])
        return [
            analytic_study(device, geometry, routing, tokens) for geometry in geometries
        ]
    loaded = load_profile(profile or find_bundled_profile(WHOLE_STEP))
    return [
        recorded_study(loaded, geometry, routing, tokens) for geometry in geometries
    ]


def reported_studies(profile: "Profile") -> "list[Study]":
    """The model's experts in a report: none where the profile has no time of them."""
    from dsprof.analysis.moe.geometry import Geometry, NumberFormat
    from dsprof.analysis.moe.routing import Routing
    from dsprof.analysis.moe.study import recorded_study

    number_format = NumberFormat.FP8
    whole = Geometry(
        experts=ds.E,
        local_experts=ds.E,
        top_k=ds.K,
        groups=ds.EXPERT_GROUPS,
        top_groups=-(-ds.EXPERT_GROUPS // 2),
        hidden=ds.H,
        intermediate=ds.I,
        number_format=number_format,
        block_size=number_format.block_size,
    )
    studies = [
        recorded_study(profile, geometry, Routing.EXPECTED, TOKENS)
        for geometry in _part_and_whole(whole)
    ]
    return studies if any(study.recorded.curves for study in studies) else []


def _line(context: click.Context, profile: Path | None) -> str:
    """The command that makes the page again, where the page lies."""
    words = ["dsprof", "moe"]
    if profile is not None:
        words.append(profile.as_posix())
    asked = _asked(context)
    for name in ("gpu", *SIZES, *FORMAT, "tokens", "routing"):
        if name in asked:
            value = context.params[name]
            text = ",".join(map(str, value)) if name == "tokens" else str(value)
            words += [f"--{name.replace('_', '-')}", text]
    return shlex.join([*words, "--output", ".", "--force"])
