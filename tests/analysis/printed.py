"""Prints known launches as ncu would, in every form that its CSV has."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dsprof.analysis.launches import Launch

RULE_COLUMNS = (
    "Rule Name",
    "Rule Type",
    "Rule Description",
    "Estimated Speedup Type",
    "Estimated Speedup",
)
RULE = (
    "SOLBottleneck",
    "OPT",
    'This workload, "small" as it is,\nhas a line break and 1,234.5 numbers.',
    "global",
    "12.5",
)
# Base unit -> what ncu makes of a large value, by its new and its old name.
AUTO_UNITS = {
    "ns": (1e3, ("us", "usecond")),
    "byte/s": (1e9, ("Gbyte/s", "Gbyte/second")),
    "byte": (1e3, ("Kbyte", "Kbyte")),
    "byte/block": (1e3, ("Kbyte/block", "Kbyte/block")),
    "hz": (1e9, ("Ghz", "cycle/nsecond")),
}
OLD_UNITS = {"ns": "nsecond", "byte/s": "byte/second", "hz": "cycle/second"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a file is printed: ``group`` may be empty, as in the C locale."""

    decimal: str = "."
    group: str = ""
    auto_units: bool = False
    old_units: bool = False
    decimals: int = 6

    def number(self, value: float) -> str:
        text = f"{value:,.{0 if value == int(value) else self.decimals}f}"
        swapped = text.replace(",", "\0").replace(".", self.decimal)
        return swapped.replace("\0", self.group)

    def unit(self, base: str) -> tuple[float, str]:
        if self.auto_units and base in AUTO_UNITS:
            factor, names = AUTO_UNITS[base]
            return factor, names[self.old_units]
        return 1.0, OLD_UNITS.get(base, base) if self.old_units else base

    def value(self, launch: Launch, metric: str) -> str:
        if metric in launch.absent:
            return launch.absent[metric]
        value = launch.values[metric]
        if isinstance(value, str):
            return value
        return self.number(value / self.unit(launch.units[metric])[0])


IDENTITY = (
    "ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream",
    "Block Size", "Grid Size", "Device", "CC",
)  # fmt: skip
NVTX = (
    "thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg",
    "Id:Domain:Start/Stop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg",
)


def _identity(number: int, launch: Launch, *, nvtx: bool) -> list[str]:
    cells = [str(number), "668", "python3.12", "127.0.0.1"]
    if nvtx:
        push_pop = "".join(f'"{_nvtx(name)}"  ' for name in launch.push_pop)
        start_end = "".join(
            f'"{index}:{_nvtx(name)}"  ' for index, name in enumerate(launch.start_end)
        )
        cells += [f"668  {push_pop}" if push_pop else "", start_end]
    x, y, z = launch.block
    gx, gy, gz = launch.grid
    return [
        *cells, launch.kernel_name, "1", "7", f"({x}, {y}, {z})", f"({gx}, {gy}, {gz})",
        "0", ".".join(map(str, launch.compute_capability)),
    ]  # fmt: skip


def _nvtx(name: str) -> str:
    domain, _, message = name.partition(":")
    return f"{domain}:{message}:none:none:RGB:0xff:REGISTERED:{message}"


def _headings(*, nvtx: bool) -> list[str]:
    return [*IDENTITY[:4], *(NVTX if nvtx else ()), *IDENTITY[4:]]


def raw_page(launches: Sequence[Launch], form: Form, *, nvtx: bool = True) -> str:
    """``--page raw``: a column a metric, below its name its unit."""
    metrics = list(dict.fromkeys(name for one in launches for name in one.units))
    units = {name: unit for one in launches for name, unit in one.units.items()}
    headings = _headings(nvtx=nvtx)
    rows = [
        [*headings, *metrics],
        ["" for _ in headings] + [form.unit(units[name])[1] for name in metrics],
    ]
    rows += [
        [
            *_identity(number, launch, nvtx=nvtx),
            *(
                form.value(launch, name) if name in launch.units else ""
                for name in metrics
            ),
        ]
        for number, launch in enumerate(launches)
    ]
    return _text(rows)


def details_page(
    launches: Sequence[Launch],
    form: Form,
    *,
    nvtx: bool = True,
    rules: bool = True,
    labels: dict[str, tuple[str, str]] | None = None,
) -> str:
    """The default page: a row a metric, by name or by (section, label)."""
    headings = _headings(nvtx=nvtx)
    columns = ["Section Name", "Metric Name", "Metric Unit", "Metric Value"]
    rows = [[*headings, *columns, *(RULE_COLUMNS if rules else ())]]
    lines = [_text(rows)]
    for number, launch in enumerate(launches):
        identity = _identity(number, launch, nvtx=nvtx)
        for name, base in launch.units.items():
            section, label = (labels or {}).get(
                name, ("Command line profiler metrics", name)
            )
            unit = form.unit(base)[1]
            row = [*identity, section, label, unit, form.value(launch, name)]
            # ncu ends a metric's row after its value, with a comma if rules follow.
            lines.append(_text([row]).rstrip("\n") + ("," if rules else "") + "\n")
        if rules:
            lines.append(_text([[*identity, "SpeedOfLight", "", "", "", *RULE]]))
    return "".join(lines)


def _text(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
