"""What a trace of torch.profiler says of the launches of a repeated call."""

import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from dsprof.harness.errors import DsprofError
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.records import Cache

# Kineto's categories of GPU work. The names of a copy and a fill say what they are.
KERNEL = "kernel"
CATEGORIES = frozenset({KERNEL, "gpu_memcpy", "gpu_memset"})
NS_PER_US = 1000
_CLOSES = {")": "(", "]": "[", "}": "{", ">": "<"}
_OPENS = frozenset(_CLOSES.values())


class UntracedError(DsprofError):
    """A trace does not tell the launches of a call; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedLaunch:
    """One piece of GPU work of a trace; its start is on the trace's own clock."""

    name: str
    start_ns: int
    time_ns: int


def read_launches(text: str) -> list[TracedLaunch]:
    """The GPU work of a Kineto trace (JSON), in order of start."""
    # As floats, microseconds since the clock's origin would lose their nanoseconds.
    trace = json.loads(text, parse_float=Decimal)
    launches = [
        TracedLaunch(
            name=(
                function_name(event["name"])
                if event["cat"] == KERNEL
                else event["name"]
            ),
            start_ns=int(event["ts"] * NS_PER_US),
            time_ns=int(event["dur"] * NS_PER_US),
        )
        for event in trace["traceEvents"]
        if event.get("cat") in CATEGORIES
    ]
    return sorted(launches, key=lambda launch: launch.start_ns)


def function_name(demangled: str) -> str:
    """The kernel's own name: no type, namespace, template argument or parameter."""
    kept: list[str] = []
    open_brackets: list[str] = []
    for character in demangled:
        if character in _OPENS:
            open_brackets.append(character)
        elif character in _CLOSES:
            # A comparison inside of parentheses opens or closes no bracket.
            opener = _CLOSES[character]
            if opener in open_brackets and (
                character != ">" or open_brackets[-1] == "<"
            ):
                while open_brackets.pop() != opener:
                    pass
        elif not open_brackets:
            kept.append(character)
    words = re.findall(r"[^\s:*&]+", "".join(kept))
    return words[-1] if words else demangled


def split_calls(
    launches: Sequence[TracedLaunch], calls: int, before: Sequence[str] = ()
) -> list[list[TracedLaunch]]:
    """The launches of each call, of so many equal ones that followed each other.

    ``before`` names what was launched ahead of each call and is no part of it.
    UntracedError unless every call shows the same launches.
    """
    if not launches:
        raise UntracedError(
            "torch.profiler recorded no launch. Another profiler, such as ncu or nsys, "
            "may hold the GPU's trace interface: run without it."
        )
    each, rest = divmod(len(launches), calls)
    split = [list(launches[at : at + each]) for at in range(0, calls * each, each or 1)]
    names = [[launch.name for launch in call] for call in split]
    lead = len(before)
    if rest or any(call != names[0] or call[:lead] != list(before) for call in names):
        raise UntracedError(
            f"The {len(launches)} traced launches are not {calls} times the same: "
            "records were lost, or the call launches in an order that varies. Trace "
            "it again with --resume."
        )
    if each == lead:
        raise UntracedError("The call launched nothing that torch.profiler records.")
    return [call[lead:] for call in split]


def median_spans(
    calls: Sequence[Sequence[TracedLaunch]], *, label: str, cache: Cache
) -> tuple[LaunchSpan, ...]:
    """Medians over equal calls of each launch's start in the call and own span."""
    return tuple(
        LaunchSpan(
            label=label,
            cache=cache,
            index=index,
            function_name=same[0].name,
            start_us=statistics.median(
                launch.start_ns - call[0].start_ns
                for launch, call in zip(same, calls, strict=True)
            )
            / NS_PER_US,
            time_us=statistics.median(launch.time_ns for launch in same) / NS_PER_US,
            calls=len(calls),
        )
        for index, same in enumerate(zip(*calls, strict=True))
    )
