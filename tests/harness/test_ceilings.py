"""The roofs: device code through Triton's interpreter, windows by a fake clock.

The figures of an H200: pytest -m gpu -s tests/harness/test_ceilings.py
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.ceiling import Duration, Pattern
from dsprof.harness.ceiling_flops import bf16_loads, fp8_loads
from dsprof.harness.ceiling_gpu import largest_that_fits, open_gpu
from dsprof.harness.ceiling_load import (
    Board,
    Load,
    PatternUnsupportedError,
    WrongResultError,
)
from dsprof.harness.ceiling_streams import BUFFER_UNIT_BYTES
from dsprof.harness.ceilings import (
    BURST_S,
    QUEUED_REPLAYS,
    REPLAY_S,
    REST_S,
    SUSTAINED_S,
    CeilingError,
    Rig,
    Run,
    fastest,
    hold,
    measure,
)
from dsprof.harness.clocks import ClockSample
from tests.harness.interpret_ceilings import BOARD, FAULTS, LOADS
from tests.interpreted import interpret


def sample(sm_clock_mhz: int = 1980, power_w: float = 500.0) -> ClockSample:
    return ClockSample(
        sm_clock_mhz=sm_clock_mhz,
        memory_clock_mhz=3201,
        power_w=power_w,
        throttle_reasons=() if sm_clock_mhz > 1900 else ("sw_power_cap",),
    )


def load_of(
    call: Callable[[], object],
    amount: int = 1000,
    *,
    wrong: int = 0,
    work: str = "work",
) -> Load:
    return Load(
        call=call,
        amount=amount,
        work=work,
        output=torch.empty(4),
        count_wrong=lambda: wrong,
    )


@dataclass
class Machine:
    """A GPU on paper: it boosts for 2 s after a rest, and then holds half the rate."""

    call_s: float = 2e-4
    now_s: float = 0.0
    begun_s: float = 0.0
    rests_s: list[float] = field(default_factory=list)
    most_queued: int = 0

    def rest(self, seconds: float) -> None:
        self.rests_s.append(seconds)
        self.now_s = 0.0  # what it has done since its last rest is forgotten

    @property
    def is_boosting(self) -> bool:
        return self.now_s < 2.0

    def run(self, seconds: float) -> None:
        self.now_s += seconds if self.is_boosting else 2 * seconds

    def read(self) -> ClockSample:
        return sample(1980, 650.0) if self.is_boosting else sample(1200, 700.0)

    def open_lane(self, call: Callable[[], object], calls: int) -> "PaperLane":
        call()
        return PaperLane(self, calls)


class PaperLane:
    def __init__(self, machine: Machine, calls: int) -> None:
        self.machine = machine
        self.calls = calls
        self.queued = 0

    def start(self) -> None:
        assert not self.queued
        self.machine.begun_s = self.machine.now_s

    def launch(self) -> None:
        self.queued += 1
        self.machine.most_queued = max(self.machine.most_queued, self.queued)

    def wait(self) -> float:
        self.queued -= 1
        self.machine.run(self.calls * self.machine.call_s)
        return self.machine.now_s - self.machine.begun_s


def rig_of(machine: Machine, loads: Sequence[Load]) -> Rig:
    return Rig(
        loads=lambda _pattern: loads,
        open_lane=machine.open_lane,
        clocks=machine,
        sleep=machine.rest,
    )


def test_the_burst_is_the_rate_after_a_rest_and_the_sustained_one_that_at_the_end() -> (
    None
):
    machine = Machine()
    burst, sustained = measure(
        Pattern.HBM_READ, rig_of(machine, [load_of(lambda: None)])
    )
    # 1000 bytes in 0.2 ms, and in twice that once the boost is over.
    assert burst.value == pytest.approx(5e6)
    assert sustained.value == pytest.approx(2.5e6)
    assert (burst.duration, sustained.duration) == tuple(Duration)
    assert burst.seconds == pytest.approx(BURST_S, rel=0.03)
    assert sustained.seconds == pytest.approx(1.0, rel=0.01)
    assert (burst.sm_clock_mhz, sustained.sm_clock_mhz) == (1980, 1200)
    assert (burst.power_w, sustained.power_w) == (650, 700)
    assert burst.throttle_reasons == ()
    assert sustained.throttle_reasons == ("sw_power_cap",)
    assert machine.rests_s == [REST_S]


def test_a_quick_measurement_is_a_burst_alone() -> None:
    machine = Machine()
    found = measure(Pattern.FP32, rig_of(machine, [load_of(lambda: None)]), quick=True)
    assert [ceiling.duration for ceiling in found] == [Duration.BURST]
    assert machine.now_s < SUSTAINED_S / 10


def test_replays_are_queued_ahead_and_all_of_them_end() -> None:
    machine = Machine()
    lane = machine.open_lane(lambda: None, 5)
    run = hold(lane, machine, 1.0)
    assert machine.most_queued == QUEUED_REPLAYS
    assert lane.queued == 0
    assert run.ends_s[-2] < 1.0 <= run.ends_s[-1]


@pytest.mark.parametrize(("call_s", "calls"), [(3e-4, 4), (7e-4, 2), (0.02, 1)])
def test_a_replay_lasts_a_millisecond_at_least(call_s: float, calls: int) -> None:
    machine = Machine(call_s=call_s)
    opened: list[int] = []

    def open_lane(call: Callable[[], object], count: int) -> PaperLane:
        opened.append(count)
        return machine.open_lane(call, count)

    rig = Rig(
        loads=lambda _: [load_of(lambda: None)],
        open_lane=open_lane,
        clocks=machine,
        sleep=machine.rest,
    )
    (burst,) = measure(Pattern.FP32, rig, quick=True)
    assert opened[-1] == calls
    assert opened[-1] * call_s >= REPLAY_S * (1 - 1e-9)
    assert burst.value == pytest.approx(1000 / call_s)


def test_a_gpu_so_slow_that_no_replay_fits_the_burst_still_has_one() -> None:
    machine = Machine(call_s=0.3)
    (burst,) = measure(
        Pattern.BF16_DENSE, rig_of(machine, [load_of(lambda: None)]), quick=True
    )
    assert burst.value == pytest.approx(1000 / 0.3)
    assert burst.seconds == pytest.approx(0.3)
    assert burst.sm_clock_mhz == 1980


@given(st.lists(st.floats(1e-4, 1e-2), min_size=1, max_size=200), st.floats(0, 1))
def test_windows_that_meet_share_no_replay_and_lose_none(
    replays_s: list[float], cut: float
) -> None:
    ends_s = tuple(sum(replays_s[: index + 1]) for index in range(len(replays_s)))
    run = Run(ends_s=ends_s, readings=())
    at_s = cut * ends_s[-1]
    both = run.replays_s(0, at_s) + run.replays_s(at_s, ends_s[-1])
    assert both == pytest.approx(replays_s, abs=1e-9)


def test_power_is_read_later_than_clocks_because_nvml_tells_it_late() -> None:
    run = Run(
        ends_s=(0.2,),
        readings=((0.01, sample(1980, 120)), (0.16, sample(1700, 690))),
    )
    seen = run.clocks(0, BURST_S)
    assert (seen.sm_clock_mhz, seen.power_w) == (1980, 690)
    assert seen.throttle_reasons == ()


def test_the_fastest_of_several_launches_is_taken_and_named() -> None:
    machine = Machine()
    loads = [load_of(lambda: None, n, work=f"{n} bytes") for n in (10, 30, 20)]
    assert fastest(loads, machine.open_lane).work == "30 bytes"


def test_nothing_is_timed_whose_result_is_wrong() -> None:
    machine = Machine()
    loads = [load_of(lambda: None), load_of(lambda: None, wrong=3)]
    with pytest.raises(WrongResultError, match="3 of 4 results are wrong"):
        measure(Pattern.HBM_COPY, rig_of(machine, loads))
    assert machine.now_s == 0


def test_what_torch_raises_names_the_pattern_and_a_way_out() -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error: unspecified launch failure\nCompile with ...")

    with pytest.raises(CeilingError, match=r"l2_read failed: .* launch failure\. See"):
        measure(Pattern.L2_READ, rig_of(Machine(), [load_of(fail)]))


def test_buffers_shrink_until_the_memory_has_room_for_them() -> None:
    asked: list[int] = []

    def make(buffer_bytes: int) -> list[Load]:
        asked.append(buffer_bytes)
        if buffer_bytes > 300 * BUFFER_UNIT_BYTES:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [load_of(lambda: None, buffer_bytes)]

    unit = BUFFER_UNIT_BYTES
    (load,) = largest_that_fits(make, largest_bytes=1001 * unit, least_bytes=9 * unit)
    assert asked == [1001 * unit, 500 * unit, 250 * unit]
    assert load.amount == 250 * unit
    with pytest.raises(CeilingError, match=r"No buffers of .* bytes fit"):
        largest_that_fits(make, largest_bytes=1001 * unit, least_bytes=400 * unit)


@pytest.mark.parametrize("make", [bf16_loads, fp8_loads])
def test_a_matrix_product_is_held_against_fp32(
    make: Callable[[Board, int], list[Load]],
) -> None:
    for load in make(BOARD, 256):
        load.check()
        assert load.amount == 2 * 256**3

        def call(load: Load = load) -> None:
            load.call()
            load.output[127, 200] += load.output.float().std()

        broken = Load(
            call=call,
            amount=load.amount,
            work=load.work,
            output=load.output,
            count_wrong=load.count_wrong,
        )
        with pytest.raises(WrongResultError, match="1 of 65,536"):
            broken.check()


def test_a_gpu_without_fp8_units_says_so() -> None:
    a100 = Board(
        device="cpu",
        compute_capability=(8, 0),
        sms=108,
        l2_bytes=2**20,
        memory_bytes=2**30,
    )
    with pytest.raises(PatternUnsupportedError, match=r"needs .* 8\.9; this .* 8\.0"):
        fp8_loads(a100, 256)


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What was wrong with each pattern's launches and with each planted fault."""
    file = tmp_path_factory.mktemp("interpreted") / "problems.json"
    interpret("tests.harness.interpret_ceilings", file)
    found: dict[str, dict[str, str]] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("pattern", LOADS)
def test_every_launch_of_the_device_code_is_right(
    interpreted: dict[str, dict[str, str]], pattern: Pattern
) -> None:
    faults = {fault.__name__ for fault in FAULTS}
    launches = {k: v for k, v in interpreted[pattern].items() if k not in faults}
    assert len(launches) >= 3
    assert not any(launches.values()), launches


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("pattern", LOADS)
def test_a_planted_fault_is_caught(
    interpreted: dict[str, dict[str, str]],
    pattern: Pattern,
    fault: Callable[[Load], None],
) -> None:
    assert "results are wrong" in interpreted[pattern][fault.__name__]


@pytest.mark.parametrize(
    ("kernel", "sizes", "expected"),
    [
        ("read", {"STEPS": 1, "BLOCK": 8192}, {"ld.global.v4.b32": 8}),
        ("write", {"STEPS": 1, "BLOCK": 8192}, {"st.global.v4.b32": 8}),
        (
            "copy",
            {"STEPS": 1, "BLOCK": 8192},
            {"ld.global.v4.b32": 8, "st.global.v4.b32": 8},
        ),
        (
            "triad",
            {"STEPS": 1, "BLOCK": 8192},
            {"ld.global.v4.b32": 16, "st.global.v4.b32": 8},
        ),
        ("read_often", {"PASSES": 64, "BLOCK": 8192}, {"ld.global.cg.v4.b32": 8}),
        # 2048 values in 256 threads: eight chains a thread, 16 steps a turn.
        (
            "multiply_add",
            {"STEPS": 64, "UNROLL": 16, "BLOCK": 2048},
            {"fma.rn.f32": 8 * 16, "ld.global.v4.b32": 2},
        ),
    ],
)
def test_for_hopper_it_compiles_to_16_byte_accesses_and_to_fma(
    kernel: str, sizes: dict[str, int], expected: dict[str, int]
) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from dsprof.harness import _ceiling_kernels

    is_float = kernel in {"triad", "multiply_add"}
    function = getattr(_ceiling_kernels, kernel)
    buffers = {"x", "y", "a", "b", "c", "sums"}
    scalars = {"value": "i32", "chunks": "i32", "factor": "fp32", "addend": "fp32"}
    names = function.arg_names
    source = ASTSource(
        function,
        signature={
            name: ("*fp32" if is_float else "*i32")
            if name in buffers
            else scalars.get(name, "constexpr")
            for name in names
        },
        constexprs=sizes,
        attrs={
            (index,): [["tt.divisibility", 16]]
            for index, name in enumerate(names)
            if name in buffers
        },
    )
    compiled = triton.compile(
        source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 8}
    )
    assembly = compiled.asm["ptx"]
    assert {text: assembly.count(text) for text in expected} == expected


def h200_figures() -> dict[Pattern, float]:
    """Must-reach bursts: byte/s and FLOP/s."""
    return {
        Pattern.HBM_READ: 4.5e12,
        Pattern.BF16_DENSE: 650e12,
        Pattern.FP8_DENSE: 1200e12,
    }


@pytest.mark.gpu
@pytest.mark.parametrize("pattern", list(Pattern))
def test_an_h200_reaches_its_roofs(pattern: Pattern) -> None:
    gpu = open_gpu()
    if gpu.name != "NVIDIA H200":
        pytest.skip(f"the figures are an H200's; this is {gpu.name}")
    (burst,) = measure(pattern, gpu.rig, quick=True)
    sys.stdout.write(f"{pattern}: {burst.value / 1e12:.2f} T/s, {burst.work}\n")
    assert burst.value >= h200_figures().get(pattern, 0)
    assert burst.sm_clock_mhz >= 1900
