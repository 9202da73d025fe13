"""An SQLite file that nsys exported, opened for reading alone.

Tables and columns differ between versions of nsys and are there only if they have
rows, so each is looked up. The file is never written to and no index is made in it.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsprof.harness.errors import ProfileError

if TYPE_CHECKING:
    from dsprof.analysis.gpu_work import Integers

MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_LOCK_WAIT_S = 1.0
_WAL = 2  # the file format version of a write-ahead log
_LARGEST_PAGE = 65_536  # which the header writes as 1
_UNEXPORTED = {
    ".qdstrm": (
        "what Nsight Systems leaves when it is stopped before its report is written",
        "QdstrmImporter of the same nsys makes a .nsys-rep of it; then: nsys export",
    ),
    ".nsys-rep": (
        "an Nsight Systems report",
        "Export it: nsys export --type sqlite FILE.nsys-rep",
    ),
    ".qdrep": (
        "a report of an older Nsight Systems",
        "Export it: nsys export --type sqlite FILE.qdrep",
    ),
}
EXPORT_AGAIN = "Export it again: nsys export --type sqlite FILE.nsys-rep."


class NsysDatabase:
    """Tables, columns and values of the file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        self.tables = frozenset(name for (name,) in connection.execute(query))
        self._columns: dict[str, frozenset[str]] = {}

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table; none where there is no such table."""
        if table not in self.tables:
            return frozenset()
        if table not in self._columns:
            info = self._connection.execute(f'PRAGMA table_info("{table}")')
            self._columns[table] = frozenset(row[1] for row in info)
        return self._columns[table]

    def count(self, table: str) -> int:
        if table not in self.tables:
            return 0
        (count,) = self.rows(f'SELECT COUNT(*) FROM "{table}"')[0]  # noqa: S608
        return int(count)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def integers(
        self, table: str, defaults: Mapping[str, int], where: str = "1"
    ) -> "dict[str, Integers]":
        """Columns of a table as whole numbers; the default where one is absent."""
        import numpy as np

        present = self.columns(table)
        fields = [
            f'COALESCE("{name}", {default})' if name in present else str(default)
            for name, default in defaults.items()
        ]
        query = f'SELECT {", ".join(fields)} FROM "{table}" WHERE {where}'  # noqa: S608
        try:
            flat = np.fromiter(
                chain.from_iterable(self._connection.execute(query)), dtype=np.int64
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ProfileError(
                f"{self.path}: {table} holds a value that is no whole number "
                f"({error}). {EXPORT_AGAIN}"
            ) from error
        table_of = flat.reshape(-1, len(defaults)).T
        return dict(zip(defaults, np.ascontiguousarray(table_of), strict=True))

    def strings(self, ids: Sequence[int]) -> dict[int, str]:
        """The text of StringIds' entries; ProfileError where one is absent."""
        found: dict[int, str] = {}
        for begin in range(0, len(ids), 500):  # older SQLite binds 999 at most
            part = list(map(int, ids[begin : begin + 500]))
            marks = ",".join("?" * len(part))
            query = f"SELECT id, value FROM StringIds WHERE id IN ({marks})"  # noqa: S608
            found.update(self.rows(query, part))
        absent = [name for name in ids if int(name) not in found]
        if absent:
            raise ProfileError(
                f"{self.path}: StringIds lacks {len(absent)} names, such as that of "
                f"id {absent[0]}. {EXPORT_AGAIN}"
            )
        return found

    def keep_texts(self, texts: Sequence[str]) -> None:
        """Make the temporary table ``asked`` of these texts and their string ids."""
        # In memory: a temporary table otherwise becomes a file.
        self._connection.execute("PRAGMA temp_store = MEMORY")
        self._connection.execute("CREATE TEMP TABLE asked (value TEXT PRIMARY KEY)")
        rows = [(text,) for text in dict.fromkeys(texts)]
        self._connection.executemany("INSERT INTO asked VALUES (?)", rows)


@contextmanager
def open_nsys(path: Path) -> Iterator[NsysDatabase]:
    """Open the file; what is wrong with it becomes a ProfileError."""
    options = _check(path)
    uri = f"{path.resolve().as_uri()}?{options}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=_LOCK_WAIT_S)
        try:
            # A name of a foreign program may be no UTF-8.
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            yield NsysDatabase(path, connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise _problem(path, error) from error


def refuse_unexported(path: Path) -> None:
    """Raise a ProfileError for a report that nsys has to export first."""
    if path.suffix in _UNEXPORTED:
        what, remedy = _UNEXPORTED[path.suffix]
        raise ProfileError(f"{path} is {what}, which dsprof does not read. {remedy}.")


def _check(path: Path) -> str:
    """Refuse what is no whole SQLite file; return how to open it."""
    refuse_unexported(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
        size = path.stat().st_size
    except FileNotFoundError:
        raise ProfileError(f"No file {path}. Check the name and the folder.") from None
    except OSError as error:
        raise ProfileError(f"Cannot read {path}: {error.strerror}.") from error
    if not head.startswith(MAGIC):
        raise ProfileError(
            f"{path} is no SQLite file. Export the report as one: "
            "nsys export --type sqlite FILE.nsys-rep."
        )
    expected = _pages_bytes(head)
    if size < expected:
        raise ProfileError(
            f"{path} is cut off: {size:,} of {expected:,} bytes. Copy or export it "
            "again."
        )
    # A reader of a write-ahead log makes a file beside it; without a log there is
    # nothing else to read.
    log = path.with_name(f"{path.name}-wal")
    is_alone = head[18] == _WAL and not (log.exists() and log.stat().st_size)
    return "mode=ro&immutable=1" if is_alone else "mode=ro"


def _pages_bytes(head: bytes) -> int:
    """The size that the header states; 0 where it states none that holds."""
    if len(head) < _HEADER_BYTES:
        return _HEADER_BYTES
    if head[24:28] != head[92:96]:  # written by an SQLite that left the size alone
        return 0
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    return pages * (_LARGEST_PAGE if page == 1 else page)


def _problem(path: Path, error: sqlite3.Error) -> ProfileError:
    text = str(error)
    if "locked" in text:
        return ProfileError(
            f"{path} is locked: another process, perhaps nsys, still writes it. Wait "
            "for it to end, or copy the file."
        )
    if "readonly" in text or "unable to open" in text:
        return ProfileError(
            f"{path} was left by a process that did not finish writing it ({text}). "
            f"{EXPORT_AGAIN}"
        )
    return ProfileError(f"{path} is damaged: {text}. {EXPORT_AGAIN}")
