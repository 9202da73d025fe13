"""Numbers and units as ncu prints them, and what they are in base units.

ncu prints in the locale that it ran in, so "84.480" is 84,480 instructions in a German
file and no number of ncu's in an English one. Which it is, the whole file decides.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TOKEN = re.compile(r"[-+]?(\d[\d.,]*)([eE][-+]?\d+)?", re.ASCII)
# Group separators that are never a decimal one: French, Swiss and Swedish files.
_SPACES = str.maketrans("", "", "\u00a0\u202f'\u2019")
_OTHER = {".": ",", ",": "."}
_NUMBERS = {
    decimal: re.compile(
        rf"[-+]?(\d{{1,3}}({re.escape(group)}\d{{3}})+|\d+)"
        rf"(?P<fraction>{re.escape(decimal)}\d+)?(?P<exponent>[eE][-+]?\d+)?",
        re.ASCII,
    )
    for decimal, group in _OTHER.items()
}
GROUP_DIGITS = 3

# Metrics that count, so that a separator in them can only be one of thousands.
_COUNTS = re.compile(
    r"launch__(grid_size|block_size|thread_count|grid_dim_\w|block_dim_\w)"
    r"|device__attribute_\w+|\w+\.sum|Grid Size|Block Size|Threads|Elapsed Cycles"
    r"|Executed Instructions|Issued Instructions"
)
_COUNTED = {"", "inst", "byte", "cycle", "sector", "request", "thread", "ns", "nsecond"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One printed value with what is known of it."""

    metric: str  # or its label
    unit: str
    text: str

    @property
    def is_count(self) -> bool:
        return self.unit in _COUNTED and _COUNTS.fullmatch(self.metric) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a file prints numbers."""

    decimal: str = "."
    guessed: str = ""  # a number that could be read both ways, where nothing decided

    def parse(self, text: str) -> float | int | None:
        """The number, or None where the text is no number of this style."""
        text = text.translate(_SPACES)
        match = _NUMBERS[self.decimal].fullmatch(text)
        if match is None:
            return None
        plain = text.replace(_OTHER[self.decimal], "").replace(self.decimal, ".")
        return float(plain) if match["fraction"] or match["exponent"] else int(plain)


class MixedStylesError(Exception):
    """A file has numbers of two styles; the arguments are one of each."""


def decide_style(cells: Iterable[Cell]) -> Style:
    """The style that every number of a file agrees with.

    Decisive is a number with both separators, with a group that is repeated, or with
    other than three digits behind its only separator. Else a count decides (it has no
    fraction), then a percentage (it is not in the thousands). ncu prints two or six
    decimals, so where nothing decides, three digits are taken for a group.
    """
    certain: dict[str, str] = {}
    likely: dict[str, str] = {}
    undecided: dict[str, str] = {}
    tokens = ((cell, _token(cell.text)) for cell in cells)
    for cell, token in tokens:
        if token is None:
            continue
        decimal = _decimal_of(token)
        if decimal is not None:
            certain.setdefault(decimal, cell.text)
            continue
        separator = "." if "." in token else ","
        undecided.setdefault(separator, cell.text)
        if cell.is_count:
            likely.setdefault(_OTHER[separator], cell.text)
        elif cell.unit == "%":  # as a group it would be 1,000 % or more
            likely.setdefault(separator, cell.text)
    evidence = certain or likely or undecided
    if len(evidence) > 1:
        raise MixedStylesError(evidence["."], evidence[","])
    for char, text in evidence.items():
        if evidence is undecided:
            return Style(decimal=_OTHER[char], guessed=text)
        return Style(decimal=char)
    return Style()


def _token(text: str) -> str | None:
    """The digits and separators of a number that has a separator."""
    text = text.translate(_SPACES)
    match = _TOKEN.fullmatch(text)
    if match is None or not ("." in match[1] or "," in match[1]):
        return None
    well_formed = any(number.fullmatch(text) for number in _NUMBERS.values())
    return match[1] if well_formed else None


def _decimal_of(token: str) -> str | None:
    """The decimal separator that a number shows; None where it could be either."""
    separators = [char for char in token if char in _OTHER]
    last = separators[-1]
    whole, _, fraction = token.rpartition(last)
    if len(set(separators)) > 1:
        return last
    if len(separators) > 1:
        return _OTHER[last]
    if len(fraction) != GROUP_DIGITS or whole.startswith("0"):
        return last
    return last if len(whole) > GROUP_DIGITS else None


_TIME_NS = {"n": 1.0, "u": 1e3, "m": 1e6, "": 1e9}
_PREFIX = {"": 1.0, "K": 1e3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_TIME = re.compile(r"([num]?)(?:second|s)")
_SCALED = re.compile(r"([KkMGTP]?)(byte|hz|bit)", re.IGNORECASE)


def to_base(unit: str) -> tuple[float, str]:
    """The factor and the name of the base unit: ("Gbyte/s") is (1e9, "byte/s").

    Prefixes are decimal. Times are in ns, rates a second, clocks in hz.
    """
    above, slash, below = unit.partition("/")
    factor, name = _scaled(above)
    if not slash:
        return factor, name
    if time := _TIME.fullmatch(below):
        per_second = 1e9 / _TIME_NS[time[1]]
        return factor * per_second, "hz" if name == "cycle" else f"{name}/s"
    below_factor, below_name = _scaled(below)
    return factor / below_factor, f"{name}/{below_name}"


def _scaled(unit: str) -> tuple[float, str]:
    if time := _TIME.fullmatch(unit):
        return _TIME_NS[time[1]], "ns"
    if scaled := _SCALED.fullmatch(unit):
        return _PREFIX[scaled[1]], scaled[2].lower()
    return 1.0, unit
