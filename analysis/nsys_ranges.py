"""NVTX ranges of an nsys file, and the API calls that lie in them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsprof.analysis.asked_ranges import (
    ANY_DOMAIN,
    DEFAULT_DOMAIN,
    choose_reading,
    readings,
    refuse_unseen,
)
from dsprof.analysis.gpu_work import Instances
from dsprof.analysis.nsys_about import process_id
from dsprof.analysis.nsys_database import NsysDatabase

if TYPE_CHECKING:
    from dsprof.analysis.gpu_work import Integers

TABLE = "NVTX_EVENTS"
_DOMAIN_CREATE = 75
# Push/pop and start/end, and the same of extended NVTX.
_RANGE_TYPES = "59, 60, 70, 71"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    start_ns: int
    end_ns: int | None
    thread: int
    end_thread: int | None
    message: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRanges:
    """The instances of the ranges that were asked for."""

    labels: tuple[tuple[str, str], ...]  # name and domain
    instances: Instances
    notes: tuple[str, ...]


def count_ranges(database: NsysDatabase) -> Counter[str]:
    """How often each range name occurs."""
    if not {"eventType", "start"} <= database.columns(TABLE):
        return Counter()
    text, text_id = _text_columns(database)
    query = (
        f"SELECT COALESCE(name, value), SUM(n) FROM (SELECT {text} AS name, "  # noqa: S608
        f"{text_id} AS name_id, COUNT(*) AS n FROM {TABLE} WHERE eventType IN "
        f"({_RANGE_TYPES}) GROUP BY 1, 2) LEFT JOIN StringIds ON id = name_id "
        "GROUP BY 1"
    )
    rows = database.rows(query)
    return Counter({str(name): int(n) for name, n in rows if name is not None})


def find_ranges(
    database: NsysDatabase,
    asked: Sequence[str],
    counts: Counter[str],
    last_ns: int,
) -> FoundRanges:
    """Instances of these ranges; ``last_ns`` is where ranges that stay open end.

    Only ranges that end on the thread they start on count: of others, nsys' own
    reports cannot say which launches are theirs either.
    """
    events: dict[str, list[_Event]] = defaultdict(list)
    for event in _read_events(database, asked):
        events[event.message].append(event)
    domains = {name: {event.domain for event in events[name]} for name in events}
    chosen = {name: choose_reading(name, domains) for name in dict.fromkeys(asked)}
    absent = [name for name, reading in chosen.items() if reading is None]
    refuse_unseen(database.path, absent, counts)
    labels: list[tuple[str, str]] = []
    found: list[tuple[int, _Event]] = []
    notes: list[str] = []
    taken: set[str] = set()
    for text, reading in chosen.items():
        if reading is None:
            continue
        mine = [
            event
            for event in events[reading.message]
            if reading.domain in {ANY_DOMAIN, event.domain}
        ]
        # Two domains may each have a range of this message.
        name = text if reading.message in taken else reading.message
        taken.add(name)
        named = sorted({event.domain for event in mine} - {DEFAULT_DOMAIN})
        labels.append((name, ", ".join(named)))
        kept = [event for event in mine if event.end_thread in {None, event.thread}]
        found += [(len(labels) - 1, event) for event in kept]
        notes += _notes(name, mine, kept)
    return FoundRanges(
        labels=tuple(labels),
        instances=_instances(found, last_ns),
        notes=tuple(notes),
    )


def _notes(name: str, mine: Sequence[_Event], kept: Sequence[_Event]) -> list[str]:
    notes = []
    if left := len(mine) - len(kept):
        notes.append(
            f"{left} of {len(mine)} ranges '{name}' end on another thread than they "
            "start on; they are left out, as nsys stats leaves them out"
        )
    if still_open := sum(event.end_ns is None for event in kept):
        notes.append(
            f"{still_open} of {len(mine)} ranges '{name}' did not end; they are "
            "taken to end with the recording"
        )
    return notes


def _instances(found: Sequence[tuple[int, _Event]], last_ns: int) -> Instances:
    import numpy as np

    def column(values: Sequence[int]) -> "Integers":
        return np.array(values, dtype=np.int64)

    return Instances(
        range=column([position for position, _ in found]),
        thread=column([event.thread for _, event in found]),
        start_ns=column([event.start_ns for _, event in found]),
        end_ns=column(
            [last_ns if event.end_ns is None else event.end_ns for _, event in found]
        ),
    )


def _read_events(database: NsysDatabase, asked: Sequence[str]) -> list[_Event]:
    columns = database.columns(TABLE)
    if not {"start", "end", "eventType", "globalTid"} <= columns:
        return []
    database.keep_texts([r.message for name in asked for r in readings(name)])
    text, text_id = _text_columns(database)
    end_thread = "endGlobalTid" if "endGlobalTid" in columns else "NULL"
    domain = "domainId" if "domainId" in columns else "0"
    query = (
        f'SELECT start, "end", globalTid, {end_thread}, {domain}, '  # noqa: S608
        f"COALESCE({text}, value) FROM {TABLE} LEFT JOIN StringIds ON "
        f"StringIds.id = {text_id} WHERE eventType IN ({_RANGE_TYPES}) AND "
        f"({text} IN asked OR ({text} IS NULL AND {text_id} IN "
        "(SELECT id FROM StringIds WHERE value IN asked)))"
    )
    domains = _domains(database)
    return [
        _Event(
            start_ns=int(row[0]),
            end_ns=None if row[1] is None else int(row[1]),
            thread=int(row[2]),
            end_thread=None if row[3] is None else int(row[3]),
            message=str(row[5]),
            domain=_domain_name(domains, row),
        )
        for row in database.rows(query)
        if row[0] is not None and row[2] is not None
    ]


def _domain_name(domains: dict[tuple[int, int], str], row: tuple[Any, ...]) -> str:
    """The name of a row's domain; NVTX numbers domains in each process."""
    return domains.get((process_id(row[2]), int(row[4] or 0)), DEFAULT_DOMAIN)


def _domains(database: NsysDatabase) -> dict[tuple[int, int], str]:
    if "domainId" not in database.columns(TABLE):
        return {}
    text, text_id = _text_columns(database)
    query = (
        f"SELECT globalTid, domainId, COALESCE({text}, value) FROM {TABLE} "  # noqa: S608
        f"LEFT JOIN StringIds ON StringIds.id = {text_id} WHERE eventType = ?"
    )
    return {
        (process_id(thread), int(domain)): str(name)
        for thread, domain, name in database.rows(query, (_DOMAIN_CREATE,))
        if None not in {thread, domain, name}
    }


def _text_columns(database: NsysDatabase) -> tuple[str, str]:
    """The columns of a message and of its string id, or NULL where there is none."""
    columns = database.columns(TABLE)
    return (
        "text" if "text" in columns else "NULL",
        "textId" if "textId" in columns else "NULL",
    )
