"""How sure a number of the what-if model is: the fits' own errors, and what is fitted.

A level is high where the fits of the calls concerned are within 10 % on token counts
that were left out of them, and less than a tenth of the time rests on terms that the
sweep never reached; medium within twice those; low beyond.
"""

from collections.abc import Collection, Sequence

from dsprof.analysis.npu.layers import SizedLayer
from dsprof.analysis.npu.section import Confidence, Level
from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.whatif.terms import CallTerms, Term

HIGH_ERROR_PCT = 10.0
HIGH_UNREACHED_PCT = 10.0
MEDIUM_FACTOR = 2


def of_layers(
    layers: Sequence[SizedLayer], terms: Collection[Term], *, missing: int = 0
) -> Confidence:
    """Confidence in a projection of these layers along these terms."""
    error_pct = fit_error_pct(layers)
    unreached_pct = max(not_identified_pct(layers, term) for term in terms)
    reason = (
        f"fits off by {significant(error_pct)} % on token counts left out, weighted "
        f"by time; the sweep never reached the "
        f"{' or '.join(name_of(term) for term in terms)} term in "
        f"{significant(unreached_pct)} % of the time of the calls that have one"
    )
    if missing:
        reason += f"; {plural(missing, 'call')} without a time"
    return Confidence(
        level=_level(error_pct, unreached_pct, whole=not missing), reason=reason
    )


def at_most_medium(base: Confidence, untested: str) -> Confidence:
    """The same for something that the profile could not run."""
    level = Level.LOW if base.level is Level.LOW else Level.MEDIUM
    return Confidence(level=level, reason=f"{base.reason}; {untested}")


def name_of(term: Term) -> str:
    """A term as the report's sentences name it."""
    return {Term.HBM: "HBM", Term.ON_CHIP: "on-chip"}.get(term, str(term))


def fit_error_pct(layers: Sequence[SizedLayer]) -> float:
    """Mean of the calls' left-out errors, weighted by their time."""
    calls = [call for layer in layers for call in layer.calls]
    total_s = sum(call.time_s for call in calls)
    return sum(call.time_s * call.terms.error_pct for call in calls) / total_s


def not_identified_pct(layers: Sequence[SizedLayer], term: Term) -> float:
    """Percent of the time of calls with a term in which its efficiency is not known."""
    calls = [call for layer in layers for call in layer.calls if has(call.terms, term)]
    total_s = sum(call.time_s for call in calls)
    unknown_s = sum(call.time_s for call in calls if term in call.terms.not_identified)
    return 100 * unknown_s / total_s if total_s else 0.0


def has(call: CallTerms, term: Term) -> bool:
    """Whether a call asks anything of that resource."""
    return bool(
        {
            Term.TENSOR: call.tensor_s,
            Term.VECTOR: call.vector_s,
            Term.HBM: call.hbm_s,
            Term.ON_CHIP: call.on_chip_s,
            Term.FIXED: call.fixed_s,
        }[term]
    )


def _level(error_pct: float, unreached_pct: float, *, whole: bool) -> Level:
    for level, factor in ((Level.HIGH, 1), (Level.MEDIUM, MEDIUM_FACTOR)):
        close = error_pct <= factor * HIGH_ERROR_PCT
        reached = unreached_pct <= factor * HIGH_UNREACHED_PCT
        if close and reached and (whole or level is Level.MEDIUM):
            return level
    return Level.LOW
