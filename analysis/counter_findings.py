"""Sentences about counters, each computed from the rows of a merged frame."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.classify import DEFAULT_THRESHOLDS, BoundClass
from dsprof.analysis.counter_columns import ACHIEVED, DRAM, SM, ShownCounter
from dsprof.analysis.findings import Finding
from dsprof.analysis.inflation import CLOSE, NOT_EXPLAINED
from dsprof.analysis.numerals import plural, scaled_bytes, significant
from dsprof.analysis.roofline import share_of_time_pct
from dsprof.analysis.shown_rows import cache_states, judged_rows, state_words
from dsprof.harness.device import Datapath, DeviceSpec

if TYPE_CHECKING:
    import pandas as pd

SHOWN_ROWS = 4
SHOWN_KERNELS = 6
LONGEST = 10
# Tukey's fences: beyond them a value is called an outlier.
FENCE = 1.5
STREAMED_L2_SIZES = 4
READ_LIMITS = (0.95, 1.10)


def _finding(title: str, detail: str, rows: "pd.DataFrame | None" = None) -> Finding:
    labels = [] if rows is None else list(dict.fromkeys(rows["name"]))
    return Finding(
        title=title,
        detail=detail,
        rows=tuple(labels[:SHOWN_ROWS]),
        row_count=len(labels),
    )


def time_column(frame: "pd.DataFrame") -> "pd.Series[float]":
    """Graph time, or the time under ncu where the point has none."""
    return frame["graph_us"].fillna(frame["duration_us"])


def class_findings(frame: "pd.DataFrame") -> list[Finding]:
    """Shares of time, why points are balanced, and how sure the classes are."""
    found = []
    for state in cache_states(frame):
        rows = frame[frame["cache"] == state]
        times = time_column(rows)
        of_class = {name: times[rows["class"] == name] for name in BoundClass}
        shares = ", ".join(
            f"{name} {significant(share_of_time_pct(part, times))} %"
            for name, part in of_class.items()
            if len(part)
        )
        found.append(
            _finding(f"Share of the summed time, {state_words(state)}", shares)
        )
        found += _balanced(rows, state)
    judged = judged_rows(frame)
    return [*found, *_doubts(judged), *_both_states(frame)]


def _balanced(rows: "pd.DataFrame", state: str) -> list[Finding]:
    balanced = rows[rows["class"] == BoundClass.BALANCED]
    if not len(balanced):
        return []
    idle = int((balanced["limiter"] == "latency").sum())
    conflict = int(balanced["conflict"].sum())
    near = len(balanced) - idle - conflict
    return [
        _finding(
            f"Why balanced, {state_words(state)}",
            f"{idle} below the floor on both sides, {near} with both sides near "
            f"parity, {conflict} in conflict, of {len(balanced)}",
        )
    ]


def _doubts(rows: "pd.DataFrame") -> list[Finding]:
    found = []
    short = f"{DEFAULT_THRESHOLDS.latency_us:g} us"
    for title, flagged in (
        ("Conflict: the busy side is not the side of the intensity", rows["conflict"]),
        (f"Latency flag: a launch under {short} or under one wave", rows["latency"]),
        ("Class unknown", rows["class"] == BoundClass.UNKNOWN),
        ("Low confidence", rows["confidence"] == "low"),
    ):
        here = rows[flagged]
        if len(here):
            count = f"{plural(len(here), 'point')} of {len(rows)}"
            found.append(_finding(title, f"{count}, {kernel_counts(here)}"))
    sure = rows[(rows["margin"] > 0) & (rows["margin"] < 1)]
    if len(sure):
        nearest = sure.nsmallest(1, "margin")
        away = significant(100 * nearest["margin"].iloc[0])
        detail = f"{nearest['class'].iloc[0]}, {away} % away"
        found.append(_finding("Nearest to another class", detail, nearest))
    return found


def _both_states(frame: "pd.DataFrame") -> list[Finding]:
    """How many points keep their class from cold to warm."""
    classes = frame[frame["phase"] != ""].pivot_table(
        index="name", columns="cache", values="class", aggfunc="last"
    )
    if not {"cold", "warm"} <= set(classes.columns):
        return []
    both = classes.dropna(subset=["cold", "warm"])
    moved = both[both["cold"] != both["warm"]]
    changes = Counter(f"{row['cold']} to {row['warm']}" for _, row in moved.iterrows())
    words = "".join(f"; {change} {count}" for change, count in changes.most_common())
    detail = f"{len(moved)} of {plural(len(both), 'point')}{words}"
    return [_finding("Another class warm than cold", detail)]


def kernel_counts(rows: "pd.DataFrame") -> str:
    """For example ``rmsnorm 3, bmm_fp8 1 and 4 more kernels``: the most first."""
    counts = Counter(rows["kernel"]).most_common()
    words = ", ".join(f"{name} {count}" for name, count in counts[:SHOWN_KERNELS])
    more = len(counts) - SHOWN_KERNELS
    return f"{words} and {plural(more, 'more kernel')}" if more > 0 else words


def mean_findings(frame: "pd.DataFrame") -> list[Finding]:
    """Which class has the highest and the lowest mean of three counters."""
    rows = judged_rows(frame)
    found = []
    for counter in (SM, DRAM, ACHIEVED):
        means = rows.groupby("class")[counter.column].mean().dropna().sort_values()
        if len(means) > 1:
            (low, least), (high, most) = list(means.items())[:: len(means) - 1]
            found.append(
                _finding(
                    f"{counter.title}, {state_words(rows['cache'].iloc[0])}",
                    f"highest of {high} points, {significant(most)} {counter.unit} on "
                    f"average, lowest of {low} ones, {significant(least)}",
                )
            )
    return found


def duration_findings(frame: "pd.DataFrame") -> list[Finding]:
    """How much of the time the longest rows take, and of which class they are."""
    rows = judged_rows(frame).dropna(subset=["duration_us"])
    if not len(rows):
        return []
    longest = rows.nlargest(LONGEST, "duration_us")
    share = share_of_time_pct(longest["duration_us"], rows["duration_us"])
    classes = ", ".join(
        f"{count} {name}" for name, count in Counter(longest["class"]).most_common()
    )
    times = longest["duration_us"].iloc[0] / rows["duration_us"].median()
    return [
        _finding(
            f"The {len(longest)} longest of {plural(len(rows), 'row')}",
            f"{significant(share)} % of the summed time under ncu; {classes}; the "
            f"longest takes {significant(times)} times the median",
        )
    ]


def histogram_finding(frame: "pd.DataFrame", counter: ShownCounter) -> Finding:
    """Median, middle half, range and outliers of a counter, a part a cache state."""
    parts = []
    known = frame[["cache", "kernel", counter.column]].dropna()
    for state in cache_states(known):
        rows = known[known["cache"] == state]
        if len(rows):
            name = f"{state} " if state else ""
            parts.append(f"{name}{_spread(rows, counter.column)}")
    title = f"{counter.title} ({counter.unit})"
    return _finding(title, "; ".join(parts) or "no row has it")


def _spread(rows: "pd.DataFrame", column: str) -> str:
    values = rows[column]
    low, median, high = (float(values.quantile(q)) for q in (0.25, 0.5, 0.75))
    least, most = float(values.min()), float(values.max())
    words = (
        f"median {significant(median)}, middle half "
        f"{significant(low)} to {significant(high)}, all {significant(least)} to "
        f"{significant(most)} ({rows.nlargest(1, column)['kernel'].iloc[0]})"
    )
    reach = FENCE * (high - low)
    outliers = rows[(values < low - reach) | (values > high + reach)]
    if not len(outliers):
        return f"{words}, no outlier"
    return f"{words}, {plural(len(outliers), 'outlier')}: {kernel_counts(outliers)}"


def traffic_findings(frame: "pd.DataFrame", device: DeviceSpec) -> list[Finding]:
    """Whether counted work and traffic are the analytic ones."""
    return [*_flop_findings(frame), *_streaming(frame, device), *_amplified(frame)]


def _flop_findings(frame: "pd.DataFrame") -> list[Finding]:
    rows = judged_rows(frame).dropna(subset=["flop_inflation"])
    if not len(rows):
        return []
    ratios = rows["flop_inflation"]
    exact = int(((ratios - 1).abs() <= CLOSE).sum())
    others = rows[(ratios - 1).abs() > CLOSE]
    unexplained = others[~others["inflation_reason"].map(_is_explained)]
    found = [
        _finding(
            "Executed over analytic FLOP",
            f"1.00 at {exact} of {plural(len(rows), 'point')} whose FLOP were counted, "
            f"{significant(ratios.min())} to {significant(ratios.max())} in all",
        )
    ]
    if len(others):
        explained = f"{len(others) - len(unexplained)} of {len(others)} have a reason"
        without = "; without one" if len(unexplained) else ""
        found.append(_finding("Other ratios", f"{explained}{without}", unexplained))
    return found


def _is_explained(reason: str) -> bool:
    return bool(reason) and NOT_EXPLAINED not in reason


def _streaming(frame: "pd.DataFrame", device: DeviceSpec) -> list[Finding]:
    """Reads and writes of points far larger than L2, which HBM must serve.

    Kernels off the tensor cores stream: they need each byte once. A GEMM may read its
    operands again, once a tile.
    """
    large = STREAMED_L2_SIZES * device.l2_bytes
    rows = frame[(frame["cache"] == "cold") & (frame["bytes"] >= large)]
    rows = rows.dropna(subset=["read_amplification"])
    streams = rows["datapath"] == Datapath.FP32.value
    title = f"cold, at least {STREAMED_L2_SIZES} times L2 of compulsory traffic"
    return [
        _finding(f"{kind}, {title}", _far_beyond_l2(part, device), _outside(part))
        for kind, part in (
            ("Kernels off the tensor cores", rows[streams]),
            ("Kernels on the tensor cores", rows[~streams]),
        )
        if len(part)
    ]


def _far_beyond_l2(rows: "pd.DataFrame", device: DeviceSpec) -> str:
    low, high = READ_LIMITS
    reads = rows["read_amplification"]
    shortfall = rows["write_shortfall_bytes"].max()
    return (
        f"DRAM reads over compulsory reads {significant(reads.min())} to "
        f"{significant(reads.max())}, median {significant(reads.median())}, at "
        f"{plural(len(rows), 'point')}, {len(_outside(rows))} of them outside {low:g} "
        f"to {high:.2f}; at most {scaled_bytes(shortfall)} of writes not seen by DRAM, "
        f"where L2 holds {scaled_bytes(device.l2_bytes)}"
    )


def _outside(rows: "pd.DataFrame") -> "pd.DataFrame":
    low, high = READ_LIMITS
    return rows[~rows["read_amplification"].between(low, high)]


def _amplified(frame: "pd.DataFrame") -> list[Finding]:
    found = []
    for state in cache_states(frame):
        rows = frame[frame["cache"] == state].dropna(subset=["traffic_amplification"])
        if len(rows):
            ratio = rows["traffic_amplification"]
            found.append(
                _finding(
                    f"DRAM bytes over compulsory bytes, {state_words(state)}",
                    f"median {significant(ratio.median())}, "
                    f"{significant(ratio.min())} to {significant(ratio.max())}; most",
                    rows.nlargest(1, "traffic_amplification"),
                )
            )
    return found


def launch_findings(frame: "pd.DataFrame") -> list[Finding]:
    """Ncu's time against graph time, what limits occupancy, and partial waves."""
    found = []
    for state in cache_states(frame):
        rows = frame[frame["cache"] == state].dropna(subset=["ncu_over_graph"])
        if len(rows):
            ratio = rows["ncu_over_graph"]
            found.append(
                _finding(
                    f"Time under ncu over graph time, {state_words(state)}",
                    f"median {significant(ratio.median())}, "
                    f"{significant(ratio.min())} to {significant(ratio.max())}; most",
                    rows.nlargest(1, "ncu_over_graph"),
                )
            )
    rows = judged_rows(frame)
    return [*found, *_occupancy(rows), *_waves(rows), *_stalls(rows)]


def _occupancy(rows: "pd.DataFrame") -> list[Finding]:
    known = rows[rows["occupancy_limiter"] != ""]
    if not len(known):
        return []
    # What ties is one answer.
    counts = _words(known["occupancy_limiter"].str.replace(", ", " and "))
    return [_finding("Occupancy limited by", f"{counts}, of {len(known)}")]


def _waves(rows: "pd.DataFrame") -> list[Finding]:
    known = rows.dropna(subset=["waves_per_sm"])
    if not len(known):
        return []
    few = known[known["waves_per_sm"] < 1]
    detail = f"{len(few)} of {plural(len(known), 'point')}"
    words = f"{detail}, {kernel_counts(few)}" if len(few) else detail
    return [_finding("Less than one wave of blocks", words)]


def _stalls(rows: "pd.DataFrame") -> list[Finding]:
    known = rows[rows["top_stall"] != ""]
    if not len(known):
        return []
    return [
        _finding(
            "Longest wait of a warp", f"{_words(known['top_stall'])}, of {len(known)}"
        )
    ]


def _words(values: Iterable[str]) -> str:
    counts: Sequence[tuple[str, int]] = Counter(values).most_common()
    return ", ".join(f"{value} {count}" for value, count in counts)
