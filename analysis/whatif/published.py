"""Holds projections against times that others published of other GPUs.

The kernels are not the same, nor are the clocks known: an error here says how far the
two ways of doing the work lie apart, as well as how far the projection is wrong.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median_low
from typing import Any

from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.layer_terms import call_terms
from dsprof.analysis.whatif.projection import CallProjection, project_call
from dsprof.analysis.whatif.target import Target, target_of_device
from dsprof.analysis.whatif.work import Work, timed_works
from dsprof.harness.device import device_spec
from dsprof.harness.profile import Profile

PUBLISHED_TOML = Path(__file__).with_name("published.toml")
GIGA, TERA = 1e9, 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published number: a rate of FLOP where there is one, else of bytes.

    ``gemm`` is (m, n, k); None where no shape, or no shape of a profile, is stated.
    ``works`` are the kernels that do the same work, each with what is different.
    """

    title: str
    shape: str
    gemm: tuple[int, int, int] | None
    flops_per_s: float | None
    bytes_per_s: float | None
    machine: str  # as it was named
    limits_of: str  # id of the known GPU that stands for it
    machine_note: str
    works: Mapping[str, str]
    implementation: str
    source: str
    why: str  # it cannot be projected from any profile; empty if it can

    @property
    def time_s(self) -> float | None:
        """Of a GEMM: its FLOP over the published rate."""
        if self.gemm is None or self.flops_per_s is None:
            return None
        m, n, k = self.gemm
        return 2 * m * n * k / self.flops_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A published number beside its projection, or the reason for having none."""

    published: Published
    projection: CallProjection | None
    kernel: str
    provider: str  # whose code ran for the projection
    projected_flops_per_s: float | None
    differs: str
    why: str

    @property
    def error_pct(self) -> float | None:
        """Projected over published time, less one; positive: projected slower."""
        ours, theirs = self.projected_flops_per_s, self.published.flops_per_s
        if ours is None or theirs is None:
            return None
        return 100 * (theirs / ours - 1)


@cache
def published_rows() -> tuple[Published, ...]:
    """Every row of ``published.toml`` in the order of the file."""
    document = tomllib.loads(PUBLISHED_TOML.read_text(encoding="utf-8"))
    return tuple(_rows(document))


def compare_published(profile: Profile, fits: Fits) -> list[Comparison]:
    """Each published row with its projection from the fits' cache state."""
    works = timed_works(profile, fits.cache)
    return [_compare(row, works, fits) for row in published_rows()]


def _rows(document: Mapping[str, Any]) -> Iterator[Published]:
    for group in document["groups"]:
        machine = document["machines"][group["machine"]]
        for row in group["rows"]:
            gemm = (row["m"], row["n"], row["k"]) if "m" in row else None
            yield Published(
                title=group["title"],
                shape=row.get("shape") or " x ".join(map(str, gemm or ())),
                gemm=gemm,
                flops_per_s=_scaled(row.get("tflop_per_s"), TERA),
                bytes_per_s=_scaled(row.get("gb_per_s"), GIGA),
                machine=machine["name"],
                limits_of=machine["limits_of"],
                machine_note=machine["note"],
                works=document["works"].get(group["work"], {}),
                implementation=group["implementation"],
                source=group["source"],
                why=group.get("why", ""),
            )


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _compare(row: Published, works: Sequence[Work], fits: Fits) -> Comparison:
    if row.why:
        return _without(row, row.why)
    target = target_on(row, fits.source)
    for kernel, differs in row.works.items():
        same = [
            work
            for work in works
            if work.row.point.kernel == kernel
            and row.gemm in {None, (work.row.m, work.row.n, work.row.k)}
        ]
        if same:
            return _projected(row, same, target, fits, differs)
    shape = "" if row.gemm is None else " of this shape"
    names = " or ".join(row.works)
    return _without(row, f"this profile has no {fits.cache} time of {names}{shape}")


def target_on(row: Published, source: Target) -> Target:
    """The published machine, by the limits of the known GPU that stands for it."""
    return replace(
        target_of_device(device_spec(row.limits_of), source), name=row.machine
    )


def _projected(
    row: Published, works: Sequence[Work], target: Target, fits: Fits, differs: str
) -> Comparison:
    """Of points of one shape the median; without a shape, the highest rate."""
    found = [
        (work.row.total_flops / one.estimate.time_s, index, one)
        for index, work in enumerate(works)
        for one in [project_call(call_terms(fits, work), target, fits)]
    ]
    chosen = max(found) if row.gemm is None else median_low(found)
    rate, index, projection = chosen
    measured = works[index].row
    point = f" at {measured.point.label}" if row.gemm is None else ""
    return Comparison(
        published=row,
        projection=projection,
        kernel=measured.point.kernel,
        provider=measured.provider,
        projected_flops_per_s=rate,
        differs=f"{row.implementation}; here {differs}{point}",
        why="",
    )


def _without(row: Published, why: str) -> Comparison:
    return Comparison(
        published=row,
        projection=None,
        kernel="",
        provider="",
        projected_flops_per_s=None,
        differs=row.implementation,
        why=why,
    )
