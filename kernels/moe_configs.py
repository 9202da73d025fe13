"""How the experts' Triton GEMMs are cut and pipelined, by GPU, shape and rows.

``experts/fused_moe_configs.toml`` has what was tuned, and entries for any other GPU and
shape. Nothing is searched when a kernel runs.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsprof.harness.errors import DsprofError

if TYPE_CHECKING:
    import torch

CONFIGS_FILE = Path(__file__).parent / "experts" / "fused_moe_configs.toml"

HEADER = """\
# How the experts' GEMMs are cut and pipelined (kernels/moe_configs.py). Of the tables
# of a GPU and shape, the one with the least max_rows_per_expert that is not exceeded
# holds; the model has 1 row an expert at 32 tokens. Tables without a GPU are for every
# other one: they fit the 99 KB of shared memory of compute capability 8.9 and are not
# tuned. Written by python3 -m dsprof.harness.tune_fused_moe.
"""

BLOCK_ROWS = (16, 32, 64, 128)
BLOCK_COLUMNS = (64, 128)
BLOCK_K_BYTES = (64, 128)  # no more than FP8's scale group


class ConfigError(DsprofError):
    """A file of configurations that cannot be used."""


class Implementation(StrEnum):
    """Which device code runs both GEMMs."""

    PORTABLE = "portable"  # _fused_moe_kernel.py
    WGMMA = "wgmma"  # for compute capability 9.0 alone


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmConfig:
    """How one GEMM is cut into tiles and pipelined."""

    block_n: int  # columns of a tile; with the activation fused, of gate and of up
    block_k_bytes: int  # of a row of the operands, a step
    group_m: int  # blocks of rows that take turns at a block of columns; wgmma's: 8
    split_k: int  # programs that share the steps of a tile
    warps: int
    stages: int
    swap: bool  # multiply weights by rows, transposed, so that weights fill the units
    tma: bool  # load weights by TMA

    def __post_init__(self) -> None:
        """Refuse numbers that no kernel can be compiled for."""
        _check("block_n", self.block_n, BLOCK_COLUMNS)
        _check("block_k_bytes", self.block_k_bytes, BLOCK_K_BYTES)
        _check("warps", self.warps, (1, 2, 4, 8, 16))
        for name in ("group_m", "split_k", "stages"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a configuration was tuned for, beside the number of rows."""

    dtype: str
    experts: int
    hidden: int
    intermediate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoeConfig:
    """Both GEMMs of a pipeline, which share the blocks of the row list."""

    max_rows_per_expert: float  # on average over all experts, inclusive
    block_m: int
    implementation: Implementation
    gate_up: GemmConfig
    down: GemmConfig
    overlap: bool = False  # launch each kernel while the one ahead of it runs
    gpu: str = ""  # as the driver names it; any if empty
    shape: Shape | None = None  # any if None

    def __post_init__(self) -> None:
        """Refuse blocks that no kernel can be compiled for."""
        _check("block_m", self.block_m, BLOCK_ROWS)
        # The columns that are activated together share a scale.
        _check("gate_up's block_n", self.gate_up.block_n, BLOCK_COLUMNS[-1:])


def _check(name: str, value: int, allowed: Sequence[int]) -> None:
    if value not in allowed:
        known = ", ".join(map(str, allowed))
        raise ValueError(f"{name} is {value}; it can be {known}")


def gpu_name(device: "torch.device") -> str:
    """Name of the GPU as the driver has it; of the CPU, which interprets, none."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else ""


def find(
    configs: Sequence[MoeConfig], *, gpu: str, shape: Shape, rows_per_expert: float
) -> MoeConfig:
    """Return the entry of the narrowest range that has room for the rows.

    Entries of this GPU and shape come before those for any. More rows than every entry
    allows are the last one's.
    """
    tuned = [c for c in configs if (c.gpu, c.shape) == (gpu, shape)]
    generic = [c for c in configs if not c.gpu and c.shape is None]
    fitting = sorted(tuned or generic, key=lambda c: c.max_rows_per_expert)
    return next(
        (c for c in fitting if rows_per_expert <= c.max_rows_per_expert), fitting[-1]
    )


def of_blocks(configs: Sequence[MoeConfig], block_m: int) -> tuple[MoeConfig, ...]:
    """Return the entries with such blocks, for a row list that has them."""
    return tuple(c for c in configs if c.block_m == block_m)


@cache
def load(file: Path = CONFIGS_FILE) -> tuple[MoeConfig, ...]:
    """Read every entry; ConfigError names file, entry and key of what is wrong."""
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be used: {error}. Mend it, or write it anew with "
            "python3 -m dsprof.harness.tune_fused_moe."
        ) from error


def parse(text: str) -> tuple[MoeConfig, ...]:
    """Read the text of a file; ValueError names entry and key of what is wrong."""
    document = tomllib.loads(text)
    entries = document.get("config")
    if document.keys() != {"config"} or not isinstance(entries, list):
        raise ValueError("it is not a list of [[config]] tables")
    configs = tuple(_config(number, entry) for number, entry in enumerate(entries, 1))
    generic = {config.block_m for config in configs if not config.gpu}
    for block_m in BLOCK_ROWS:
        if block_m not in generic:
            raise ValueError(f"no [[config]] of block_m {block_m} is for any GPU")
    return configs


def _config(number: int, entry: Mapping[str, Any]) -> MoeConfig:
    where = f"[[config]] {number}"
    values = dict(entry)
    for name in ("gate_up", "down"):
        if name in values:
            values[name] = _build(GemmConfig, f"{where}, {name}", values[name])
    if "shape" in values:
        values["shape"] = _build(Shape, f"{where}, shape", values["shape"])
    if ("gpu" in values) != ("shape" in values):
        raise ValueError(f"{where}: gpu and shape come together or not at all")
    try:
        if "implementation" in values:
            values["implementation"] = Implementation(values["implementation"])
        if "max_rows_per_expert" in values:
            values["max_rows_per_expert"] = float(values["max_rows_per_expert"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None
    config: MoeConfig = _build(MoeConfig, where, values)
    if config.implementation is Implementation.WGMMA and not config.gpu:
        raise ValueError(f"{where}: wgmma is for some GPUs alone; name gpu and shape")
    return config


def _build(cls: Any, where: str, values: Any) -> Any:  # noqa: ANN401 -- one of the classes above, from what a file has
    """Make a dataclass of a table's values, whose keys and types must be its fields."""
    if not isinstance(values, dict):
        raise ValueError(f"{where} is {values!r}, which is no table")  # noqa: TRY004 -- of a file's content
    types: dict[str, Any] = {field.name: field.type for field in fields(cls)}
    for name, value in values.items():
        if name not in types:
            known = ", ".join(types)
            raise ValueError(f"{where}: no key '{name}'; known: {known}")
        if types[name] in {int, float, bool, str} and type(value) is not types[name]:
            wanted = types[name].__name__
            raise ValueError(f"{where}: {name} is {value!r}, which is no {wanted}")
    for field in fields(cls):
        if field.default is MISSING and field.name not in values:
            raise ValueError(f"{where}: {field.name} is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def render(configs: Sequence[MoeConfig]) -> str:
    """Write entries as ``parse`` reads them: those for any GPU first, by rows."""
    ordered = sorted(
        configs, key=lambda c: (c.gpu, str(c.shape), c.max_rows_per_expert)
    )
    return "\n".join([HEADER, *map(_entry, ordered)])


def _entry(config: MoeConfig) -> str:
    lines = ["[[config]]"]
    for field in fields(config):
        value = getattr(config, field.name)
        if value not in {"", None}:
            lines.append(f"{field.name} = {_toml(value)}")
    return "\n".join([*lines, ""])


def _toml(value: object) -> str:
    if is_dataclass(value):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return f"{{ {', '.join(f'{name} = {_toml(v)}' for name, v in pairs)} }}"
    return json.dumps(value)
