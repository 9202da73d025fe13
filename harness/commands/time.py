"""dsprof time: measure kernels on this GPU and record a profile."""

import json
import shlex
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsprof.harness.commands.selection import (
    new_folder,
    selected_kernels,
    selection_options,
)
from dsprof.harness.device import device_spec
from dsprof.harness.errors import ExitCode, UsageError
from dsprof.harness.plain import to_plain
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Phase,
    Point,
    Status,
    Sweep,
)
from dsprof.harness.store import load_profile, refuse_existing
from dsprof.harness.sweep import (
    PREFILL_BATCH_SIZES,
    REPLAYS,
    TIMEOUT_S,
    make_sweep,
    plan,
)
from dsprof.kernels.registry import load_kernels
from dsprof.kernels.spec import Kernel

if TYPE_CHECKING:
    pass

SELECTION = (
    "kernels", "category", "ops", "phase", "batch_sizes", "seq_lens", "kv_lens",
    "l2", "timer", "replays", "provider",
)  # fmt: skip


@click.command(name="time")
@selection_options
@click.option(
    "--l2",
    type=click.Choice(["both", "warm"]),
    default="both",
    show_default=True,
    help="L2 states to time in.",
)
@click.option(
    "--timer",
    type=click.Choice(["graph", "do_bench_cudagraph"]),
    default="graph",
    show_default=True,
    help="Ours, or Triton's function for the warm times.",
)
@click.option(
    "--replays", type=click.IntRange(min=3), default=REPLAYS, show_default=True
)
@click.option(
    "--launches",
    is_flag=True,
    help="Also trace the launches of each call, after all timings.",
)
@click.option("--device", help="Roofs: a GPU's id, or a TOML file that describes one.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds that one point may take.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the profile.  [default: profiles/<date and time>]",
)
@click.option("--plan", "plan_only", is_flag=True, help="Print what it would do.")
@click.option("--resume", is_flag=True, help="Finish the run recorded in --output.")
@click.option("--json", "as_json", is_flag=True, help="Print plan or result as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 -- click's options
    """Time kernels on this GPU and record a profile.

    Every point is checked against a reference before it is timed, warm (CUDA-graph
    replays) and cold (L2 flushed before each call). A point that crashes or hangs
    ends only itself.

    \b
    dsprof time
    dsprof time --kernels rmsnorm,bmm_fp8 --phase decode -o runs/norms
    dsprof time --category gemm --batch-sizes 1,16 --plan
    dsprof time --resume -o runs/norms
    dsprof time --resume --launches -o runs/norms
    """
    if options["resume"]:
        sweep, kernels, output = _recorded(ctx, options)
        sweep = replace(sweep, launches=sweep.launches or options["launches"])
    else:
        kernels = selected_kernels(options)
        sweep, output = _sweep(kernels, options), options["output"] or new_folder()
    if options["plan_only"]:
        _print_plan(plan(sweep, kernels), kernels, as_json=options["as_json"])
        return
    if not options["resume"]:
        refuse_existing(output)
    from dsprof.harness.commands.watched_run import run_watched
    from dsprof.harness.run import RunRequest

    request = RunRequest(
        sweep=sweep,
        kernels=kernels,
        output=output,
        command=shlex.join(["dsprof", *sys.argv[1:]]),
        device=device_spec(options["device"]) if options["device"] else None,
        resume=options["resume"],
    )
    profile = run_watched(request, quiet=options["as_json"])
    print_result(profile, output, as_json=options["as_json"])
    if any(row.status.is_finding for row in profile.measurements):
        ctx.exit(ExitCode.FINDING)


def _recorded(
    ctx: click.Context, options: dict[str, Any]
) -> tuple[Sweep, list[Kernel], Path]:
    """Return the sweep that --output holds; its selection cannot be changed."""
    if options["output"] is None:
        raise UsageError("--resume needs --output, the folder of the run to finish.")
    for name in SELECTION:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"--resume finishes the recorded sweep. Leave {flag} out, or start a "
                "new profile."
            )
    sweep = load_profile(options["output"]).sweep
    return sweep, load_kernels(sweep.kernels), options["output"]


def _sweep(kernels: list[Kernel], options: dict[str, Any]) -> Sweep:
    return make_sweep(
        kernels,
        ops=options["ops"] or (),
        phases=options["phase"] or tuple(Phase),
        decode_batch_sizes=options["batch_sizes"],
        prefill_batch_sizes=options["batch_sizes"][:PREFILL_BATCH_SIZES],
        seq_lens=options["seq_lens"],
        kv_lens=options["kv_lens"],
        caches=(Cache.WARM,) if options["l2"] == "warm" else tuple(Cache),
        timer=options["timer"],
        replays=options["replays"],
        timeout_s=options["timeout_s"],
        provider=options["provider"],
        launches=options["launches"],
    )


def _print_plan(points: list[Point], kernels: list[Kernel], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([to_plain(point) for point in points], indent=1))
        return
    by_name = {kernel.name: kernel for kernel in kernels}
    refused = Counter(
        (point.kernel, point.op)
        for point in points
        if by_name[point.kernel].limit_reason(by_name[point.kernel].workload(point))
    )
    counts = Counter((point.kernel, point.op, point.phase) for point in points)
    for kernel, op in dict.fromkeys((point.kernel, point.op) for point in points):
        parts = [
            f"{counts[kernel, op, phase]} {phase}"
            for phase in Phase
            if counts[kernel, op, phase]
        ]
        if refused[kernel, op]:
            parts.append(f"{refused[kernel, op]} of them out of its limit")
        click.echo(f"{kernel} / {op}: {', '.join(parts)}")
    click.echo(f"{len(points)} points, {sum(refused.values())} out of limit.")


def print_result(profile: Profile, output: Path, *, as_json: bool) -> None:
    """Print how the run ended; why, where none of its points has a time."""
    statuses = Counter(row.status for row in profile.measurements)
    summary = profile.summary
    if as_json:
        result = {
            "output": str(output),
            "statuses": statuses,
            "summary": to_plain(summary),
        }
        click.echo(json.dumps(result, indent=1))
        return
    if not statuses[Status.OK]:
        rows = profile.measurements
        for reason in dict.fromkeys(f"{row.status}: {row.reason}" for row in rows):
            click.echo(reason)
    counted = ", ".join(f"{count} {status}" for status, count in statuses.items())
    click.echo(f"{len(profile.measurements)} points: {counted}.")
    if summary is not None:
        busy = (
            f"the GPU was busy {summary.gpu_busy_pct} % of it"
            if summary.gpu_busy_pct is not None
            else "GPU utilisation could not be read"
        )
        click.echo(f"{summary.points} points in {summary.wall_s} s wall; {busy}.")
    click.echo(f"Wrote {output}. Its report: dsprof report {shlex.quote(str(output))}")
