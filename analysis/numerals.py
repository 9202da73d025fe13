"""Numbers as the reports print them: three significant digits, and a sign for none."""

import math

MISSING = "-"


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits; ``-`` for NaN.

    Digits before the point are never dropped, and are grouped by thousands.
    """
    if math.isnan(value):
        return MISSING
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    if decimals > 2 * digits:
        return f"{rounded:.{digits - 1}e}"
    return f"{value:,.{max(decimals, 0)}f}"


def rated(value: float) -> str:
    """A rated number, such as a peak: four digits at most, and no zeros at its end."""
    digits = significant(value, 4)
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def scaled_bytes(count: float) -> str:
    """Bytes under the decimal unit that keeps one to three digits before the point."""
    return _scaled(count, "B")


def scaled_flops(count: float) -> str:
    """FLOP under the decimal unit that keeps one to three digits before the point."""
    return _scaled(count, "FLOP")


def _scaled(count: float, unit: str) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(count) >= factor:
            return f"{significant(count / factor)} {prefix}{unit}"
    return f"{significant(count)} {unit}"


def plural(count: int, noun: str) -> str:
    """``1 point``, ``2 points``: for nouns that take an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
