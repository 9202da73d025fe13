"""How many experts got a row in a run: as recorded, or as its bytes tell."""

from collections.abc import Iterable

from dsprof.analysis.moe.geometry import BF16_BYTES, PROJECTIONS, Geometry
from dsprof.harness.profile import Profile
from dsprof.harness.records import Measurement

# The step of a served MoE layer from the choice of experts to their sum, the whole of
# it from the router's logits on, and the parts of an expert that each op's GEMMs read.
EXPERTS_STEP = "experts (fused)"
WHOLE_STEP = "routed experts"
MATRICES = {
    EXPERTS_STEP: PROJECTIONS,
    WHOLE_STEP: PROJECTIONS,
    "experts (gate_up)": 2,
    "experts (down)": 1,
}
TABLE_BYTES = 16  # at most, an assignment: ids, weights and the lists made of them
LOGIT_BYTES = 4  # FP32, one a token and expert


def has_whole_steps_alone(profile: Profile) -> bool:
    """Whether every row is of a whole step: ways to do the same, and no layer's calls.

    Their times stand for one another, so that adding them up says nothing.
    """
    rows = profile.measurements
    return bool(rows) and all(row.point.op == WHOLE_STEP for row in rows)


def experts_with_rows(rows: Iterable[Measurement], geometry: Geometry) -> int | None:
    """The number that a row states; else the one that a row's bytes leave, or None."""
    rows = list(rows)
    for row in rows:
        if row.distinct_experts is not None:
            return row.distinct_experts
    for row in rows:
        if row.point.op in MATRICES:
            found = _by_bytes(row, geometry)
            if found is not None:
                return found
    return None


def _by_bytes(row: Measurement, geometry: Geometry) -> int | None:
    """How many experts' weights are in the bytes of a call that reads them.

    What else it reads, rows and tables, is known as a limit alone; None where that
    leaves several numbers.
    """
    tokens, op = row.point.tokens, row.point.op
    is_step = op in {EXPERTS_STEP, WHOLE_STEP}
    inputs = tokens if is_step else tokens * geometry.top_k
    widest = max(geometry.hidden, geometry.intermediate)
    most_rest = inputs * BF16_BYTES * widest + tokens * geometry.top_k * TABLE_BYTES
    if op == WHOLE_STEP:
        most_rest += tokens * geometry.experts * LOGIT_BYTES
    weights = geometry.weight_bytes(
        MATRICES[op] * geometry.hidden * geometry.intermediate
    )
    least, most = -(-(row.bytes_read - most_rest) // weights), row.bytes_read // weights
    if min(least, geometry.local_experts) == min(most, geometry.local_experts):
        return min(most, geometry.local_experts)
    return None
