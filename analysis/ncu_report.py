"""Reads .ncu-rep files through NVIDIA's ncu_report module, without a GPU."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dsprof.analysis.file_kind import FileKind, file_kind
from dsprof.analysis.launches import (
    Launch,
    ReadResult,
    compute_capability,
    device_name,
    is_needed,
    launch_size,
    split_values,
)
from dsprof.analysis.ncu_slim import UnexpectedLayoutError, write_slim
from dsprof.harness.errors import EnvironmentLacksError, ProfileError

# The number behind the file's magic. Nsight Compute 2022.4 to 2025.3 write 7, and
# NVIDIA's module reads a higher one as if it were 7, without a word.
KNOWN_FILE_VERSION = 7
_VERSION_AT = 9  # b"NVR\0", the header's length in four bytes, its first tag
LARGE_BYTES = 16_000_000  # from here on a slim copy is read sooner than the file
UPDATE = "Update the reader: pip install --upgrade ncu-report"

Action = Any  # ncu_report.IAction; the module has no types


def read_ncu_report(path: Path, *, all_metrics: bool = False) -> ReadResult:
    """Every kernel launch of a report, with the metrics that dsprof needs.

    ``all_metrics`` reads every metric by every name. NVIDIA's module does not fail on
    a broken file: what is missing shows up as no ranges, no launches or no metrics,
    and ends as a ProfileError or, where other launches are whole, as a note.
    """
    kind = file_kind(path)
    if kind is not FileKind.NCU_REPORT:
        raise ProfileError(
            f"{path} is {kind}, not an Nsight Compute report. Name a .ncu-rep file."
        )
    launches: list[Launch] = []
    damaged: list[int] = []
    others: list[str] = []
    with _native_stderr_silenced(), _loaded(path, whole=all_metrics) as context:
        for position, action in enumerate(_actions(context), 1):
            names = action.metric_names() if action else ()
            if action is None or not names:
                damaged.append(position)
            elif action.workload_type() != action.WorkloadType_KERNEL:
                others.append(action.name())
            else:
                needed = names if all_metrics else filter(is_needed, names)
                launches.append(_launch(action, needed))
    notes = _notes(path, damaged, others, read=len(launches))
    return ReadResult(launches=tuple(launches), format="ncu-rep", notes=notes)


@contextmanager
def _loaded(path: Path, *, whole: bool) -> Iterator[Any]:
    """The report's IContext; its actions are valid only while it is open."""
    try:
        import ncu_report
    except ImportError as error:
        raise EnvironmentLacksError(
            f"{path} needs NVIDIA's ncu_report, which cannot be imported ({error}). "
            "Install it with: pip install ncu-report. Where there is no build of it, "
            "import a CSV of the report's raw page instead."
        ) from error

    with TemporaryDirectory(prefix="dsprof-") as folder:
        source = path
        if not whole and path.stat().st_size >= LARGE_BYTES:
            slim = Path(folder) / "slim.ncu-rep"
            with suppress(UnexpectedLayoutError, OSError):  # the disk may be full
                write_slim(path, slim)
                source = slim
        yield ncu_report.load_report(str(source))


def _actions(context: Any) -> Iterator[Action | None]:  # noqa: ANN401 -- IContext
    for number in range(context.num_ranges()):
        profiled = context.range_by_idx(number)
        for index in range(profiled.num_actions()):
            yield profiled.action_by_idx(index)


def _notes(
    path: Path, damaged: list[int], others: list[str], *, read: int
) -> tuple[str, ...]:
    """What a reader should know; a ProfileError where nothing at all was read."""
    version = _file_version(path)
    if not read and not others:
        raise ProfileError(_why_nothing(path, version, damaged))
    if not read:
        raise ProfileError(
            f"{path} has results of {_listed(others)}, which are not single kernels. "
            "Profile again with --replay-mode kernel and --graph-profiling node."
        )
    notes = []
    if damaged:
        notes.append(
            f"launch {', '.join(map(str, damaged))} of {read + len(damaged)} cannot be "
            "read: the file is cut off or damaged there, and launches after it may be "
            "lost"
        )
    if others:
        notes.append(
            f"left out: {len(others)} results that are not single kernels "
            f"({_listed(others)})"
        )
    if version > KNOWN_FILE_VERSION:
        notes.append(
            f"file version {version} is newer than the {KNOWN_FILE_VERSION} that this "
            f"was tested with; values may be missing. {UPDATE}"
        )
    return tuple(notes)


def _why_nothing(path: Path, version: int, damaged: list[int]) -> str:
    if version > KNOWN_FILE_VERSION:
        return (
            f"{path} has file version {version}; the installed ncu-report reads up to "
            f"{KNOWN_FILE_VERSION} and finds no launch in it. {UPDATE}."
        )
    if 0 <= version < KNOWN_FILE_VERSION:
        return (
            f"{path} has file version {version}, and the installed ncu-report finds "
            "no launch in it. Open it with the Nsight Compute that wrote it and export "
            f"a CSV of its raw page, or profile again."
        )
    found = f"{len(damaged)} launches without values" if damaged else "no launch"
    return (
        f"{path} has {found}: it is cut off, damaged, or its run profiled no kernel "
        f"({path.stat().st_size} bytes). Copy it again, or profile again."
    )


def _file_version(path: Path) -> int:
    """The version behind the magic; -1 where the file does not say, as compressed."""
    with path.open("rb") as file:
        head = file.read(_VERSION_AT + 1)
    if len(head) <= _VERSION_AT or not head.startswith(b"NVR\0"):
        return -1
    return head[_VERSION_AT]


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _launch(action: Action, names: Iterable[str]) -> Launch:
    metrics = {name: action.metric_by_name(name) for name in names}
    values, absent = split_values((name, one.value()) for name, one in metrics.items())
    push_pop, start_end = _ranges(action)
    return Launch(
        kernel_name=action.name(action.NameBase_DEMANGLED),
        function_name=action.name(action.NameBase_FUNCTION),
        mangled_name=action.name(action.NameBase_MANGLED),
        grid=launch_size(values, "grid"),
        block=launch_size(values, "block"),
        push_pop=push_pop,
        start_end=start_end,
        device_name=device_name(values),
        compute_capability=compute_capability(values),
        values=values,
        units={name: one.unit() for name, one in metrics.items()},
        absent=absent,
        rules=_rule_titles(action),
    )


def _ranges(action: Action) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Push/pop and start/end ranges, "domain:message"; empty without --nvtx."""
    state = action.nvtx_state()
    push_pop: list[str] = []
    start_end: list[str] = []
    for number in state.domains() if state else ():
        domain = state.domain_by_id(number)
        push_pop += [f"{domain.name()}:{name}" for name in domain.push_pop_ranges()]
        start_end += [f"{domain.name()}:{name}" for name in domain.start_end_ranges()]
    return tuple(push_pop), tuple(start_end)


def _rule_titles(action: Action) -> Mapping[str, str]:
    """The title of each rule that had something to say, by its identifier."""
    titles: dict[str, str] = {}
    for result in action.rule_results_as_dicts():
        message = result.get("rule_message") or {}
        if message.get("title"):
            titles.setdefault(result["rule_identifier"], message["title"])
    return titles


@contextmanager
def _native_stderr_silenced() -> Iterator[None]:
    """Keep the module's protobuf library from writing about broken files."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
