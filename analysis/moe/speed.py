"""How fast each whole pipeline is beside the one of a kernel library."""

from collections.abc import Iterator, Mapping

from dsprof.analysis.findings import Finding
from dsprof.analysis.moe.curves import Curve
from dsprof.analysis.moe.recorded import Recorded
from dsprof.analysis.numerals import plural, significant

LIBRARY = "sgl-kernel"  # whose CUTLASS GEMMs a pipeline of ops is made of


def baseline(recorded: Recorded) -> Curve | None:
    """The library's pipeline, where there is another to compare with it."""
    if len(recorded.pipelines) < 2:  # noqa: PLR2004 -- to compare
        return None
    return next((one for one in recorded.pipelines if _source(one) == LIBRARY), None)


def speed_ratios(recorded: Recorded) -> dict[str, dict[int, float]]:
    """By pipeline and tokens, the library's time over the pipeline's; 1 is as fast."""
    library = baseline(recorded)
    if library is None:
        return {}
    return {
        curve.name: {
            point.tokens: other.time_us / point.time_us
            for point in curve.points
            if (other := library.at(point.tokens)) is not None
        }
        for curve in recorded.pipelines
        if curve is not library and curve.cache is library.cache
    }


def speed_findings(recorded: Recorded) -> Iterator[Finding]:
    """The range of each ratio, and where a pipeline is the slower one."""
    library = baseline(recorded)
    for name, ratios in speed_ratios(recorded).items():
        if library is None or not ratios:
            continue
        least, most = (pick(ratios, key=lambda t: ratios[t]) for pick in (min, max))
        yield Finding(
            title=f"{name} beside {library.name}",
            detail=f"{significant(ratios[least])} (T = {least:,}) to "
            f"{significant(ratios[most])} (T = {most:,}) times as fast; "
            f"{_slower(ratios)}.",
        )


def _slower(ratios: Mapping[int, float]) -> str:
    slower = sorted(tokens for tokens, ratio in ratios.items() if ratio < 1)
    if not slower:
        return f"slower at none of {plural(len(ratios), 'size')}"
    listed = ", ".join(f"{tokens:,}" for tokens in slower)
    return f"slower at T = {listed}, {len(slower)} of {plural(len(ratios), 'size')}"


def graph_findings(recorded: Recorded) -> Iterator[Finding]:
    """What one graph takes of the sum of the calls that it is made of."""
    for curve in recorded.pipelines:
        for other in recorded.sums:
            ratios = {
                point.tokens: point.time_us / same.time_us
                for point in curve.points
                if (same := other.at(point.tokens)) is not None
            }
            if other.name != curve.name or not ratios:
                continue
            least, most = (pick(ratios, key=lambda t: ratios[t]) for pick in (min, max))
            yield Finding(
                title=f"{curve.title}, beside the sum",
                detail=f"{significant(ratios[least])} (T = {least:,}) to "
                f"{significant(ratios[most])} (T = {most:,}) of the sum's time.",
            )


def _source(curve: Curve) -> str:
    whole = curve.points[0].whole
    return whole.row.source if whole else ""
