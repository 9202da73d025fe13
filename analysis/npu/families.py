"""What the recordings of whole programs say of where kernel time goes."""

from collections.abc import Iterator

from dsprof.analysis.findings import Finding
from dsprof.analysis.model_findings import FUSABLE
from dsprof.analysis.names import Family
from dsprof.analysis.npu.section import found
from dsprof.analysis.numerals import significant
from dsprof.analysis.timeline_frame import family_shares, kernels_frame
from dsprof.harness.profile import Profile
from dsprof.harness.timeline import Timeline

SHOWN_FAMILIES = 4


def family_findings(profile: Profile) -> Iterator[Finding]:
    """One observation a recorded program: the families that take most kernel time."""
    for timeline in profile.timelines:
        shares = _shares(timeline)
        if shares:
            words = ", ".join(
                f"{family} {significant(share)} %"
                for family, share in list(shares.items())[:SHOWN_FAMILIES]
            )
            yield found(_title(timeline), f"kernel time by family: {words}")


def fusable_findings(profile: Profile) -> Iterator[Finding]:
    """The share of each recorded program that small operations take."""
    for timeline in profile.timelines:
        shares = _shares(timeline)
        if shares:
            total = sum(shares.get(str(family), 0.0) for family in FUSABLE)
            yield found(
                _title(timeline),
                "elementwise, activation, copy, concatenation, reduction and "
                f"normalisation kernels take {significant(total)} % of the kernel time",
            )


def gemv_pct(timeline: Timeline) -> float:
    """Percent of the kernel time in matrix times vector kernels."""
    return _shares(timeline).get(str(Family.GEMV), 0.0)


def program_title(timeline: Timeline) -> str:
    return _title(timeline)


def _shares(timeline: Timeline) -> dict[str, float]:
    """Percent of the kernel time by family, the longest first."""
    table = family_shares(kernels_frame(timeline))
    return {
        str(family): float(share)
        for family, share in zip(table["family"], table["share_pct"], strict=True)
    }


def _title(timeline: Timeline) -> str:
    name = f", range {timeline.range}" if timeline.range else ""
    return f"Recorded program{name}"
