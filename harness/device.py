"""What a GPU can do on paper: peaks and sizes, each with its source."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType

from dsprof.harness.errors import UsageError

GPUS_TOML = Path(__file__).with_name("gpus.toml")


class Datapath(StrEnum):
    """The unit that does the arithmetic; its peak is the compute roof."""

    FP4_TENSOR = "fp4_tensor"
    FP8_TENSOR = "fp8_tensor"
    BF16_TENSOR = "bf16_tensor"
    FP32 = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """Rated limits of one GPU model: dense rates, decimal bytes per second.

    ``flops_per_s`` lacks a datapath that the chip does not have. ``sources`` has
    one entry a number, under the same key as in ``gpus.toml``. ``power_w`` is the
    highest board power, ``memory_bytes`` the DRAM's size; None where the file does not
    state it.
    """

    id: str
    name: str
    match: tuple[str, ...]  # the names its driver reports
    compute_capability: tuple[int, int]
    sms: int
    l2_bytes: int
    hbm_bytes_per_s: float
    flops_per_s: Mapping[Datapath, float]
    sources: Mapping[str, str]
    power_w: float | None = None
    memory_bytes: int | None = None

    def ridge_point(self, datapath: Datapath) -> float:
        """Arithmetic intensity in FLOP/byte at which memory and compute roofs meet."""
        return self.peak(datapath) / self.hbm_bytes_per_s

    def peak(self, datapath: Datapath) -> float:
        """Dense FLOP/s of a datapath; a UsageError where the chip has none."""
        try:
            return self.flops_per_s[datapath]
        except KeyError:
            known = ", ".join(self.flops_per_s)
            raise UsageError(
                f"{self.name} has no {datapath} datapath. It has: {known}."
            ) from None


@cache
def known_devices() -> Mapping[str, DeviceSpec]:
    """Every GPU of ``gpus.toml`` by id, in the order of the file."""
    return MappingProxyType(_load(GPUS_TOML))


def device_spec(id_or_path: str) -> DeviceSpec:
    """Return a known GPU, or the only one of a TOML file of the same shape."""
    known = known_devices()
    if id_or_path in known:
        return known[id_or_path]
    path = Path(id_or_path)
    if path.suffix != ".toml":
        raise UsageError(
            f"No GPU '{id_or_path}'. Known: {', '.join(known)}. "
            f"For another one, give a .toml file with one table like those of "
            f"{GPUS_TOML}."
        )
    specs = _load(path)
    if len(specs) != 1:
        raise UsageError(
            f"{path} describes {len(specs)} GPUs. Keep one table in the file."
        )
    return next(iter(specs.values()))


def match_device(
    driver_name: str, compute_capability: tuple[int, int]
) -> DeviceSpec | None:
    """Return the GPU that a driver reports under this name, or None.

    The whole name must agree, up to case and spaces: an "H200 NVL" or "H100 PCIe"
    has other limits than the SXM part whose name its own begins with.
    """
    wanted = _normal(driver_name)
    for spec in known_devices().values():
        names = {_normal(name) for name in spec.match}
        if wanted in names and spec.compute_capability == compute_capability:
            return spec
    return None


def _normal(name: str) -> str:
    return " ".join(name.casefold().split())


_KEYS = (
    "name",
    "match",
    "compute_capability",
    "sms",
    "l2_bytes",
    "hbm_bytes_per_s",
    "flops_per_s",
    "power_w",  # optional
    "memory_bytes",  # optional
)
# Outside these a number is a slip of unit, such as 4.8 for TB/s or 989 for TFLOP/s.
_LIMITS = {
    "sms": (1, 100_000, "a count"),
    "l2_bytes": (2**10, 2**40, "bytes, e.g. 62_914_560"),
    "hbm_bytes_per_s": (1e9, 1e16, "bytes per second, e.g. 4.8e12"),
    "flops_per_s": (1e9, 1e20, "dense FLOP per second, e.g. 1979e12"),
    "power_w": (1, 1e5, "watts, e.g. 700"),
    "memory_bytes": (2**30, 2**44, "bytes, e.g. 151_397_597_184"),
}


def _load(path: Path) -> dict[str, DeviceSpec]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror}. Give a readable .toml file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no valid TOML: {error}. Mend that line.") from None
    return {id_: _Entry(path, id_, table).spec() for id_, table in document.items()}


class _Entry:
    """One table of the file, read key by key so that an error can name its place."""

    def __init__(self, path: Path, id_: str, table: object) -> None:
        self._path, self._id = path, id_
        self._sources: dict[str, str] = {}
        self._table = self._as_table(table, "", known=_KEYS)

    def spec(self) -> DeviceSpec:
        return DeviceSpec(
            id=self._id,
            name=self._text(self._table.get("name"), "name"),
            match=self._match(),
            compute_capability=self._compute_capability(),
            sms=self._integer("sms"),
            l2_bytes=self._integer("l2_bytes"),
            hbm_bytes_per_s=self._rate("hbm_bytes_per_s", self._table),
            flops_per_s=self._flops_per_s(),
            power_w=self._rate("power_w", self._table)
            if "power_w" in self._table
            else None,
            memory_bytes=self._integer("memory_bytes")
            if "memory_bytes" in self._table
            else None,
            sources=self._sources,
        )

    def _match(self) -> tuple[str, ...]:
        names = self._table.get("match", [])
        if not isinstance(names, list):
            raise self._error("match", names, "a list of the names a driver reports")
        return tuple(self._text(name, "match") for name in names)

    def _compute_capability(self) -> tuple[int, int]:
        key = "compute_capability"
        value = self._sourced(key, self._table)
        match = re.fullmatch(r"([0-9]{1,3})\.([0-9])", str(value))
        if not isinstance(value, str) or match is None:
            raise self._error(key, value, 'text such as "9.0"')
        return int(match[1]), int(match[2])

    def _flops_per_s(self) -> Mapping[Datapath, float]:
        key = "flops_per_s"
        rates = self._as_table(self._table.get(key), key, known=tuple(Datapath))
        if not rates:
            raise self._error(key, rates, f"at least one of {', '.join(Datapath)}")
        return {
            path: self._rate(key, rates, path) for path in Datapath if path in rates
        }

    def _integer(self, key: str) -> int:
        value = self._sourced(key, self._table)
        if type(value) is not int:
            raise self._error(key, value, f"a whole number, {_LIMITS[key][2]}")
        return int(self._within(key, key, value))

    def _rate(
        self, key: str, table: Mapping[str, object], datapath: str | None = None
    ) -> float:
        path = key if datapath is None else f"{key}.{datapath}"
        value = self._sourced(path, table)
        if type(value) not in {int, float}:
            raise self._error(path, value, f"a number, {_LIMITS[key][2]}")
        return float(self._within(path, key, value))

    def _within(self, path: str, key: str, value: object) -> float:
        low, high, unit = _LIMITS[key]
        if not isinstance(value, int | float) or not low <= value <= high:
            raise self._error(path, value, f"{low:g} to {high:g}, {unit}")
        return value

    def _sourced(self, path: str, table: Mapping[str, object]) -> object:
        """Return ``path.value`` and keep ``path.source``; neither may be absent."""
        pair = table.get(path.rpartition(".")[2])
        pair = self._as_table(pair, path, known=("value", "source"))
        if "value" not in pair:
            raise self._error(f"{path}.value", None, "a value")
        self._sources[path] = self._text(pair.get("source"), f"{path}.source")
        return pair["value"]

    def _text(self, value: object, path: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self._error(path, value, "text that is not empty")
        return value

    def _as_table(
        self, value: object, path: str, *, known: tuple[str, ...]
    ) -> dict[str, object]:
        if not isinstance(value, dict):
            raise self._error(path, value, f"the keys {', '.join(known)}")
        if unknown := sorted(value.keys() - set(known)):
            raise self._error(
                f"{path}.{unknown[0]}".lstrip("."),
                value[unknown[0]],
                f"only the keys {', '.join(known)}",
            )
        return value

    def _error(self, path: str, value: object, wanted: str) -> UsageError:
        found = "is missing" if value is None else f"is {value!r}"
        return UsageError(
            f"{self._path}: [{self._id}] {path or 'itself'} {found}. Give {wanted}."
        )
