"""Which metric a label of ncu's details page stands for."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LABELS_TOML = Path(__file__).with_name("ncu_labels.toml")
# "dram__bytes.sum", also inside "label (name)" and behind "breakdown:".
_NAME = re.compile(r"[a-z0-9_]+__[a-zA-Z0-9_.]+")
_BRACKETED = re.compile(r"\s+\[[^\]]*\]$")


def metric_name(section: str, label: str, base_unit: str) -> str | None:
    """The metric that a row is about; None for a label that stands for no counter.

    ncu prints names, labels or "label (name)". A label counts only with its unit:
    "Memory Throughput" is in % in one section and in byte/s in another.
    """
    if "__" in label:
        if label.startswith("breakdown:"):
            return label
        found = _NAME.search(label)
        return found[0] if found else None
    labels = _labels()
    exact = labels.get((section, label, base_unit))
    if exact is not None:
        return exact
    # Under "Command line profiler metrics" a label has lost its section.
    anywhere = {
        metric
        for (_, known, unit), metric in labels.items()
        if (known, unit) == (label, base_unit)
    }
    return anywhere.pop() if len(anywhere) == 1 else None


def column_metric(heading: str) -> str | None:
    """The metric of a raw page's column; None where it is not one."""
    heading = _BRACKETED.sub("", heading)
    return heading if "__" in heading or heading.startswith("derived") else None


@cache
def _labels() -> Mapping[tuple[str, str, str], str]:
    """Metric by (section, label, base unit)."""
    document = tomllib.loads(LABELS_TOML.read_text(encoding="utf-8"))
    return {
        (name, label, entry["unit"]): entry["metric"]
        for section in document["section"]
        for name in section["names"]
        for label, entry in section["labels"].items()
    }
