"""The rates of both GEMMs of a whole pipeline, by their own launches."""

from collections.abc import Iterator
from dataclasses import dataclass

from dsprof.analysis.moe.geometry import PROJECTIONS, Geometry
from dsprof.analysis.moe.stage_names import PipelineStage
from dsprof.analysis.moe.study import Reached

MATRICES = {PipelineStage.GATE_UP: 2, PipelineStage.DOWN: 1}  # of an expert


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmRate:
    """One GEMM at a number of tokens; bytes are those of the weights alone.

    What it reads and writes besides depends on what is fused with it.
    """

    stage: PipelineStage
    time_us: float
    flops: float
    weight_bytes: float

    @property
    def flops_per_s(self) -> float:
        return self.flops / (self.time_us * 1e-6)

    @property
    def weight_bytes_per_s(self) -> float:
        return self.weight_bytes / (self.time_us * 1e-6)


def gemm_rates(one: Reached, geometry: Geometry) -> Iterator[GemmRate]:
    """Each GEMM that has launches of its own; a stage's launches are added up."""
    if one.point.breakdown is None:
        return
    stages_us = one.point.breakdown.stages_us
    for stage, matrices in MATRICES.items():
        if time_us := stages_us.get(stage):
            yield GemmRate(
                stage=stage,
                time_us=time_us,
                flops=one.done.flops * matrices / PROJECTIONS,
                weight_bytes=stage_weight_bytes(one, geometry, stage),
            )


def stage_weight_bytes(one: Reached, geometry: Geometry, stage: PipelineStage) -> float:
    """The weights of a GEMM, with scales, of all experts that got a row."""
    values = MATRICES[stage] * geometry.hidden * geometry.intermediate
    return one.done.experts * geometry.weight_bytes(values)
