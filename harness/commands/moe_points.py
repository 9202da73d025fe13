"""A measured point of dsprof moe as JSON: unrounded, in FLOP, bytes and seconds."""

from typing import TYPE_CHECKING, Any

from dsprof.harness.plain import to_plain

if TYPE_CHECKING:
    from dsprof.analysis.moe.breakdown import Breakdown
    from dsprof.analysis.moe.study import Reached, Study


def plain_reached(study: "Study", one: "Reached") -> dict[str, Any]:
    """One point of a curve; what only a whole pipeline has is null for a sum."""
    whole = one.point.whole
    made = one.point.breakdown
    return {
        "way": one.curve.name,
        "timed_as": one.curve.timed_as,
        "cache": str(one.curve.cache),
        "tokens": one.point.tokens,
        "time_s": one.point.time_us * 1e-6,
        "experts": one.point.experts,
        "bound": str(one.bound),
        "bytes": one.done.total_bytes,
        "flops": one.done.flops,
        "bytes_per_s": one.bytes_per_s,
        "flops_per_s": one.flops_per_s,
        "efficiency": to_plain(one.efficiency),
        "error": whole.row.error if whole else None,
        "error_limit": whole.row.error_limit if whole else None,
        "timing": to_plain(whole.timing) if whole else None,
        "stages": [
            {"call": stage.call.label, "time_s": stage.time_us * 1e-6}
            for stage in one.point.stages
        ],
        "breakdown": _plain_breakdown(study, one, made) if made else None,
    }


def _plain_breakdown(
    study: "Study", one: "Reached", made: "Breakdown"
) -> dict[str, Any]:
    """Every launch of one call, the share of each stage, and both GEMMs' rates."""
    from dsprof.analysis.moe.gemms import gemm_rates

    return {
        "calls": made.calls,
        "spans_s": made.spans_us * 1e-6,
        "gaps_s": made.gaps_us * 1e-6,
        "shares": dict(made.shares),
        "launches": [
            {
                "stage": launch.stage,
                "function": launch.function_name,
                "start_s": launch.start_us * 1e-6,
                "span_s": launch.span_us * 1e-6,
                "time_s": launch.time_us * 1e-6,
                "gap_s": launch.gap_us * 1e-6,
            }
            for launch in made.launches
        ],
        "gemms": [
            {
                "stage": str(rate.stage),
                "time_s": rate.time_us * 1e-6,
                "flops_per_s": rate.flops_per_s,
                "weight_bytes_per_s": rate.weight_bytes_per_s,
            }
            for rate in gemm_rates(one, study.geometry)
        ],
    }
