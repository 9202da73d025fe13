"""GPU operations of an nsys file, and the API calls that began them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.gpu_work import GpuWork, Kind, Launches, pair_launches
from dsprof.analysis.nsys_about import gpu_of_device, process_id
from dsprof.analysis.nsys_database import NsysDatabase

if TYPE_CHECKING:
    from dsprof.analysis.gpu_work import Integers, Sizes

KERNELS = "CUPTI_ACTIVITY_KIND_KERNEL"
GRAPHS = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
_CALLS = "CUPTI_ACTIVITY_KIND_RUNTIME"  # of the driver's API too
_TABLES = {
    KERNELS: Kind.KERNEL,
    "CUPTI_ACTIVITY_KIND_MEMCPY": Kind.COPY,
    "CUPTI_ACTIVITY_KIND_MEMSET": Kind.COPY,
    GRAPHS: Kind.GRAPH,
}
# The defaults stand for columns that an old nsys did not write and for NULL.
_COMMON = {
    "start": 0,
    "end": -1,
    "deviceId": 0,
    "globalPid": 0,
    "correlationId": -1,
    "graphNodeId": 0,
}
_SIZES = dict.fromkeys(("gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ"), 1)
_PROCESS = -(1 << 24)  # masks a globalTid to its globalPid
_KEY_BITS = 40  # a correlation id has 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NsysWork:
    """GPU work with what joins it to API calls, one entry an operation."""

    work: GpuWork
    process: "Integers"  # globalPid
    correlation: "Integers"
    in_graph: "Integers"  # 1 where a CUDA graph launched it
    without_times: int  # rows that were left out


def read_work(database: NsysDatabase) -> NsysWork:
    """Every kernel, copy and whole graph, each row once, in order of start."""
    import numpy as np

    tables = {
        table: _read_table(database, table)
        for table in _TABLES
        if table in database.tables
    }

    def joined(column: str, default: int = 0) -> "Integers":
        parts = [
            part.get(column, np.full(len(part["start"]), default, dtype=np.int64))
            for part in tables.values()
        ]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    start, end = joined("start"), joined("end")
    kept = np.flatnonzero(end >= start)
    kept = kept[np.argsort(start[kept], kind="stable")]
    kinds = [
        np.full(len(part["start"]), _TABLES[table], dtype=np.int64)
        for table, part in tables.items()
    ]
    kind = np.concatenate([np.empty(0, dtype=np.int64), *kinds])[kept]
    name, names = _names(database, joined("name")[kept], kind == Kind.KERNEL)
    sizes = {column: joined(column, 1)[kept] for column in _SIZES}
    configuration, configurations = _configurations(sizes)
    process = joined("globalPid")[kept]
    in_graph = (joined("graphNodeId")[kept] != 0) | (kind == Kind.GRAPH)
    return NsysWork(
        work=GpuWork(
            start_ns=start[kept],
            end_ns=end[kept],
            kind=kind,
            device=_gpus(database, process, joined("deviceId")[kept]),
            name=name,
            configuration=configuration,
            names=names,
            configurations=configurations,
        ),
        process=process,
        correlation=joined("correlationId", -1)[kept],
        in_graph=in_graph.astype(np.int64),
        without_times=len(start) - len(kept),
    )


def read_launches(database: NsysDatabase, recorded: NsysWork) -> Launches:
    """API calls with the operations of their process and correlation id."""
    import numpy as np

    columns = {"start": 0, "end": 0, "globalTid": 0, "correlationId": -1}
    if _CALLS in database.tables:
        calls = database.integers(_CALLS, columns, where="correlationId IS NOT NULL")
    else:
        calls = dict.fromkeys(columns, np.empty(0, dtype=np.int64))
    # An old nsys did not write globalPid: its files are of one process.
    process = calls["globalTid"] & _PROCESS
    if "globalPid" not in database.columns(KERNELS):
        process = np.zeros_like(process)
    keys = _keys(
        np.concatenate([recorded.process, process]),
        np.concatenate([recorded.correlation, calls["correlationId"]]),
    )
    count = len(recorded.process)
    operation, call = pair_launches(keys[:count], keys[count:])
    return Launches(
        thread=calls["globalTid"][call],
        start_ns=calls["start"][call],
        end_ns=calls["end"][call],
        operation=operation,
    )


def _read_table(database: NsysDatabase, table: str) -> "dict[str, Integers]":
    if table != KERNELS:
        return database.integers(table, _COMMON)
    columns = database.columns(table)
    name = "demangledName" if "demangledName" in columns else "shortName"
    read = database.integers(table, {**_COMMON, **_SIZES, name: -1})
    return read | {"name": read[name]}


def _names(
    database: NsysDatabase, ids: "Integers", is_kernel: "Integers"
) -> "tuple[Integers, tuple[str, ...]]":
    """The kernels' names, and each operation's position among them."""
    import numpy as np
    import pandas as pd

    position = np.zeros(len(ids), dtype=np.int64)
    codes, unique = pd.factorize(ids[is_kernel])
    texts = database.strings(unique.tolist())
    # Two ids may have one text, and a name must have one position.
    names = dict.fromkeys(" ".join(texts[int(id_)].split()) for id_ in unique)
    index = {name: at for at, name in enumerate(names)}
    of_id = [index[" ".join(texts[int(id_)].split())] for id_ in unique]
    position[is_kernel] = np.array(of_id, dtype=np.int64)[codes]
    return position, tuple(names)


def _configurations(
    sizes: "Mapping[str, Integers]",
) -> "tuple[Integers, tuple[tuple[Sizes, Sizes], ...]]":
    """The distinct grids and blocks, and each operation's position among them."""
    import numpy as np
    import pandas as pd

    columns = [sizes[column] for column in _SIZES]
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        part, values = pd.factorize(column)
        # Made dense at each step, so that the product stays below 2**63.
        code, _ = pd.factorize(code * max(len(values), 1) + part)
    _, first = np.unique(code, return_index=True)
    rows = np.column_stack([column[first] for column in columns]).tolist()
    return code, tuple(((gx, gy, gz), (bx, by, bz)) for gx, gy, gz, bx, by, bz in rows)


def _gpus(
    database: NsysDatabase, process: "Integers", device: "Integers"
) -> "Integers":
    """GPU ids: CUDA_VISIBLE_DEVICES gives every process numbers of its own."""
    import numpy as np

    gpus = gpu_of_device(database)
    result = device.copy()
    for global_pid, own in np.unique(np.column_stack([process, device]), axis=0):
        gpu = gpus.get((process_id(global_pid), int(own)))
        if gpu is not None:
            result[(process == global_pid) & (device == own)] = gpu
    return result


def _keys(process: "Integers", correlation: "Integers") -> "Integers":
    """One number for a process and a correlation id."""
    import pandas as pd

    codes, _ = pd.factorize(process)
    return (codes.astype("int64") << _KEY_BITS) + correlation
