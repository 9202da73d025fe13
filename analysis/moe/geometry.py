"""The routed experts of a layer on one GPU: their sizes, number format and choice."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dsprof.harness.device import Datapath
from dsprof.harness.errors import UsageError

BF16_BYTES = 2
FP8_SCALE_BYTES = 4  # FP32, one a block of weights and one a group of a row
FP4_SCALE_BYTES = 1  # e4m3, one a group of a row, of weights as well
GEMM_FLOPS = 2  # a multiplication and an addition
MOST = 2**31 - 1  # of any size: kernels count in int32
PROJECTIONS = 3  # of an expert: gate, up and down


class NumberFormat(StrEnum):
    """What weights and the rows of both GEMMs are stored in; outputs are BF16."""

    FP8 = "fp8"  # e4m3, weights scaled by squares of a block, rows by its width
    BF16 = "bf16"
    FP4 = "fp4"  # two codes a byte, weights and rows scaled by a block's width

    @property
    def datapath(self) -> Datapath:
        return _DATAPATHS[self]

    @property
    def block_size(self) -> int:
        """Values that share a scale, as the model's checkpoints have it; BF16 has 1."""
        return _BLOCK_SIZES[self]


_DATAPATHS = {
    NumberFormat.FP8: Datapath.FP8_TENSOR,
    NumberFormat.BF16: Datapath.BF16_TENSOR,
    NumberFormat.FP4: Datapath.FP4_TENSOR,
}
_BLOCK_SIZES = {NumberFormat.FP8: 128, NumberFormat.BF16: 1, NumberFormat.FP4: 16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Routed experts of which ``local_experts`` lie on the GPU.

    A router takes ``top_k`` experts a token out of ``top_groups`` of ``groups`` equal
    groups. An expert has three matrices of ``hidden`` by ``intermediate``. One that
    cannot be is a UsageError that names everything that is wrong.
    """

    experts: int
    local_experts: int
    top_k: int
    groups: int
    top_groups: int
    hidden: int
    intermediate: int
    number_format: NumberFormat
    block_size: int

    def __post_init__(self) -> None:
        if faults := list(self._faults()):
            raise UsageError(f"No experts are like that: {' '.join(faults)}")

    def _faults(self) -> Iterator[str]:
        """What is wrong, and what to give."""
        for name, value in self._sizes():
            if value < 1:
                yield f"{name} is {value}. Give at least 1."
            elif value > MOST:
                yield f"{name} is too large. Give at most {MOST}."
        if not all(1 <= value <= MOST for _, value in self._sizes()):
            return
        yield from self._routing_faults()
        for name, value in (
            ("hidden size", self.hidden),
            ("intermediate size", self.intermediate),
        ):
            if value % self.block_size:
                yield (
                    f"The {name} {value} is no multiple of the block size "
                    f"{self.block_size}. Give one that is, or another --block-size."
                )
        if self.number_format is NumberFormat.BF16 and self.block_size != 1:
            yield (
                f"BF16 has no scales, and so no blocks of {self.block_size}. "
                "Leave out --block-size."
            )

    def _sizes(self) -> tuple[tuple[str, int], ...]:
        return (
            ("The number of experts", self.experts),
            ("The number of local experts", self.local_experts),
            ("Top-k", self.top_k),
            ("The number of groups", self.groups),
            ("The number of groups a token", self.top_groups),
            ("The hidden size", self.hidden),
            ("The intermediate size", self.intermediate),
            ("The block size", self.block_size),
        )

    def _routing_faults(self) -> Iterator[str]:
        if self.local_experts > self.experts:
            yield (
                f"{self.local_experts} of {self.experts} experts cannot be local. "
                f"Give at most {self.experts}."
            )
        if self.top_groups > self.groups:
            yield (
                f"A token cannot take {self.top_groups} of {self.groups} groups. "
                f"Give at most {self.groups}."
            )
        if self.top_k > self.experts:
            yield (
                f"Top-k {self.top_k} exceeds the {self.experts} experts. "
                f"Give at most {self.experts}."
            )
        elif self.experts % self.groups:
            yield (
                f"{self.groups} groups do not divide {self.experts} experts. "
                "Give a number that does."
            )
        elif self.top_k > self.reachable_experts:
            yield (
                f"Top-k {self.top_k} exceeds the {self.reachable_experts} experts of "
                f"{self.top_groups} of {self.groups} groups. Give fewer, or more "
                "groups."
            )

    @property
    def group_experts(self) -> int:
        return self.experts // self.groups

    @property
    def reachable_experts(self) -> int:
        """Experts of the groups that one token takes."""
        return self.top_groups * self.group_experts

    @property
    def title(self) -> str:
        """For example ``32 of 256 experts``."""
        if self.local_experts == self.experts:
            return f"all {self.experts} experts"
        return f"{self.local_experts} of {self.experts} experts"

    @property
    def label(self) -> str:
        """One word that says it all, such as ``moe_fp8_topk8_e32of256_h7168_i2048``."""
        return (
            f"moe_{self.number_format}_topk{self.top_k}_ng{self.groups}"
            f"_kg{self.top_groups}_e{self.local_experts}of{self.experts}"
            f"_h{self.hidden}_i{self.intermediate}"
        )

    @property
    def expert_values(self) -> int:
        """Weights of one expert."""
        return PROJECTIONS * self.hidden * self.intermediate

    @property
    def expert_bytes(self) -> int:
        """One expert's weights with their scales."""
        return self.weight_bytes(self.expert_values)

    @property
    def local_weight_bytes(self) -> int:
        return self.local_experts * self.expert_bytes

    @property
    def row_flops(self) -> int:
        """Both GEMMs of one token in one expert; the activation is not counted."""
        return GEMM_FLOPS * self.expert_values

    def weight_bytes(self, values: int) -> int:
        """So many weights with their scales; sizes are whole blocks."""
        block = self.block_size
        if self.number_format is NumberFormat.FP8:
            return values + FP8_SCALE_BYTES * (values // block**2)
        if self.number_format is NumberFormat.FP4:
            return values // 2 + FP4_SCALE_BYTES * (values // block)
        return BF16_BYTES * values

    def operand_bytes(self, columns: int) -> int:
        """A row of a GEMM's input with its scales."""
        block = self.block_size
        if self.number_format is NumberFormat.FP8:
            return columns + FP8_SCALE_BYTES * (columns // block)
        if self.number_format is NumberFormat.FP4:
            return columns // 2 + FP4_SCALE_BYTES * (columns // block)
        return BF16_BYTES * columns
