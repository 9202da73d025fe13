"""Arithmetic intensity by time, and the machine balance at which time is balanced.

A call is balanced on a machine when its HBM term is no longer than its longest compute
term (tensor or vector): its bytes then keep up with its FLOP. The machine balance is
the rated FLOP/s of the layer's main datapath, that of the calls that take most of its
time, over the HBM bytes/s. The fewer FLOP/s a machine has for each byte/s, the more
calls are balanced on it; a call without FLOP never is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.grid import timed_calls
from dsprof.analysis.whatif.residency import ONE_LAYER_HELD, Held, Residency
from dsprof.analysis.whatif.resource import machines_with
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term
from dsprof.harness.device import Datapath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARES = (0.5, 0.9)
WIDEST = 1e6  # the balance is sought from the source's over this to times this
STEPS = 50  # halvings of a range of e**28: to the last digits of a float


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityPart:
    """The calls of one layer whose intensities are within two bounds, FLOP/byte.

    ``low`` is inside, ``high`` is not; both are 0 for the calls without FLOP.
    """

    low: float
    high: float
    share_pct: float  # of the layer's time
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancePoint:
    """The machine balance at which a share of a layer's time is balanced.

    ``flop_per_byte`` is None where no bandwidth is enough: ``most_share`` is balanced
    at most.
    """

    share: float
    flop_per_byte: float | None
    hbm_bytes_per_s: float | None  # that make it, at the source's FLOP/s
    most_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One layer's intensities, and how balanced its time is on the source."""

    layer: LayerTerms
    datapath: Datapath  # the main one
    source_flop_per_byte: float
    source_share: float  # of the time on the source that is balanced
    parts: tuple[IntensityPart, ...]
    points: tuple[BalancePoint, ...]


def intensity(call: CallTerms) -> float:
    """FLOP of all datapaths over compulsory bytes; 0 without FLOP."""
    flops = sum(call.flops.values())
    return flops / call.footprint_bytes if flops and call.footprint_bytes else 0.0


def intensity_parts(layer: LayerTerms) -> tuple[IntensityPart, ...]:
    """Time by intensity: calls without FLOP, then powers of two, empty ones left out.

    Time is that of the source; calls with FLOP and no bytes are beyond any part.
    """
    total_s = layer.time_s
    parts: dict[int | None, tuple[float, list[str]]] = {}
    for call in layer.calls:
        value = intensity(call)
        key = math.floor(math.log2(value)) if value else None
        share, names = parts.get(key, (0.0, []))
        added = 100 * call.count * call.time_s / total_s
        parts[key] = share + added, [*names, f"{call.kernel} {call.op}"]
    return tuple(
        IntensityPart(
            low=0.0 if key is None else 2.0**key,
            high=0.0 if key is None else 2.0 ** (key + 1),
            share_pct=share,
            calls=tuple(names),
        )
        for key, (share, names) in sorted(
            parts.items(), key=lambda part: -math.inf if part[0] is None else part[0]
        )
    )


def main_datapath(layer: LayerTerms) -> Datapath | None:
    """The datapath of the calls that take most of the time; None without FLOP.

    A call's datapath is the one that does most of its FLOP.
    """
    time_s: dict[Datapath, float] = {}
    for call in layer.calls:
        rated = [path for path in call.flops if path in layer.source.flops_per_s]
        if rated and any(call.flops[path] for path in rated):
            own = max(rated, key=lambda path: call.flops[path])
            time_s[own] = time_s.get(own, 0.0) + call.count * call.time_s
    return max(time_s, key=lambda path: time_s[path]) if time_s else None


def balance(
    layer: LayerTerms,
    *,
    shares: Sequence[float] = SHARES,
    held: Held = ONE_LAYER_HELD,
) -> Balance | None:
    """Balance of one layer on its source; None for a layer without FLOP."""
    datapath = main_datapath(layer)
    if datapath is None:
        return None
    times = _times(layer, Residency.of(layer, held))
    source = layer.source
    flops_per_s = source.flops_per_s[datapath]
    points = []
    for share in shares:
        more = times.reaches(share)
        bytes_per_s = None if more is None else source.hbm_bytes_per_s * more
        points.append(
            BalancePoint(
                share=share,
                flop_per_byte=flops_per_s / bytes_per_s if bytes_per_s else None,
                hbm_bytes_per_s=bytes_per_s,
                most_share=times.share(WIDEST),
            )
        )
    return Balance(
        layer=layer,
        datapath=datapath,
        source_flop_per_byte=flops_per_s / source.hbm_bytes_per_s,
        source_share=times.share(1.0),
        parts=intensity_parts(layer),
        points=tuple(points),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """Seconds of each call, times its count."""

    compute_s: "NDArray[np.float64]"  # the longest of tensor and vector
    hbm_s: "NDArray[np.float64]"
    on_chip_s: "NDArray[np.float64]"
    fixed_s: "NDArray[np.float64]"

    def share(self, bandwidth: float) -> float:
        """Balanced part of the time with so many times the HBM bandwidth.

        More bandwidth turns calls to balanced and shortens only the others.
        """
        import numpy as np

        hbm = self.hbm_s / bandwidth
        seconds = np.maximum.reduce([self.compute_s, hbm, self.on_chip_s])
        seconds += self.fixed_s
        total = float(seconds.sum())
        balanced = (self.compute_s > 0) & (hbm <= self.compute_s)
        return float(seconds[balanced].sum()) / total if total else 0.0

    def reaches(self, share: float) -> float | None:
        """The least bandwidth factor with that share; None if none has it."""
        low, high = -math.log(WIDEST), math.log(WIDEST)
        if self.share(math.exp(high)) < share:
            return None
        for _ in range(STEPS):
            middle = (low + high) / 2
            if self.share(math.exp(middle)) < share:
                low = middle
            else:
                high = middle
        return math.exp(high)


def _times(layer: LayerTerms, residency: Residency) -> _Times:
    import numpy as np

    rows = [
        [
            one.call.count * float(seconds)
            for seconds in (
                np.maximum(one.terms[Term.TENSOR], one.terms[Term.VECTOR]),
                one.terms[Term.HBM],
                one.terms[Term.ON_CHIP],
                one.terms[Term.FIXED],
            )
        ]
        for one in timed_calls(layer, machines_with(layer.source, {}), residency)
    ]
    compute, hbm, on_chip, fixed = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return _Times(compute_s=compute, hbm_s=hbm, on_chip_s=on_chip, fixed_s=fixed)
