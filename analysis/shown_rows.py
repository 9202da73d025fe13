"""Merged rows as tables and pictures show them: friendly names, order, sizes."""

from typing import TYPE_CHECKING

from dsprof.analysis.names import name_kernel
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Phase

if TYPE_CHECKING:
    import pandas as pd


STATES = (Cache.COLD.value, Cache.WARM.value, "")  # "": nobody recorded it


def shown_rows(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of a merged frame in the order and under the names of a report.

    A point's cache states follow each other, cold first. The kernel of a launch
    outside dsprof's points is its friendly name, not the function's, which many
    kernels share; its category is the family and its source the library.
    """
    points = {name: i for i, name in enumerate(dict.fromkeys(frame["name"]))}
    states = {state: i for i, state in enumerate(STATES)}
    order = frame["name"].map(points) * len(STATES) + frame["cache"].map(states)
    shown = frame.loc[order.sort_values(kind="stable").index].reset_index(drop=True)
    foreign = shown["phase"] == ""
    if foreign.any():
        named = shown.loc[foreign, "kernel_names"].map(name_kernel)
        friendly = named.map(lambda one: one.friendly)
        shown.loc[foreign, "name"] = friendly
        shown.loc[foreign, "kernel"] = friendly
        shown.loc[foreign, "category"] = named.map(lambda one: one.family.value)
        shown.loc[foreign, "source"] = named.map(lambda one: one.library)
    return shown


def launch_count(profile: Profile) -> str:
    """For example ``1 launch``, ``504 launches``."""
    count = len(profile.counters)
    return f"{count:,} launch{'es' if count != 1 else ''}"


def cache_states(frame: "pd.DataFrame") -> list[str]:
    """The cache states of the rows, cold first, and "" for one that is not known."""
    found = set(frame["cache"])
    return [state for state in STATES if state in found]


def state_words(state: str) -> str:
    """For example ``cold L2``."""
    return f"{state} L2" if state else "L2 state not recorded"


def state_title(state: str) -> str:
    """For example ``Cold L2``."""
    words = state_words(state)
    return words[0].upper() + words[1:]


def judged_rows(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of one cache state: cold, or else the first that there is."""
    states = cache_states(frame)
    return frame[frame["cache"] == states[0]] if states else frame


def size_title(row: "pd.Series") -> str:
    """``decode B=1``, ``prefill B=1 S=1024``; empty for a launch outside a point."""
    if not row["phase"]:
        return ""
    size = f"{row['phase']} B={row['batch_size']}"
    return size if row["phase"] == Phase.DECODE.value else f"{size} S={row['seq_len']}"


def op_title(row: "pd.Series") -> str:
    """The op, with the context length where the point has one."""
    import pandas as pd

    kv_len = row["kv_len"]
    return str(row["op"]) if pd.isna(kv_len) else f"{row['op']} kv={kv_len}"
