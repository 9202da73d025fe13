"""What comes before a capture: kernels that run here, and a time of every point."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from dsprof.harness.errors import EnvironmentLacksError
from dsprof.harness.records import Point
from dsprof.kernels.spec import Kernel

if TYPE_CHECKING:
    from dsprof.harness.environment import Gpu
    from dsprof.harness.profile import Profile
    from dsprof.harness.run import RunRequest


def runnable_here(
    kernels: list[Kernel], gpu: "Gpu", *, quiet: bool
) -> dict[str, Kernel]:
    """Kernels that this GPU can run; the others are named with their counterparts."""
    runnable: dict[str, Kernel] = {}
    refused: list[str] = []
    for kernel in kernels:
        reason = kernel.capability_reason(gpu.compute_capability)
        if reason is None:
            runnable[kernel.name] = kernel
        else:
            refused.append(f"{reason}{_offer(kernel, gpu)}")
    if not runnable:
        raise EnvironmentLacksError(" ".join(refused))
    if not quiet:
        for line in refused:
            click.echo(line, err=True)
    return runnable


def _offer(kernel: Kernel, gpu: "Gpu") -> str:
    """The command with the kernel's counterparts, those that are installed first."""
    from dsprof.harness.availability import likely_provider
    from dsprof.kernels.registry import load_kernels

    others = [
        other
        for other in load_kernels()
        if kernel.name in other.stands_in_for
        and other.capability_reason(gpu.compute_capability) is None
    ]
    installed = [other for other in others if likely_provider(other)]
    names = ",".join(other.name for other in installed or others)
    return f" Its counterpart here: dsprof ncu --kernel {names}." if names else ""


def timed_profile(request: "RunRequest", gpu: "Gpu") -> "Profile":
    """The profile in the request's output, with a row of each of its points.

    Only what has no row there yet is timed.
    """
    from dsprof.harness.commands.watched_run import run_watched
    from dsprof.harness.environment import collect_environment
    from dsprof.harness.run import known_device, load_recorded
    from dsprof.harness.store import HEADER_FILE

    if not (request.output / HEADER_FILE).exists():
        return run_watched(request, quiet=False)
    device = known_device(gpu.name, gpu.compute_capability)
    recorded = load_recorded(request.output, device, collect_environment())
    rows = {row.point for row in recorded.measurements}
    missing = [point for point in request.planned if point not in rows]
    if not missing:
        return recorded
    return run_watched(replace(request, resume=True, points=missing), quiet=False)


def nothing_to_capture(profile: "Profile", points: list[Point]) -> str:
    """Why no point of these has a time, each reason once."""
    asked = set(points)
    reasons = dict.fromkeys(
        f"{row.point.kernel} is {row.status}: {row.reason}"
        for row in profile.measurements
        if row.point in asked
    )
    return f"Nothing to capture. {' '.join(reasons)}"
