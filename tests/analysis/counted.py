"""Profiles with counters, built from the factories of conftest."""

from typing import Any

from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Measurement, Phase, Roof
from tests.conftest import Factory

BF16_ROOF = Roof(name="spec toy", flops_per_s=1e15, bytes_per_s=5e12)


def point_of(make_measurement: Factory, make_counters: Factory, **point: Any) -> Any:  # noqa: ANN401 -- a row and its launches
    """A timed row and one launch of it in each cache state.

    ``counters`` in ``point`` are changes to the launches, ``cold`` and ``warm`` ones
    to that state's alone.
    """
    changes = point.pop("counters", {})
    by_state = {cache: point.pop(cache.value, {}) for cache in Cache}
    row = make_measurement(**point)
    launches = [
        make_counters(label=row.point.label, cache=cache, **(changes | by_state[cache]))
        for cache in Cache
    ]
    return row, launches


def counted_profile(
    make_profile: Factory,
    *points: tuple[Measurement, list[Counters]],
    **changes: Any,  # noqa: ANN401 -- any field
) -> Profile:
    """A profile of what ``point_of`` gave, in order."""
    made: Profile = make_profile(
        measurements=tuple(row for row, _ in points),
        counters=tuple(launch for _, launches in points for launch in launches),
        **changes,
    )
    return made


def gemm(make_measurement: Factory, make_counters: Factory, **changes: Any) -> Any:  # noqa: ANN401 -- as point_of
    """A compute-bound BF16 GEMM in prefill, with all its FLOP counted."""
    values: dict[str, Any] = {
        "kernel": "linear",
        "op": "o_proj",
        "category": "GEMM",
        "phase": Phase.PREFILL,
        "batch_size": 1,
        "seq_len": 1024,
        "roof": BF16_ROOF,
        "flops": {Datapath.BF16_TENSOR: 10**10},
        "bytes_read": 10**7,
        "bytes_written": 10**6,
        "counters": {
            "kernel_name": "nvjet_tst_128x64_64x8_2x1_v_bz_TNT",
            "sm_pct": 80.0,
            "tensor_pipe_pct": 80.0,
            "memory_pct": 30.0,
            "dram_pct": 20.0,
            "duration_ns": 30_000.0,
            "dram_bytes": 11e6,
            "dram_read_bytes": 10e6,
            "dram_write_bytes": 1e6,
            "tensor_bf16_flops": 1e10,
            "fp32_flops": 0.0,
        },
    }
    return point_of(make_measurement, make_counters, **(values | changes))
