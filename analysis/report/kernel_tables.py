"""The listed kernels and what kept their points from being timed, as tables."""

from collections import Counter

from dsprof.analysis.numerals import MISSING
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.sizes import REPORTED_SIZES, ProblemSize
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    CatalogueEntry,
    Measurement,
    Status,
)


def kernel_table(profile: Profile) -> Table:
    """One row a kernel of the catalogue, then kernels that only the rows know."""
    entries = {entry.name: entry for entry in profile.catalogue}
    by_kernel: dict[str, list[Measurement]] = {name: [] for name in entries}
    for row in profile.measurements:
        by_kernel.setdefault(row.point.kernel, []).append(row)
    rows = [
        _kernel_row(number, name, entries.get(name), rows)
        for number, (name, rows) in enumerate(by_kernel.items(), start=1)
    ]
    bounds = tuple(f"Bound at {size.title}" for size in REPORTED_SIZES)
    return Table(
        headings=(">#", "Kernel", "Source", "Category", *bounds, "Status here"),
        rows=rows,
    )


def limits_table(profile: Profile) -> Table:
    """Points without a time by kernel, status and reason; then limits none met."""
    counts = Counter(
        (row.point.kernel, row.status, row.reason)
        for row in profile.measurements
        if row.status is not Status.OK
    )
    rows: list[list[Cell]] = [
        [Code(kernel), reason or MISSING, str(status), f"{count:,}"]
        for (kernel, status, reason), count in counts.items()
    ]
    met = {(kernel, reason) for kernel, _, reason in counts}
    rows += [
        [Code(entry.name), limit, "declared", "0"]
        for entry in profile.catalogue
        for limit in entry.limits
        if (entry.name, limit) not in met
    ]
    return Table(headings=("Kernel", "Limitation", "Status", ">Points"), rows=rows)


def _kernel_row(
    number: int,
    name: str,
    entry: CatalogueEntry | None,
    rows: list[Measurement],
) -> list[Cell]:
    first = rows[0] if rows else None
    source = entry.source if entry else first.source if first else ""
    category = entry.category if entry else first.category if first else ""
    return [
        str(number),
        Code(name),
        source or MISSING,
        category or MISSING,
        *(_bounds(rows, size) for size in REPORTED_SIZES),
        _status(entry, rows),
    ]


def _bounds(rows: list[Measurement], size: ProblemSize) -> str:
    """The analytic bound at a size that the kernel takes; both where its ops differ."""
    taken = [row for row in rows if row.status is not Status.OUT_OF_LIMIT]
    bounds = [row.bound for row in size.select(taken) if row.bound is not None]
    return ", ".join(dict.fromkeys(str(bound) for bound in bounds)) or MISSING


def _status(entry: CatalogueEntry | None, rows: list[Measurement]) -> str:
    if not rows:
        return (entry.reason if entry else "") or "no row in this profile"
    counts = Counter(row.status for row in rows)
    ok = counts.pop(Status.OK, 0)
    parts = [f"{ok} of {len(rows)} points timed"]
    for status, count in counts.items():
        reasons = {row.reason for row in rows if row.status is status}
        why = f" ({next(iter(reasons))})" if len(reasons) == 1 and any(reasons) else ""
        parts.append(f"{count} {status}{why}")
    return "; ".join(parts)
