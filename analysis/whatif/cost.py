"""A simple model of what a machine costs: die area, and power while a layer runs.

    area  = fixed + the dearest tensor datapath + vector + HBM + on-chip bytes and rate
    power = static per area + energy of the layer's FLOP and bytes / its time

Area is linear in each resource. Tensor datapaths share one array of multipliers, so
the dearest of them counts. Launch latency is free, for want of any figure. Every
coefficient stands in ``cost.toml`` with its source, or marked as an assumption.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.project import Machines
from dsprof.analysis.whatif.residency import TENSOR, Residency
from dsprof.analysis.whatif.terms import LayerTerms
from dsprof.harness.device import Datapath
from dsprof.harness.errors import UsageError

if TYPE_CHECKING:
    from dsprof.analysis.whatif.project import Values

COST_TOML = Path(__file__).with_name("cost.toml")
TERA, MEGA, PICO = 1e12, 1e6, 1e-12
AREA_KEYS = (
    "fixed_mm2",
    *(f"{path}_mm2_per_tflop_per_s" for path in Datapath),
    "hbm_mm2_per_tb_per_s",
    "on_chip_mm2_per_mb",
    "on_chip_mm2_per_tb_per_s",
)
ENERGY_KEYS = (
    "static_w_per_mm2",
    *(f"{path}_pj_per_flop" for path in Datapath),
    "hbm_pj_per_byte",
    "on_chip_pj_per_byte",
)
KEYS = {"area": AREA_KEYS, "energy": ENERGY_KEYS}
ACCEPTED = "a number of at least 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """Coefficients by the keys of ``cost.toml``, and the source of each."""

    values: Mapping[str, float]
    sources: Mapping[str, str]
    path: Path

    def area_mm2(self, machines: Machines) -> "Values":
        """Die area, or what costs as much; a missing datapath costs nothing."""
        import numpy as np

        tensor: Values = 0.0
        for path in sorted(TENSOR):
            tensor = np.maximum(tensor, self._datapath_mm2(machines, path))
        own = self.values
        return (
            own["fixed_mm2"]
            + tensor
            + self._datapath_mm2(machines, Datapath.FP32)
            + own["hbm_mm2_per_tb_per_s"] * machines.hbm_bytes_per_s / TERA
            + own["on_chip_mm2_per_mb"] * machines.on_chip_bytes / MEGA
            + own["on_chip_mm2_per_tb_per_s"] * machines.on_chip_bytes_per_s / TERA
        )

    def layer_joules(
        self, layer: LayerTerms, machines: Machines, residency: Residency
    ) -> "Values":
        """Energy of the FLOP and bytes of one layer, without the static power."""
        picojoules: Values = 0.0
        for call in layer.calls:
            flops = sum(
                count * self.values[f"{path}_pj_per_flop"]
                for path, count in call.flops.items()
            )
            hbm = residency.hbm_bytes(call, machines.on_chip_bytes)
            moved = (
                hbm * self.values["hbm_pj_per_byte"]
                + call.on_chip_bytes * self.values["on_chip_pj_per_byte"]
            )
            picojoules = picojoules + call.count * (flops + moved)
        return picojoules * PICO

    def static_w(self, area_mm2: "Values") -> "Values":
        return self.values["static_w_per_mm2"] * area_mm2

    def _datapath_mm2(self, machines: Machines, path: Datapath) -> "Values":
        rate = machines.flops_per_s.get(path, 0.0)
        return self.values[f"{path}_mm2_per_tflop_per_s"] * rate / TERA


def read_cost(path: Path = COST_TOML) -> CostModel:
    """A cost file; a UsageError names the first key that is wrong or missing."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror}. Give a readable .toml file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no valid TOML: {error}. Mend that line.") from None
    _known(path, "", document, tuple(KEYS))
    values, sources = {}, {}
    for table, keys in KEYS.items():
        entries = _known(path, f"[{table}]", document.get(table), keys)
        for key in keys:
            values[key], sources[key] = _entry(path, table, key, entries.get(key))
    return CostModel(values=values, sources=sources, path=path)


def _known(
    path: Path, place: str, table: object, keys: tuple[str, ...]
) -> dict[str, object]:
    """A table that has no other keys than these."""
    known = ", ".join(keys)
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {place} is no table. Give the keys {known}.")
    if unknown := sorted(table.keys() - set(keys)):
        where = f"{place} {unknown[0]}".strip()
        raise UsageError(f"{path}: {where} is not known. Give only the keys {known}.")
    return table


def _entry(path: Path, table: str, key: str, entry: object) -> tuple[float, str]:
    """``key.value`` and ``key.source``; a bare number counts as the user's own."""
    place = f"{path}: [{table}] {key}"
    if entry is None:
        raise UsageError(f"{place} is missing. Give {ACCEPTED}.")
    if not isinstance(entry, dict):
        return _number(place, entry), f"as {path.name} states, without a source"
    pair = _known(path, f"[{table}] {key}", entry, ("value", "source"))
    source = pair.get("source")
    if not isinstance(source, str) or not source.strip():
        raise UsageError(f"{place}.source is {source!r}. Give text that is not empty.")
    return _number(f"{place}.value", pair.get("value")), source


def _number(place: str, value: object) -> float:
    if type(value) not in {int, float}:
        raise UsageError(f"{place} is {value!r}. Give {ACCEPTED}.")
    number = float(str(value))
    if not math.isfinite(number) or number < 0:
        raise UsageError(f"{place} is {value!r}. Give {ACCEPTED}.")
    return number
