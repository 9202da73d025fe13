"""dsprof ncu: capture hardware counters of kernels and join them to their times."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsprof.harness.commands.selection import (
    SIZE_OPTIONS,
    new_folder,
    selected_kernels,
    selection_options_with_own_sizes,
)
from dsprof.harness.commands.timed_points import (
    nothing_to_capture,
    runnable_here,
    timed_profile,
)
from dsprof.harness.device import Datapath
from dsprof.harness.errors import EnvironmentLacksError, ExitCode, UsageError
from dsprof.harness.records import Cache, Phase, Point, Status, Sweep
from dsprof.harness.sweep import (
    BATCH_SIZES,
    CAPTURED_KV_LEN,
    KV_LENS,
    PREFILL_BATCH_SIZES,
    SEQ_LENS,
    make_sweep,
    plan,
    plan_captured,
)
from dsprof.kernels.spec import Kernel

if TYPE_CHECKING:
    from dsprof.harness.capture import CaptureRequest
    from dsprof.harness.captures import Capture
    from dsprof.harness.environment import Gpu
    from dsprof.harness.profile import Profile

TIMEOUT_S = 120.0
PIPED_WIDTH = 180  # columns of a table that no terminal bounds
# What --dry-run assumes where there is no GPU to ask: the H200's.
ASSUMED_COMPUTE_CAPABILITY = (9, 0)
CACHES = {
    "cold": (Cache.COLD,),
    "warm": (Cache.WARM,),
    "both": (Cache.COLD, Cache.WARM),
}


@click.command(name="ncu")
@click.option("--all", "every", is_flag=True, help="Every kernel.")
@selection_options_with_own_sizes
@click.option(
    "--cache",
    type=click.Choice(list(CACHES)),
    default="cold",
    show_default=True,
    help="L2 before each replay: flushed by ncu, as it is, or one capture of each.",
)
@click.option("--stalls", is_flag=True, help="Also why warps wait (6 passes more).")
@click.option("--full", is_flag=True, help="Every section of ncu (about 40 passes).")
@click.option(
    "--sections",
    is_flag=True,
    help="SpeedOfLight, roofline, memory and occupancy sections, for ncu-ui.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds that one point may take under ncu.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A profile to add counters to, or a new one.  [default: "
    "profiles/<date and time>]",
)
@click.option("--dry-run", is_flag=True, help="Print the ncu command; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 -- click's options
    """Capture hardware counters with Nsight Compute and join them to the times.

    Points that the profile has no time of are checked and timed first. Without sizes:
    decode B=1 and B=128 (KV length 4096), prefill B=1 S=1024 and B=8 S=2048. Reports
    for ncu-ui stay in the profile's folder ncu/.

    \b
    dsprof ncu --kernel cutlass_mla_decode
    dsprof ncu --kernels rmsnorm,bmm_fp8 --cache both -o runs/norms
    dsprof ncu --category gemm --phase decode --batch-sizes 1,64 --stalls
    dsprof ncu --all --dry-run
    """
    if not (options["every"] or options["kernels"] or options["category"]):
        raise UsageError(
            "Say which kernels: --kernel NAME, --category NAME or --all. "
            "See: dsprof list."
        )
    kernels = selected_kernels(options)
    sweep = _sweep(kernels, options)
    points = _points(sweep, kernels, options)
    if options["dry_run"]:
        _print_commands(points, kernels, options)
        return
    from dsprof.harness.ncu import find_ncu
    from dsprof.harness.run import RunRequest

    gpu = _require_gpu()
    ncu = find_ncu()
    runnable = runnable_here(kernels, gpu, quiet=options["as_json"])
    points = [point for point in points if point.kernel in runnable]
    output = options["output"] or new_folder()
    request = RunRequest(
        sweep=sweep,
        kernels=list(runnable.values()),
        output=output,
        command=_command_line(),
        points=points,
    )
    profile = timed_profile(request, gpu)
    wanted = [
        row.point
        for row in profile.measurements
        if row.status is Status.OK and row.point in set(points)
    ]
    if not wanted:
        raise EnvironmentLacksError(nothing_to_capture(profile, points))
    profile = _capture(profile, wanted, kernels, output, options, ncu)
    captures = profile.captures[-len(CACHES[options["cache"]]) :]
    _print_result(profile, wanted, captures, output, as_json=options["as_json"])
    if any(record.gaps for record in captures):
        ctx.exit(ExitCode.FINDING)


def _sweep(kernels: list[Kernel], options: dict[str, Any]) -> Sweep:
    """What a new profile records as asked for."""
    batch_sizes = options["batch_sizes"] or BATCH_SIZES
    return make_sweep(
        kernels,
        ops=options["ops"] or (),
        phases=options["phase"] or tuple(Phase),
        decode_batch_sizes=batch_sizes,
        prefill_batch_sizes=batch_sizes[:PREFILL_BATCH_SIZES],
        seq_lens=options["seq_lens"] or SEQ_LENS,
        kv_lens=options["kv_lens"] or KV_LENS,
        provider=options["provider"],
    )


def _points(
    sweep: Sweep, kernels: list[Kernel], options: dict[str, Any]
) -> list[Point]:
    """The cross product of the sizes given, or the few that are captured by default.

    One size option alone makes the others those of the default capture's decode, so
    that a capture stays as small as it was asked for.
    """
    if all(options[name] is None for name in SIZE_OPTIONS):
        return plan_captured(sweep, kernels)
    if options["kv_lens"] is None:
        sweep = replace(sweep, kv_lens=(CAPTURED_KV_LEN,))
    return plan(sweep, kernels)


def _requests(
    points: Sequence[Point],
    metrics: Sequence[str],
    options: dict[str, Any],
    *,
    folder: Path,
    ncu: str = "ncu",
) -> "list[CaptureRequest]":
    """One capture a cache state."""
    from dsprof.harness.capture import CaptureRequest
    from dsprof.harness.ncu import NcuOptions

    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    return [
        CaptureRequest(
            points=points,
            metrics=metrics,
            options=NcuOptions(
                cache=cache, full=options["full"], sections=options["sections"]
            ),
            folder=folder,
            name=f"{stamp}-{cache}",
            timeout_s=options["timeout_s"],
            ncu=ncu,
        )
        for cache in CACHES[options["cache"]]
    ]


def _metrics(
    points: Sequence[Point],
    kernels: Sequence[Kernel],
    compute_capability: tuple[int, int],
    *,
    stalls: bool,
) -> tuple[str, ...]:
    """What to ask for: tensor FLOP only of the datapaths that these points use."""
    from dsprof.harness.counters import metrics_to_ask, stall_metrics

    by_name = {kernel.name: kernel for kernel in kernels}
    datapaths: set[Datapath] = set()
    for point in points:
        kernel = by_name[point.kernel]
        datapaths |= kernel.cost(kernel.workload(point)).flops.keys()
    metrics = metrics_to_ask(datapaths, compute_capability)
    return (*metrics, *(stall_metrics(compute_capability) if stalls else ()))


def _print_commands(
    points: list[Point], kernels: list[Kernel], options: dict[str, Any]
) -> None:
    from dsprof.harness.availability import find_gpu

    gpu = find_gpu()
    here = gpu.compute_capability if gpu else ASSUMED_COMPUTE_CAPABILITY
    metrics = _metrics(points, kernels, here, stalls=options["stalls"])
    folder = (options["output"] or new_folder()) / "ncu"
    requests = _requests(points, metrics, options, folder=folder)
    click.echo(f"# {len(points)} points, one call each in its own NVTX range")
    for request in requests:
        click.echo(f"LC_ALL=C {shlex.join(request.command(1))}")


def _require_gpu() -> "Gpu":
    from dsprof.harness.environment import import_nvml, read_gpu

    return read_gpu(import_nvml())


def _capture(  # noqa: PLR0913, PLR0917 -- the command's own parts
    profile: "Profile",
    points: list[Point],
    kernels: list[Kernel],
    output: Path,
    options: dict[str, Any],
    ncu: str,
) -> "Profile":
    """Capture each cache state and write what came of it at once."""
    from dsprof.harness.commands.watched_capture import capture_watched
    from dsprof.harness.store import ProfileWriter, load_profile

    writer = ProfileWriter.resume(
        output, replace(profile, commands=_with_command(profile))
    )
    metrics = _metrics(
        points, kernels, profile.device.compute_capability, stalls=options["stalls"]
    )
    folder = output / "ncu"
    requests = _requests(points, metrics, options, folder=folder, ncu=ncu)
    for request in requests:
        capture_watched(request, writer)
    return load_profile(output)


def _print_result(
    profile: "Profile",
    points: list[Point],
    captures: "Sequence[Capture]",
    output: Path,
    *,
    as_json: bool,
) -> None:
    from dsprof.analysis.report.capture_table import capture_json, capture_table

    labels = {point.label for point in points}
    if as_json:
        click.echo(json.dumps(capture_json(profile, labels), indent=1))
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    if any(record.points for record in captures):
        console.print(capture_table(profile, labels, console.width))
    for record in captures:
        for gap in record.gaps:
            click.echo(f"{gap.label}: {gap.status}: {gap.reason}")
        click.echo(
            f"{record.cache}: {record.points} points, {record.launches} launches in "
            f"{record.wall_s} s, at most {record.max_passes} passes a kernel."
        )
    click.echo(f"Wrote {output}. Its report: dsprof report {shlex.quote(str(output))}")


def _command_line() -> str:
    return shlex.join(["dsprof", *sys.argv[1:]])


def _with_command(profile: "Profile") -> tuple[str, ...]:
    """The profile's commands and this one, unless timing has added it already."""
    line = _command_line()
    if profile.commands[-1:] == (line,):
        return profile.commands
    return (*profile.commands, line)
