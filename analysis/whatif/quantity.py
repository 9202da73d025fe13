"""Reads a number with its unit: ``4TB/s``, ``2000T``, ``512 MiB``, ``2us``."""

import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum

_NUMBER = re.compile(
    r"\s*([+-]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]{1,4})?)"
    r"\s*(.*?)\s*"
)
LARGE = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
SMALL = {
    prefix: Decimal(10) ** power
    for prefix, power in {"m": -3, "u": -6, "\u00b5": -6, "\u03bc": -6, "n": -9}.items()
}


class Unit(StrEnum):
    """What a number counts; its own spelling comes first in ``SPELLINGS``."""

    FLOP_PER_S = "FLOP/s"
    BYTES_PER_S = "B/s"
    BYTES = "B"
    SECONDS = "s"
    WATTS = "W"


SPELLINGS: Mapping[Unit, tuple[str, ...]] = {
    Unit.FLOP_PER_S: ("FLOP/s", "FLOPs/s", "FLOPS"),
    Unit.BYTES_PER_S: ("B/s",),
    Unit.BYTES: ("B",),
    Unit.SECONDS: ("s",),
    Unit.WATTS: ("W",),
}
PREFIXES: Mapping[Unit, Mapping[str, int | Decimal]] = {
    Unit.FLOP_PER_S: LARGE,
    Unit.BYTES_PER_S: LARGE | BINARY,
    Unit.BYTES: LARGE | BINARY,
    Unit.SECONDS: SMALL,
    Unit.WATTS: {"m": SMALL["m"], "k": LARGE["k"], "M": LARGE["M"]},
}
# What to write instead, after "give".
ACCEPTED: Mapping[Unit, str] = {
    Unit.FLOP_PER_S: 'FLOP per second, dense, such as "2000T", "2 PFLOP/s" or 2e15',
    Unit.BYTES_PER_S: 'bytes per second, such as "4TB/s", "4000 GB/s" or 4e12',
    Unit.BYTES: 'bytes, such as "512MB", "256MiB" or 512e6',
    Unit.SECONDS: 'seconds, such as "2us", "600 ns" or 2e-6',
    Unit.WATTS: 'watts, such as "700W", "0.7 kW" or 700',
}


class QuantityError(ValueError):
    """What is wrong with a value; the text follows ``KEY is VALUE:``."""


def read_quantity(value: object, unit: Unit) -> float:
    """A number above zero in base units, from a number or from text with a unit.

    Text may leave the unit out and keep its prefix, as in ``2000T``. Prefixes are
    decimal; ``Ki`` to ``Ti`` are binary, for bytes alone.
    """
    if isinstance(value, str):
        number = _read_text(value, unit)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise QuantityError("not a number")
    else:
        number = _as_float(value)
    if not math.isfinite(number):
        raise QuantityError("not a finite number")
    if number <= 0:
        raise QuantityError("not above zero")
    return number


def _read_text(text: str, unit: Unit) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise QuantityError("does not begin with a number")
    digits, suffix = match.groups()
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise QuantityError("does not begin with a number") from None
    return _as_float(number * _factor(suffix, unit))


def _factor(suffix: str, unit: Unit) -> Decimal:
    factors: dict[str, int | Decimal] = {"": 1, **PREFIXES[unit]}
    for spelling in (*SPELLINGS[unit], ""):
        prefix = suffix.removesuffix(spelling).rstrip()
        if suffix.endswith(spelling) and prefix in factors:
            return Decimal(factors[prefix])
    raise QuantityError(f"'{suffix}' is not {unit} with a prefix")


def _as_float(value: float | Decimal) -> float:
    """Infinite where the value is beyond every float."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
