"""What an nsys file says of the recording: tool, program, time, GPUs, complaints."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from dsprof.analysis.nsys_database import NsysDatabase

_NS_PER_S = 1e9
_PID_SHIFT = 24  # of a globalPid or globalTid
_PID_MASK = 0xFFFFFF
_ERROR = 3  # severity of DIAGNOSTIC_EVENT
_COMPLAINTS = 5  # that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedGpu:
    """A GPU that a recording names."""

    name: str
    compute_capability: tuple[int, int]


def tool_version(database: NsysDatabase) -> str:
    """Of the nsys that exported the file."""
    for table in ("META_DATA_EXPORT", "EXPORT_META_DATA"):
        if {"name", "value"} <= database.columns(table):
            query = f"SELECT value FROM {table} WHERE name = 'EXPORT_PRODUCT_VERSION'"  # noqa: S608
            for (version,) in database.rows(query):
                return str(version)
    return ""


def program(database: NsysDatabase, processes: Sequence[int]) -> str:
    """The command line nsys was given, else the names of these global pids."""
    command: list[str] = []
    if {"name", "value"} <= database.columns("META_DATA_CAPTURE"):
        found: dict[str, str] = dict(
            database.rows(
                "SELECT name, value FROM META_DATA_CAPTURE WHERE name = "
                "'PROCESS_0:COMMAND' OR name GLOB 'PROCESS_0:ARGUMENT_[0-9]*'"
            )
        )
        first = found.pop("PROCESS_0:COMMAND", None)
        if first is not None:
            rest = sorted(found, key=lambda name: int(name.rpartition("_")[2]))
            command = [first, *(found[name] for name in rest)]
    if command or not {"globalPid", "name"} <= database.columns("PROCESSES"):
        return shlex.join(command)
    names: dict[str, None] = {}
    for process in processes:
        query = "SELECT name FROM PROCESSES WHERE globalPid = ?"
        names |= {str(name): None for (name,) in database.rows(query, (int(process),))}
    return ", ".join(names)


def started(database: NsysDatabase) -> str:
    """ISO 8601 in UTC; empty where the file does not say."""
    if "utcTime" not in database.columns("TARGET_INFO_SESSION_START_TIME"):
        return ""
    for (time,) in database.rows("SELECT utcTime FROM TARGET_INFO_SESSION_START_TIME"):
        return f"{time}+00:00"
    return ""


def wall_s(database: NsysDatabase) -> float | None:
    """Seconds that nsys recorded for; None where the file does not say."""
    if "duration" not in database.columns("ANALYSIS_DETAILS"):
        return None
    for (duration,) in database.rows("SELECT duration FROM ANALYSIS_DETAILS"):
        return float(duration) / _NS_PER_S
    return None


def gpus(database: NsysDatabase) -> dict[int, RecordedGpu]:
    """The machine's GPUs by id; empty in a file without TARGET_INFO_GPU."""
    columns = database.columns("TARGET_INFO_GPU")
    if not {"id", "name"} <= columns:
        return {}
    capability = (
        "computeMajor, computeMinor"
        if {"computeMajor", "computeMinor"} <= columns
        else "0, 0"
    )
    query = f"SELECT id, name, {capability} FROM TARGET_INFO_GPU"  # noqa: S608
    return {
        int(id_): RecordedGpu(
            name=str(name), compute_capability=(int(major or 0), int(minor or 0))
        )
        for id_, name, major, minor in database.rows(query)
    }


def gpu_of_device(database: NsysDatabase) -> dict[tuple[int, int], int]:
    """GPU id by (pid, the process's own device number): CUDA_VISIBLE_DEVICES."""
    if not {"gpuId", "cudaId", "pid"} <= database.columns("TARGET_INFO_CUDA_DEVICE"):
        return {}
    query = "SELECT pid, cudaId, gpuId FROM TARGET_INFO_CUDA_DEVICE"
    return {
        (int(pid), int(device)): int(gpu)
        for pid, device, gpu in database.rows(query)
        if None not in {pid, device, gpu}
    }


def process_id(global_id: int) -> int:
    """The pid within a globalPid or globalTid."""
    return (int(global_id) >> _PID_SHIFT) & _PID_MASK


def complaints(database: NsysDatabase) -> tuple[str, ...]:
    """Errors that nsys met while it recorded, the first few."""
    if not {"severity", "text"} <= database.columns("DIAGNOSTIC_EVENT"):
        return ()
    query = "SELECT DISTINCT text FROM DIAGNOSTIC_EVENT WHERE severity = ? LIMIT ?"
    rows = database.rows(query, (_ERROR, _COMPLAINTS))
    return tuple(f"nsys: {' '.join(str(text).split())}" for (text,) in rows)
