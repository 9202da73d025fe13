"""Writes small files as nsys exports them, with only the tables that have rows."""

import sqlite3
from pathlib import Path
from typing import Any

PID = 1234
PROCESS = (1 << 48) | (PID << 24)
THREAD = PROCESS | PID

KERNEL = (
    *("start", "end", "deviceId", "correlationId", "globalPid", "demangledName"),
    *("gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ", "graphNodeId"),
)
COPY = ("start", "end", "deviceId", "correlationId", "globalPid")
CALL = ("start", "end", "globalTid", "correlationId")
RANGE = (
    *("start", "end", "eventType", "text", "textId"),
    *("globalTid", "endGlobalTid", "domainId"),
)


class NsysFile:
    """Collects rows by table and writes them; times are in nanoseconds."""

    def __init__(self) -> None:
        self.columns: dict[str, tuple[str, ...]] = {}
        self.tables: dict[str, list[tuple[Any, ...]]] = {}
        self.strings: dict[str, int] = {}
        self._next = 0

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings) + 1)

    def add(self, table: str, **row: Any) -> None:  # noqa: ANN401 -- SQLite's types
        self.columns.setdefault(table, tuple(row))
        self.tables.setdefault(table, []).append(tuple(row.values()))

    def launch(
        self,
        call: tuple[int, int],
        *runs: tuple[int, int],
        name: str = "gemm(int)",
        process: int = PROCESS,
        thread: int = THREAD,
        **changes: Any,  # noqa: ANN401 -- a kernel's columns
    ) -> int:
        """One API call and the kernels it began; the correlation id comes back."""
        self._next += 1
        number: int = changes.pop("correlationId", self._next)
        calls = (*call, thread, number)
        self.add("CUPTI_ACTIVITY_KIND_RUNTIME", **dict(zip(CALL, calls, strict=True)))
        for start, end in runs:
            row = (start, end, 0, number, process, self.string(name))
            sizes = (8, 1, 1, 128, 1, 1, None)
            fields = dict(zip(KERNEL, (*row, *sizes), strict=True)) | changes
            self.add("CUPTI_ACTIVITY_KIND_KERNEL", **fields)
        return number

    def copy(self, call: tuple[int, int], run: tuple[int, int]) -> None:
        number = self.launch(call)
        row = dict(zip(COPY, (*run, 0, number, PROCESS), strict=True))
        self.add("CUPTI_ACTIVITY_KIND_MEMCPY", **row)

    def range(
        self,
        name: str,
        start: int,
        end: int | None,
        **changes: Any,  # noqa: ANN401 -- a range's columns
    ) -> None:
        row = (start, end, 59, name, None, THREAD, None, 0)
        self.add("NVTX_EVENTS", **(dict(zip(RANGE, row, strict=True)) | changes))

    def write(self, path: Path) -> Path:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE StringIds (id INTEGER PRIMARY KEY, value)")
        connection.executemany(
            "INSERT INTO StringIds (value, id) VALUES (?, ?)", self.strings.items()
        )
        for table, rows in self.tables.items():
            names = ", ".join(f'"{name}"' for name in self.columns[table])
            connection.execute(f'CREATE TABLE "{table}" ({names})')
            marks = ", ".join("?" * len(self.columns[table]))
            connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)  # noqa: S608
        connection.commit()
        connection.close()
        return path
