import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsprof.analysis.kineto import read_kineto
from dsprof.harness.errors import ProfileError
from dsprof.harness.timeline import Timeline, TimelineTool

SAMPLES = Path(__file__).parents[2] / "../shared/samples/public"
QWEN = "tracelens__h100_Qwen1.5-0.5B-Chat"
needs_samples = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the sample traces are not here"
)
Plain = dict[str, Any]


def event(category: str, name: str, ts: float, dur: float, **fields: Any) -> Plain:  # noqa: ANN401
    row = {"ph": "X", "cat": category, "name": name, "ts": ts, "dur": dur}
    return row | {"pid": 77, "tid": 77} | fields


def launch(ts: float, correlation: int, **fields: Any) -> Plain:  # noqa: ANN401
    name = fields.pop("name", "cudaLaunchKernel")
    args = {"correlation": correlation}
    return event("cuda_runtime", name, ts, 5, args=args, **fields)


def kernel(ts: float, dur: float, correlation: int, **args: Any) -> Plain:  # noqa: ANN401
    name = args.pop("name", "void gemm<128, 4>(int)")
    values = {"device": 0, "stream": 7, "correlation": correlation}
    sizes = {"grid": [8, 1, 1], "block": [128, 1, 1]}
    row = values | sizes | args
    return event("kernel", name, ts, dur, pid=0, tid=7, args=row)


def write(path: Path, events: list[Plain], **head: Any) -> Path:  # noqa: ANN401
    path.write_text(json.dumps({"traceEvents": events} | head))
    return path


def decode_events() -> list[Plain]:
    """A decode step of two kernels and a copy; a kernel before it."""
    return [
        launch(0, 1),
        kernel(10, 2.5, 1, name="init()"),
        event("user_annotation", "decode", 20, 100, args={"External id": 5}),
        launch(30, 2),
        kernel(50, 10, 2),
        launch(40, 3),
        kernel(70, 20, 3, grid=[16, 1, 1]),
        launch(110, 4),
        event("gpu_memcpy", "Memcpy DtoH", 130, 4, pid=0, tid=7,
              args={"device": 0, "stream": 7, "correlation": 4}),
        event("cpu_op", "aten::mm", 30, 50),
        {"ph": "s", "cat": "ac2g", "id": 3, "ts": 40, "pid": 77, "tid": 77},
    ]  # fmt: skip


def read(tmp_path: Path, events: list[Plain], *ranges: str) -> Timeline:
    return read_kineto(write(tmp_path / "trace.json", events), ranges=ranges)


@needs_samples
def test_totals_of_a_real_trace_are_those_of_another_project() -> None:
    timeline = read_kineto(SAMPLES / f"{QWEN}.json.gz")
    totals: Mapping[str, list[float]] = defaultdict(lambda: [0, 0])
    with (SAMPLES / f"{QWEN}.kernel_summary.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            total = totals[row["Kernel name"]]
            total[0] += float(row["Kernel duration (µs)_sum"])
            total[1] += int(row["Kernel duration (µs)_count"])
    assert {
        row.kernel_name: [row.total_ns, row.instances]
        for row in timeline.kernel_rows("")
    } == {name: [round(us * 1000), count] for name, (us, count) in totals.items()}
    assert timeline.device_names == ("NVIDIA H100 80GB HBM3",)
    assert timeline.compute_capability == (9, 0)
    assert timeline.started == "2025-07-18T11:51:01+00:00"


@needs_samples
def test_the_wall_of_a_step_is_torch_s_own_projection() -> None:
    path = SAMPLES / f"{QWEN}.json.gz"
    timeline = read_kineto(path, ranges=["ProfilerStep#6"])
    time = timeline.range_time("ProfilerStep#6")
    assert time is not None
    # gpu_user_annotation has 34,892.421 us; the profiler rounds both its ends.
    assert time.wall_ns == pytest.approx(34_892_421, abs=2)
    assert time.kernels == 1029
    assert "436 of 1465 kernels have no launch in the trace" in timeline.notes[0]


def test_kernels_belong_to_the_range_that_their_launch_lies_in(tmp_path: Path) -> None:
    timeline = read(tmp_path, decode_events(), "decode")
    (row,) = timeline.kernel_rows("decode")
    assert (row.kernel_name, row.instances) == ("void gemm<128, 4>(int)", 2)
    assert (row.total_ns, row.median_ns) == (30_000, 15_000.0)
    time = timeline.range_time("decode")
    assert time is not None
    assert (time.wall_ns, time.busy_ns, time.copy_ns) == (84_000, 34_000, 4_000)
    assert timeline.tool is TimelineTool.TORCH
    assert timeline.mode == "eager"


def test_the_whole_recording_is_read_where_no_range_is_named(tmp_path: Path) -> None:
    timeline = read(tmp_path, decode_events())
    names = [row.kernel_name for row in timeline.kernel_rows("")]
    assert names == ["void gemm<128, 4>(int)", "init()"]
    assert timeline.seen_ranges == ("decode",)


def test_times_are_exact_where_a_float_would_round_them(tmp_path: Path) -> None:
    # As text: 16 digits before the point leave a double no room for nanoseconds.
    path = write(tmp_path / "t.json", [kernel(1, 2, 1)])
    text = path.read_text().replace('"ts": 1,', '"ts": 1752839462723407.123,')
    path.write_text(text.replace('"dur": 2,', '"dur": 0.001,'))
    (whole,) = read_kineto(path).ranges
    assert whole.wall_ns == 1
    assert read_kineto(path).kernel_rows("")[0].total_ns == 1


def test_kernels_of_a_replayed_graph_are_its_launch_s(tmp_path: Path) -> None:
    events = [
        event("user_annotation", "decode", 0, 100),
        launch(10, 9, name="cudaGraphLaunch"),
        kernel(20, 5, 9),
        kernel(30, 5, 9),
    ]
    timeline = read(tmp_path, events, "decode")
    assert timeline.kernel_rows("decode")[0].instances == 2
    assert timeline.mode == "CUDA graph"


def test_kernels_without_a_launch_are_placed_by_the_gpu_annotation(
    tmp_path: Path,
) -> None:
    gpu_range = event(
        "gpu_user_annotation", "decode", 50, 40, pid=0, tid=7, args={"External id": 5}
    )
    events = [row for row in decode_events() if row["cat"] != "cuda_runtime"]
    timeline = read(tmp_path, [*events, gpu_range], "decode")
    time = timeline.range_time("decode")
    assert time is not None
    assert (time.instances, time.kernels, time.kernel_ns) == (1, 2, 30_000)
    assert "3 of 3 kernels have no launch" in timeline.notes[0]
    assert "places 2 of them" in timeline.notes[0]


def test_an_annotation_of_another_stream_takes_no_kernels(tmp_path: Path) -> None:
    gpu_range = event("gpu_user_annotation", "decode", 50, 40, pid=0, tid=8)
    events = [row for row in decode_events() if row["cat"] != "cuda_runtime"]
    with pytest.raises(ProfileError, match="no GPU work was launched"):
        read(tmp_path, [*events, gpu_range], "decode")


def test_launches_of_another_thread_are_not_the_range_s(tmp_path: Path) -> None:
    events = [row | {"tid": 78} if row["cat"] == "cuda_runtime" else row
              for row in decode_events()]  # fmt: skip
    with pytest.raises(ProfileError, match="the thread that makes it"):
        read(tmp_path, events, "decode")


def test_a_range_that_never_occurs_is_answered_with_those_that_do(
    tmp_path: Path,
) -> None:
    with pytest.raises(ProfileError, match=r"no range 'prefill'.*'decode' \(1\)\."):
        read(tmp_path, decode_events(), "prefill")


def test_a_trace_without_kernels_says_how_to_record_them(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"no kernels.*ProfilerActivity\.CUDA"):
        read(tmp_path, [event("cpu_op", "aten::mm", 30, 50)])


def test_a_kernel_without_sizes_has_an_unknown_configuration(tmp_path: Path) -> None:
    timeline = read(tmp_path, [kernel(1, 2, 1, grid=None, block=[1, 2])])
    sizes = [(row.grid, row.block) for row in timeline.kernels]
    assert sizes == [(None, None), ((0, 0, 0), (0, 0, 0))]


def test_events_without_times_are_counted_in_a_note(tmp_path: Path) -> None:
    events = [*decode_events(), kernel(1, -1, 8), kernel(1, 1, 9) | {"ts": "soon"}]
    assert read(tmp_path, events).notes == ("2 events have no times and are left out",)


def test_a_trace_of_an_old_torch_reads(tmp_path: Path) -> None:
    old = {"kernel": "Kernel", "cuda_runtime": "Runtime", "gpu_memcpy": "Memcpy"}
    events = [row | {"cat": old.get(row["cat"], row["cat"])} for row in decode_events()]
    assert read(tmp_path, events, "decode") == read(tmp_path, decode_events(), "decode")


def test_a_packed_trace_reads_like_the_same_one_unpacked(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.json", decode_events(), baseTimeNanoseconds=10**18)
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_kineto(packed) == read_kineto(plain)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"traceEvents": [{"ph": "X"', "line 1, column 28: .* was cut off"),
        (gzip.compress(b'{"traceEvents": []}', mtime=0)[:-9], "cannot be unpacked"),
        (b'{"songs": []}', "no trace of torch.profiler"),
        (b'{"traceEvents": 3}', "no trace of torch.profiler"),
        (b"[[1]]", "no kernels were recorded"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00", "line 1, column 1"),
    ],
)
def test_a_file_that_is_no_whole_trace_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=problem):
        read_kineto(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"No file .*none\.json"):
        read_kineto(tmp_path / "none.json")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    launches=st.lists(
        st.tuples(st.integers(0, 300), st.integers(0, 60)), min_size=1, max_size=12
    ),
    ranges=st.lists(
        st.tuples(st.integers(0, 300), st.integers(0, 150)), min_size=1, max_size=6
    ),
)
def test_ranges_hold_what_a_search_of_every_pair_finds(
    tmp_path_factory: pytest.TempPathFactory,
    launches: list[tuple[int, int]],
    ranges: list[tuple[int, int]],
) -> None:
    events = [event("user_annotation", "decode", a, length) for a, length in ranges]
    inside = []
    for number, (start, length) in enumerate(launches, start=1):
        events += [launch(start, number), kernel(start + 6, length, number)]
        if any(a <= start and start + 5 <= a + b for a, b in ranges):
            inside.append(1000 * length)
    folder = tmp_path_factory.mktemp("kineto")
    if not inside:
        with pytest.raises(ProfileError, match="no GPU work was launched"):
            read(folder, events, "decode")
        return
    (row,) = read(folder, events, "decode").kernel_rows("decode")
    assert (row.instances, row.total_ns) == (len(inside), sum(inside))
    assert (row.min_ns, row.max_ns) == (min(inside), max(inside))
