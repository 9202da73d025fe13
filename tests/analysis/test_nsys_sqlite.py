import csv
import hashlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsprof.analysis.nsys_sqlite import read_nsys_sqlite
from dsprof.harness.errors import ProfileError
from tests.analysis.nsys_files import PROCESS, THREAD, NsysFile

SAMPLES = Path(__file__).parents[2] / "../shared/samples"
needs_samples = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the sample recordings are not here"
)
TWO_GPUS = "nsysai__mfu_2gpu_after"
TWICE = "pipit__saxpy-mpi-cuda_nsys_perlmutter0"
OTHER_PROCESS = (1 << 48) | (99 << 24)


def expected(name: str) -> list[dict[str, str]]:
    """The rows that nsys stats printed."""
    with (SAMPLES / "expected" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def sample(name: str) -> Path:
    return SAMPLES / "public" / f"{name}.sqlite"


def decode_file() -> NsysFile:
    """Two decode steps of three kernels each, and one kernel before them."""
    file = NsysFile()
    file.launch((0, 5), (10, 20), name="init()")
    for begin in (100, 200):
        file.range("decode", begin, begin + 50)
        file.launch((begin, begin + 5), (begin + 10, begin + 30))
        file.launch((begin + 10, begin + 15), (begin + 30, begin + 40), gridX=16)
        file.launch((begin + 40, begin + 50), (begin + 60, begin + 65), name="norm()")
    return file


@needs_samples
@pytest.mark.parametrize("name", [TWO_GPUS, TWICE])
def test_sums_by_kernel_are_those_of_nsys_stats_to_the_nanosecond(name: str) -> None:
    timeline = read_nsys_sqlite(sample(name))
    found = {row.kernel_name: row for row in timeline.kernel_rows("")}
    rows = expected(f"{name}.cuda_gpu_kern_sum")
    assert set(found) == {row["Name"] for row in rows}
    for row in rows:
        kernel = found[row["Name"]]
        assert kernel.total_ns == int(row["Total Time (ns)"])
        assert kernel.instances == int(row["Instances"])
        assert (kernel.min_ns, kernel.max_ns) == (
            int(row["Min (ns)"]),
            int(row["Max (ns)"]),
        )
        assert round(kernel.mean_ns, 1) == float(row["Avg (ns)"])
        assert kernel.median_ns == float(row["Med (ns)"])
        assert kernel.stddev_ns == pytest.approx(float(row["StdDev (ns)"]), abs=0.051)


@needs_samples
@pytest.mark.parametrize("name", [TWO_GPUS, TWICE])
def test_walls_of_every_range_are_those_of_nsys_stats(name: str) -> None:
    rows = expected(f"{name}.nvtx_gpu_proj_sum")
    timeline = read_nsys_sqlite(sample(name), ranges=[row["Range"] for row in rows])
    assert [
        (time.name, time.wall_ns, time.instances) for time in timeline.ranges[1:]
    ] == [
        (row["Range"], int(row["Total Proj Time (ns)"]), int(row["Range Instances"]))
        for row in rows
    ]


@needs_samples
def test_a_kernel_with_two_launch_rows_counts_once_where_nsys_doubles_it() -> None:
    (row,) = expected(f"{TWICE}.nvtx_kern_sum")
    (kernel,) = read_nsys_sqlite(sample(TWICE), ranges=["saxpy"]).kernel_rows("saxpy")
    assert kernel.total_ns == 88_573_480 == int(row["Total Time (ns)"]) / 2
    assert kernel.instances == 5


@needs_samples
def test_what_a_file_says_of_its_recording_is_kept() -> None:
    timeline = read_nsys_sqlite(sample(TWICE))
    assert timeline.device_names == ("NVIDIA A100-SXM4-40GB",)
    assert timeline.compute_capability == (8, 0)
    assert timeline.tool_version == "2022.2.1.31"
    assert timeline.program == "./saxpy-mpi-cuda"
    assert timeline.started == "2023-06-26T21:00:57+00:00"
    assert timeline.mode == "eager"


@needs_samples
def test_a_file_without_its_gpus_still_reads_and_keeps_them_apart() -> None:
    timeline = read_nsys_sqlite(sample(TWO_GPUS))
    (whole,) = timeline.ranges
    assert timeline.device_names == ()
    assert [part.kernels for part in whole.devices] == [1793, 1794]
    assert sum(part.kernel_ns for part in whole.devices) == whole.kernel_ns
    assert timeline.program.startswith("torchrun --nnodes=1 --nproc_per_node=2")


def test_kernels_belong_to_the_range_that_their_launch_lies_in(tmp_path: Path) -> None:
    path = decode_file().write(tmp_path / "a.sqlite")
    timeline = read_nsys_sqlite(path, ranges=["decode"])
    rows = timeline.kernel_rows("decode")
    # norm() runs after its range has ended; its launch is what counts.
    assert [(row.kernel_name, row.total_ns) for row in rows] == [
        ("gemm(int)", 60),
        ("norm()", 10),
    ]
    configurations = timeline.configurations("decode", "gemm(int)")
    assert [(row.grid, row.total_ns) for row in configurations] == [
        ((8, 1, 1), 40),
        ((16, 1, 1), 20),
    ]


def test_wall_busy_and_gap_of_a_range_reconcile(tmp_path: Path) -> None:
    file = decode_file()
    file.copy((245, 246), (235, 245))  # beside gemm(int): busy counts 5 of it
    time = read_nsys_sqlite(
        file.write(tmp_path / "a.sqlite"), ranges=["decode"]
    ).range_time("decode")
    assert time is not None
    # Each step from +10 to +65, of which +40 to +60 is idle, but for the copy.
    assert (time.wall_ns, time.busy_ns, time.gap_ns) == (110, 75, 35)
    assert (time.kernel_ns, time.copy_ns, time.kernels) == (70, 10, 6)
    assert time.instances == 2


def test_a_kernel_counts_in_every_range_around_it(tmp_path: Path) -> None:
    file = decode_file()
    file.range("generate", 90, 260)
    timeline = read_nsys_sqlite(
        file.write(tmp_path / "a.sqlite"), ranges=["generate", "decode"]
    )
    kernels = {time.name: time.kernels for time in timeline.ranges}
    assert kernels == {"": 7, "generate": 6, "decode": 6}
    assert timeline.range == "generate"
    assert {row.range for row in timeline.kernels} == {"generate", "decode"}


def test_a_kernel_in_nested_ranges_of_one_name_counts_once(tmp_path: Path) -> None:
    file = NsysFile()
    file.range("layer", 0, 100)
    file.range("layer", 10, 90)
    file.launch((20, 30), (40, 50))
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["layer"])
    time = timeline.range_time("layer")
    assert time is not None
    assert (time.instances, time.kernels, time.kernel_ns) == (2, 1, 10)


def test_a_launch_recorded_twice_counts_once(tmp_path: Path) -> None:
    file = NsysFile()
    file.range("decode", 0, 100)
    number = file.launch((20, 30), (40, 50))
    file.launch((20, 30), correlationId=number)
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    (row,) = timeline.kernel_rows("decode")
    assert (row.instances, row.total_ns) == (1, 10)


def test_all_kernels_of_a_replayed_graph_are_its_launch_s(tmp_path: Path) -> None:
    file = NsysFile()
    file.range("decode", 0, 100)
    file.launch((20, 30), (40, 50), (50, 70), (70, 75), graphNodeId=7)
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    (row,) = timeline.kernel_rows("decode")
    assert (row.instances, row.total_ns, timeline.mode) == (3, 35, "CUDA graph")


@pytest.mark.parametrize("event_type", [59, 60, 70, 71])
def test_push_pop_and_start_end_ranges_count_alike(
    tmp_path: Path, event_type: int
) -> None:
    file = NsysFile()
    file.range("decode", 0, 100, eventType=event_type, endGlobalTid=THREAD)
    file.launch((20, 30), (40, 50))
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    assert timeline.kernel_rows("decode")[0].total_ns == 10


def test_a_range_that_ends_on_another_thread_is_left_out_and_named(
    tmp_path: Path,
) -> None:
    file = decode_file()
    file.range("decode", 300, 400, eventType=60, endGlobalTid=THREAD + 1)
    file.launch((310, 320), (330, 340))
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    time = timeline.range_time("decode")
    assert time is not None
    assert time.kernels == 6
    assert "1 of 3 ranges 'decode' end on another thread" in timeline.notes[0]


def test_a_range_that_stays_open_ends_with_the_recording(tmp_path: Path) -> None:
    file = NsysFile()
    file.launch((0, 5), (10, 20))
    file.range("decode", 8, None)
    file.launch((20, 30), (40, 50))
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    assert timeline.kernel_rows("decode")[0].instances == 1
    assert "1 of 1 ranges 'decode' did not end" in timeline.notes[0]


def test_a_name_kept_in_string_ids_is_found(tmp_path: Path) -> None:
    file = NsysFile()
    file.range("", 0, 100, text=None, textId=file.string("decode"))
    file.launch((20, 30), (40, 50))
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    assert timeline.seen_ranges == ("decode",)
    assert len(timeline.kernel_rows("decode")) == 1


def domains_file() -> NsysFile:
    file = NsysFile()
    for number, name in enumerate(("mine", "theirs"), start=1):
        file.range(name, 0, None, eventType=75, domainId=number)
        file.range("decode", 100 * number, 100 * number + 50, domainId=number)
        file.launch((100 * number, 100 * number + 10), (100 * number, 100 * number + 7))
    file.range("a@b", 300, 350)
    file.launch((300, 310), (300, 305))
    return file


@pytest.mark.parametrize(
    ("asked", "name", "domain", "kernels"),
    [
        ("decode", "decode", "mine, theirs", 2),
        ("decode@*", "decode", "mine, theirs", 2),
        ("decode@mine", "decode", "mine", 1),
        ("a@b", "a@b", "", 1),
    ],
)
def test_a_range_is_named_as_for_nsys(
    tmp_path: Path, asked: str, name: str, domain: str, kernels: int
) -> None:
    path = domains_file().write(tmp_path / "a.sqlite")
    time = read_nsys_sqlite(path, ranges=[asked]).ranges[1]
    assert (time.name, time.domain, time.kernels) == (name, domain, kernels)


def test_one_message_of_two_domains_stays_two_ranges(tmp_path: Path) -> None:
    path = domains_file().write(tmp_path / "a.sqlite")
    timeline = read_nsys_sqlite(path, ranges=["decode@mine", "decode@theirs"])
    assert [time.name for time in timeline.ranges[1:]] == ["decode", "decode@theirs"]


def test_correlation_ids_are_counted_in_each_process(tmp_path: Path) -> None:
    file = NsysFile()
    file.range("decode", 0, 100)
    number = file.launch((20, 30), (40, 50), name="mine()")
    other = {"process": OTHER_PROCESS, "thread": OTHER_PROCESS + 5}
    file.launch((20, 30), (40, 90), name="theirs()", correlationId=number, **other)
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    assert [row.kernel_name for row in timeline.kernel_rows("decode")] == ["mine()"]
    assert "2 processes are taken together" in timeline.notes


def test_a_process_s_device_number_is_turned_into_the_gpu_s(tmp_path: Path) -> None:
    file = NsysFile()
    file.launch((0, 5), (10, 20))
    file.launch((0, 5), (10, 20), process=OTHER_PROCESS, thread=OTHER_PROCESS)
    for gpu, pid in ((0, PROCESS), (3, OTHER_PROCESS)):
        row = {"gpuId": gpu, "cudaId": 0, "pid": (pid >> 24) & 0xFFFFFF}
        file.add("TARGET_INFO_CUDA_DEVICE", **row)
        file.add("TARGET_INFO_GPU", id=gpu, name=f"GPU {gpu}")
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"))
    assert timeline.device_names == ("GPU 0", "GPU 3")
    assert [part.device for part in timeline.ranges[0].devices] == [0, 3]
    assert timeline.kernel_rows("")[0].device is None  # ran on both


def test_a_range_that_never_occurs_is_answered_with_those_that_do(
    tmp_path: Path,
) -> None:
    file = decode_file()
    file.range("prefill", 0, 9)
    path = file.write(tmp_path / "a.sqlite")
    with pytest.raises(ProfileError, match=r"no range 'decod'\. .*'decode' \(2\), 'p"):
        read_nsys_sqlite(path, ranges=["decod"])


def test_a_file_without_ranges_says_how_to_make_some(tmp_path: Path) -> None:
    file = NsysFile()
    file.launch((0, 5), (10, 20))
    with pytest.raises(ProfileError, match=r"has no ranges.*range_push"):
        read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])


def test_a_range_that_launched_nothing_is_an_error_alone_and_a_note_with_others(
    tmp_path: Path,
) -> None:
    file = decode_file()
    file.range("tokenise", 500, 600)
    path = file.write(tmp_path / "a.sqlite")
    with pytest.raises(ProfileError, match="no GPU work was launched in range 'token"):
        read_nsys_sqlite(path, ranges=["tokenise"])
    timeline = read_nsys_sqlite(path, ranges=["decode", "tokenise"])
    assert "no GPU work was launched in range 'tokenise'" in timeline.notes


def test_kernels_whose_launch_is_not_in_the_file_are_counted_in_a_note(
    tmp_path: Path,
) -> None:
    file = decode_file()
    file.tables["CUPTI_ACTIVITY_KIND_RUNTIME"].pop()
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    assert timeline.notes[0].startswith("1 of 7 kernels have no launch in the file")


def test_graphs_recorded_whole_ask_for_another_recording(tmp_path: Path) -> None:
    file = NsysFile()
    number = file.launch((0, 5))
    row = {"start": 10, "end": 90, "deviceId": 0, "correlationId": number}
    file.add("CUPTI_ACTIVITY_KIND_GRAPH_TRACE", **row, globalPid=PROCESS)
    with pytest.raises(ProfileError, match=r"only whole CUDA graphs \(1\).*=node"):
        read_nsys_sqlite(file.write(tmp_path / "a.sqlite"))
    file.launch((0, 5), (100, 110))
    timeline = read_nsys_sqlite(file.write(tmp_path / "b.sqlite"))
    (whole,) = timeline.ranges
    assert (whole.graph_ns, whole.busy_ns, whole.wall_ns) == (80, 90, 100)
    assert timeline.mode == "eager and CUDA graph"
    assert "CUDA graphs that were recorded whole: 1" in timeline.notes[0]


def test_a_recording_without_kernels_repeats_what_nsys_complained_of(
    tmp_path: Path,
) -> None:
    file = NsysFile()
    file.add("DIAGNOSTIC_EVENT", severity=3, text="CUPTI did not start")
    file.add("DIAGNOSTIC_EVENT", severity=1, text="hello")
    with pytest.raises(ProfileError, match=r"no kernels.* nsys: CUPTI did not start\."):
        read_nsys_sqlite(file.write(tmp_path / "a.sqlite"))


def test_an_old_file_with_few_columns_reads(tmp_path: Path) -> None:
    file = NsysFile()
    row = {"start": 10, "end": 20, "correlationId": 1, "shortName": file.string("k")}
    file.add("CUPTI_ACTIVITY_KIND_KERNEL", **row)
    call = {"start": 0, "end": 5, "globalTid": THREAD, "correlationId": 1}
    file.add("CUPTI_ACTIVITY_KIND_RUNTIME", **call)
    file.add(
        "NVTX_EVENTS", start=0, end=9, eventType=59, text="decode", globalTid=THREAD
    )
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=["decode"])
    assert [row.kernel_name for row in timeline.kernel_rows("decode")] == ["k"]


def test_kernel_names_with_quotes_commas_and_markup_come_through(
    tmp_path: Path,
) -> None:
    name = """k<'a', "b">(int, <b>|x</b>, T2 *)'; DROP TABLE StringIds; --"""
    file = NsysFile()
    file.range(name, 0, 100)
    file.launch((20, 30), (40, 50), name=name)
    timeline = read_nsys_sqlite(file.write(tmp_path / "a.sqlite"), ranges=[name])
    assert timeline.kernel_rows(name)[0].kernel_name == name


def test_a_file_is_only_read(tmp_path: Path) -> None:
    path = decode_file().write(tmp_path / "a.sqlite")
    before = hashlib.sha256(path.read_bytes()).digest()
    read_nsys_sqlite(path, ranges=["decode"])
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_with_a_write_ahead_log_header_gets_no_companions(
    tmp_path: Path,
) -> None:
    path = decode_file().write(tmp_path / "a.sqlite")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    read_nsys_sqlite(path)
    assert list(tmp_path.iterdir()) == [path]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def overwrite(path: Path) -> None:
    pages = path.read_bytes()
    path.write_bytes(pages[:4096] + b"\xff" * (len(pages) - 4096))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.write_text("start,end\n"), "no SQLite file. Export"),
        (lambda path: path.write_bytes(b""), "no SQLite file"),
        (lambda path: path.write_bytes(path.read_bytes()[:50]), "cut off: 50 of"),
        (cut, "cut off: .* Copy or export it again"),
        (overwrite, "damaged: .* Export it again"),
        (lambda path: path.unlink(), "No file .* Check the name"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    path = decode_file().write(tmp_path / "a.sqlite")
    spoil(path)
    with pytest.raises(ProfileError, match=problem):
        read_nsys_sqlite(path)


@pytest.mark.parametrize(
    ("suffix", "remedy"),
    [(".nsys-rep", "nsys export --type sqlite"), (".qdstrm", "QdstrmImporter")],
)
def test_a_report_is_refused_with_the_way_to_export_it(
    tmp_path: Path, suffix: str, remedy: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"anything")
    with pytest.raises(ProfileError, match=remedy):
        read_nsys_sqlite(path)


def test_another_sqlite_file_is_not_taken_for_one_of_nsys(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.close()
    with pytest.raises(ProfileError, match="none that nsys exported"):
        read_nsys_sqlite(path)


def test_a_locked_file_says_so(tmp_path: Path) -> None:
    path = decode_file().write(tmp_path / "a.sqlite")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ProfileError, match="is locked: another process"):
        read_nsys_sqlite(path)
    writer.close()


def test_a_value_that_is_no_number_is_named_with_its_table(tmp_path: Path) -> None:
    file = decode_file()
    file.launch((0, 5), (10, 20), start="soon")
    with pytest.raises(ProfileError, match="KERNEL holds a value that is no whole"):
        read_nsys_sqlite(file.write(tmp_path / "a.sqlite"))


Step = tuple[int, int, int]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    launches=st.lists(
        st.tuples(st.integers(0, 300), st.integers(0, 20), st.integers(0, 60)),
        min_size=1,
        max_size=12,
    ),
    ranges=st.lists(
        st.tuples(st.integers(0, 300), st.integers(0, 150)), min_size=1, max_size=6
    ),
)
def test_ranges_hold_what_a_search_of_every_pair_finds(
    tmp_path_factory: pytest.TempPathFactory,
    launches: list[Step],
    ranges: list[tuple[int, int]],
) -> None:
    file = NsysFile()
    inside: dict[int, int] = {}
    for number, (start, wait, length) in enumerate(launches):
        file.launch((start, start + 5), (start + wait, start + wait + length))
        if any(a <= start and start + 5 <= a + b for a, b in ranges):
            inside[number] = length
    for start, length in ranges:
        file.range("decode", start, start + length)
    path = file.write(tmp_path_factory.mktemp("nsys") / "a.sqlite")
    if not inside:
        with pytest.raises(ProfileError, match="no GPU work was launched"):
            read_nsys_sqlite(path, ranges=["decode"])
        return
    timeline = read_nsys_sqlite(path, ranges=["decode"])
    time = timeline.range_time("decode")
    assert time is not None
    assert (time.kernels, time.kernel_ns) == (len(inside), sum(inside.values()))
    assert time.busy_ns <= min(time.wall_ns, time.kernel_ns)
    (row,) = timeline.kernel_rows("decode")
    assert (row.instances, row.total_ns) == (time.kernels, time.kernel_ns)
