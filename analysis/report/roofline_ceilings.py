"""Measured roofs as tables: what was measured, and the roofs that follow from it."""

from collections.abc import Callable, Sequence

from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.hardware import TERA, datapath_name
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.roofs import rated, roofs
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import DeviceSpec
from dsprof.harness.profile import Profile

HEADINGS = (
    "Pattern",
    ">Burst",
    ">Sustained",
    "Unit",
    ">% of spec",
    ">SM clock (MHz)",
    ">Power (W)",
    "Held down by",
    "Work",
)


def ceiling_table(ceilings: Sequence[Ceiling], device: DeviceSpec | None) -> Table:
    """One row a pattern; cells with two values give the burst's first.

    Without a device there is no spec to be a percentage of.
    """
    found: dict[Pattern, dict[Duration, Ceiling]] = {}
    for ceiling in ceilings:
        found.setdefault(ceiling.pattern, {})[ceiling.duration] = ceiling
    return Table(
        headings=HEADINGS,
        rows=[_row(p, found[p], device) for p in Pattern if p in found],
    )


def roof_table(profile: Profile) -> Table:
    """Every named roof: a datapath's FLOP/s, the byte/s, and where they meet."""
    return Table(
        headings=("Roof", "Datapath", ">TFLOP/s", ">TB/s", ">Ridge (FLOP/byte)"),
        rows=[
            (
                roof.name,
                datapath_name(path),
                significant(roof.flops_per_s / TERA),
                significant(roof.bytes_per_s / TERA),
                significant(roof.ridge_point),
            )
            for path in profile.device.flops_per_s
            for roof in roofs(profile, path).values()
        ],
    )


def _row(
    pattern: Pattern, found: dict[Duration, Ceiling], device: DeviceSpec | None
) -> list[Cell]:
    limit = None if device is None else rated(device, pattern)
    measured = [found[duration] for duration in Duration if duration in found]

    def both(show: Callable[[Ceiling], str]) -> str:
        return " / ".join(show(ceiling) for ceiling in measured)

    return [
        Code(pattern),
        *(
            significant(found[duration].value / TERA) if duration in found else MISSING
            for duration in (Duration.BURST, Duration.SUSTAINED)
        ),
        "TB/s" if pattern.moves_bytes else "TFLOP/s",
        MISSING
        if limit is None
        else both(lambda c: significant(100 * c.value / limit)),
        both(lambda c: f"{c.sm_clock_mhz:,}"),
        both(lambda c: significant(c.power_w)),
        both(lambda c: ", ".join(c.throttle_reasons) or "nothing"),
        "; ".join(dict.fromkeys(ceiling.work for ceiling in measured)),
    ]
