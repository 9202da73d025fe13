"""Traffic, FLOP, occupancy and names of what was captured, as tables."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.inflation import CLOSE
from dsprof.analysis.names import name_kernel
from dsprof.analysis.numerals import (
    MISSING,
    rated,
    scaled_bytes,
    scaled_flops,
    significant,
)
from dsprof.analysis.report.counter_tables import longest_first, names
from dsprof.analysis.report.markdown import Cell, Code, Table, without_empty_columns
from dsprof.analysis.roofline import share_of_time_pct
from dsprof.analysis.shown_rows import judged_rows, size_title
from dsprof.harness.counters import Counters
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import pandas as pd

SHOWN_NAMES = 60
KILO = 1e3


def traffic_table(frame: "pd.DataFrame") -> Table:
    """DRAM bytes against compulsory ones: rows that have a cost, cold beside warm."""
    known = frame[frame["bytes"].notna()]
    warm = _by_name(known[known["cache"] == Cache.WARM.value])
    rows = []
    for _, row in longest_first(judged_rows(known)).iterrows():
        other = warm.get(row["name"]) if row["cache"] != Cache.WARM.value else None
        rows.append(
            [
                *names(row),
                size_title(row),
                scaled_bytes(row["bytes"]),
                _bytes(row["dram_bytes"]),
                significant(row["traffic_amplification"]),
                _warm(other, "traffic_amplification"),
                significant(row["read_amplification"]),
                _bytes(row["write_shortfall_bytes"]),
                row["amplification_reason"],
            ]
        )
    made = Table(
        headings=(
            *("Kernel", "Op", "Size", ">Compulsory", ">DRAM", ">DRAM / compulsory"),
            *(">Same, warm", ">Reads / compulsory reads", ">Writes not in DRAM"),
            "Why it is not 1",
        ),
        rows=rows,
    )
    return without_empty_columns(made, empty=MISSING)


def flop_table(frame: "pd.DataFrame") -> Table:
    """Executed against analytic FLOP, where they differ or there is more to say."""
    judged = judged_rows(frame)
    differs = (judged["flop_inflation"] - 1).abs() > CLOSE
    shown = judged[differs | (judged["inflation_reason"] != "")]
    return Table(
        headings=(
            *("Kernel", "Op", "Size", "Datapath", ">Analytic", ">Executed"),
            *(">Executed / analytic", "Why"),
        ),
        rows=[
            [
                *names(row),
                size_title(row),
                str(row["datapath"]),
                _flops(row["flops"]),
                _flops(row["executed_flops"]),
                significant(row["flop_inflation"]),
                row["inflation_reason"],
            ]
            for _, row in longest_first(shown).iterrows()
        ],
    )


def launch_table(frame: "pd.DataFrame") -> Table:
    """What a point launches and what that occupies; times under ncu over graph time."""
    warm = _by_name(frame[frame["cache"] == Cache.WARM.value])
    judged = longest_first(judged_rows(frame))
    has_stalls = bool((judged["top_stall"] != "").any())
    rows = []
    for _, row in judged.iterrows():
        other = warm.get(row["name"]) if row["cache"] != Cache.WARM.value else None
        stall = (
            f"{row['top_stall']} {significant(row['top_stall_share_pct'])} %"
            if row["top_stall"]
            else MISSING
        )
        rows.append(
            [
                *names(row),
                size_title(row) or MISSING,
                f"{row['launches']}",
                rated(row["registers_per_thread"]),
                significant(row["shared_memory_bytes"] / KILO),
                significant(row["waves_per_sm"]),
                significant(row["theoretical_occupancy_pct"]),
                significant(row["achieved_occupancy_pct"]),
                row["occupancy_limiter"] or MISSING,
                significant(row["ncu_over_graph"]),
                _warm(other, "ncu_over_graph"),
                *([stall] if has_stalls else []),
            ]
        )
    stall_heading = ("Longest wait (of a warp's time)",) if has_stalls else ()
    made = Table(
        headings=(
            *("Kernel", "Op", "Size", ">Launches", ">Registers / thread"),
            *(">Shared memory (kB / block)", ">Waves / SM"),
            *(">Theoretical occupancy (%)", ">Achieved (%)", "Limited by"),
            *(">ncu / graph time", ">Same, warm", *stall_heading),
        ),
        rows=rows,
    )
    return without_empty_columns(made, empty=MISSING)


def _by_name(rows: "pd.DataFrame") -> "Mapping[str, pd.Series]":
    """Rows of points; launches outside a point have no name of their own."""
    return {str(row["name"]): row for _, row in rows[rows["phase"] != ""].iterrows()}


def _warm(row: "pd.Series | None", column: str) -> str:
    return MISSING if row is None else significant(row[column])


def _bytes(count: float) -> str:
    return MISSING if math.isnan(count) else scaled_bytes(count)


def _flops(count: float) -> str:
    return MISSING if math.isnan(count) or not count else scaled_flops(count)


def name_table(profile: Profile) -> Table:
    """Every kernel name that was captured, by its share of the time under ncu."""
    state = _judged_state(profile.counters)
    launches = [one for one in profile.counters if one.cache is state]
    times: dict[str, float] = {}
    points: dict[str, dict[str, None]] = {}
    for one in launches:
        times[one.kernel_name] = times.get(one.kernel_name, 0.0) + (
            one.duration_ns or 0.0
        )
        kernel = one.label.partition("/")[0]
        points.setdefault(one.kernel_name, {}).update({kernel: None} if kernel else {})
    ranked = sorted(times, key=lambda name: -times[name])
    rows: list[Sequence[Cell]] = []
    for rank, full_name in enumerate(ranked[:SHOWN_NAMES], start=1):
        named = name_kernel(full_name)
        rows.append(
            [
                str(rank),
                significant(share_of_time_pct([times[full_name]], times.values())),
                named.friendly,
                named.library,
                named.description,
                ", ".join(points[full_name]) or MISSING,
                Code(full_name),
            ]
        )
    made = Table(
        headings=(
            *(">Rank", ">Time (%)", "Friendly name", "Library", "What it does"),
            *("Launched by", "Full name"),
        ),
        rows=rows,
    )
    return without_empty_columns(made, empty=MISSING)


def _judged_state(launches: Iterable[Counters]) -> Cache | None:
    states = {one.cache for one in launches}
    return next((s for s in (Cache.COLD, Cache.WARM) if s in states), None)
