"""Forms are printed by ``printed`` from known launches and have to read back."""

import codecs
import gzip
import json
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsprof.analysis.launches import Launch, to_counters
from dsprof.analysis.ncu_csv import read_ncu_csv
from dsprof.analysis.ncu_labels import metric_name
from dsprof.analysis.ncu_report import read_ncu_report
from dsprof.harness.counters import counter_metrics
from dsprof.harness.errors import ProfileError
from tests.analysis.printed import Form, details_page, raw_page

DATA = Path(__file__).parents[1] / "data"
SAMPLES = Path(__file__).parents[2] / "../shared/samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample files here")

DURATION = "gpu__time_duration.sum"
SM_PCT = "sm__throughput.avg.pct_of_peak_sustained_elapsed"
MEMORY_PCT = "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed"
MEMORY_RATE = "dram__bytes.sum.per_second"
READ_BYTES = "dram__bytes_read.sum"
CLOCK = "sm__cycles_elapsed.avg.per_second"
UNITS = {
    DURATION: "ns",
    SM_PCT: "%",
    MEMORY_PCT: "%",
    MEMORY_RATE: "byte/s",
    READ_BYTES: "byte",
    CLOCK: "hz",
    "smsp__inst_executed.sum": "inst",
    "launch__shared_mem_per_block_dynamic": "byte/block",
    "launch__registers_per_thread": "register/thread",
}
LABELS = {
    DURATION: ("GPU Speed Of Light Throughput", "Duration"),
    SM_PCT: ("GPU Speed Of Light Throughput", "Compute (SM) Throughput"),
    MEMORY_PCT: ("GPU Speed Of Light Throughput", "Memory Throughput"),
    MEMORY_RATE: ("Memory Workload Analysis", "Memory Throughput"),
    "launch__registers_per_thread": ("Launch Statistics", "Registers Per Thread"),
}
FORMS = [
    Form(),
    Form(group=","),
    Form(decimal=",", group="."),
    Form(decimal=",", group="\u202f"),
    Form(group=",", auto_units=True),
    Form(decimal=",", group=".", auto_units=True, old_units=True),
    Form(old_units=True),
    Form(group=",", decimals=2),
]

ONE = Launch(
    kernel_name='void ns::copy<(int)4, "q">(const float *, float *)',
    grid=(2048, 1, 1),
    block=(256, 2, 1),
    push_pop=("<default domain>:step", "app:layer:3"),
    start_end=("dsprof:rmsnorm/op/decode/B=1,S=1",),
    compute_capability=(9, 0),
    values={
        DURATION: 36863,
        SM_PCT: 52.787598,
        MEMORY_PCT: 34.25,
        MEMORY_RATE: 1670382147838.25,
        READ_BYTES: 29360128,
        CLOCK: 1954701301.5,
        "launch__shared_mem_per_block_dynamic": 1024,
        "launch__registers_per_thread": 32,
    },
    units={**UNITS, "smsp__inst_executed.sum": "inst"},
    absent={"smsp__inst_executed.sum": "n/a"},
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def assert_same(read: Launch, known: Launch, *, rel: float = 1e-6) -> None:
    for name in ("kernel_name", "grid", "block", "compute_capability", "absent"):
        assert getattr(read, name) == getattr(known, name), name
    assert read.ranges == known.ranges
    assert read.units == known.units
    # An automatic unit is printed with six decimals of that unit.
    assert read.values == pytest.approx(known.values, rel=rel, abs=6e-3)


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_the_raw_page_reads_back_in_every_locale_and_unit(
    tmp_path: Path, form: Form
) -> None:
    path = write(tmp_path / "raw.csv", raw_page([ONE], form))
    result = read_ncu_csv(path, all_metrics=True)
    assert result.format == "ncu CSV, raw page"
    assert result.notes == ()
    assert_same(result.launches[0], ONE)


@pytest.mark.parametrize("form", FORMS, ids=repr)
@pytest.mark.parametrize("rules", [True, False], ids=["20 columns", "15 columns"])
def test_the_details_page_reads_back_with_rows_of_rules_between(
    tmp_path: Path, *, form: Form, rules: bool
) -> None:
    path = write(tmp_path / "details.csv", details_page([ONE, ONE], form, rules=rules))
    result = read_ncu_csv(path, all_metrics=True)
    assert result.format == "ncu CSV, details page"
    assert len(result.launches) == 2
    assert_same(result.launches[1], ONE)


def test_labels_read_as_their_metrics_by_section_and_unit(tmp_path: Path) -> None:
    known = replace(
        ONE,
        values={name: ONE.values[name] for name in LABELS},
        units={name: UNITS[name] for name in LABELS},
        absent={},
    )
    text = details_page([known], Form(group=",", auto_units=True), labels=LABELS)
    assert text.count('"Memory Throughput"') == 2
    assert_same(read_ncu_csv(write(tmp_path / "d.csv", text)).launches[0], known)


def test_every_label_stands_for_the_metric_that_it_names() -> None:
    for name, (section, label) in LABELS.items():
        assert metric_name(section, label, UNITS[name]) == name
    assert metric_name("Anything", "Memory Throughput", "%") == MEMORY_PCT
    assert metric_name("Anything", "Memory Throughput", "inst") is None
    assert metric_name("", f"Duration ({DURATION})", "ns") == DURATION


NUMBERS = {
    "%": st.floats(0, 100).map(lambda value: round(value, 6)),
    "byte/s": st.floats(1e6, 8e12).map(lambda value: round(value, 2)),
    "hz": st.floats(1e8, 2e9).map(lambda value: round(value, 2)),
}
LAUNCHES = st.builds(
    lambda name, grid, values: replace(
        ONE, kernel_name=name, grid=grid, values=values, units=UNITS, absent={}
    ),
    name=st.text(string.ascii_letters + ' <>,:*"()', min_size=1).map(
        lambda text: f"k{text}k"
    ),
    grid=st.tuples(*[st.integers(1, 100_000)] * 3),
    values=st.fixed_dictionaries(
        {
            name: NUMBERS.get(unit, st.integers(0, 10**12))
            for name, unit in UNITS.items()
        }
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    launches=st.lists(LAUNCHES, min_size=1, max_size=3),
    form=st.sampled_from(FORMS[:-1]),
    raw=st.booleans(),
)
def test_whatever_was_measured_reads_back(
    tmp_path: Path, *, launches: list[Launch], form: Form, raw: bool
) -> None:
    text = (raw_page if raw else details_page)(launches, form)
    read = read_ncu_csv(write(tmp_path / "x.csv", text), all_metrics=True).launches
    assert len(read) == len(launches)
    for ours, known in zip(read, launches, strict=True):
        # Six decimals of 1e9 are 1e3 in base units.
        for name, value in known.values.items():
            limit = 1e3 if form.auto_units and UNITS[name] in {"byte/s", "hz"} else 0.01
            assert ours.values[name] == pytest.approx(value, rel=1e-12, abs=limit)
        assert ours.kernel_name == known.kernel_name
        assert ours.grid == known.grid


def test_console_noise_around_and_between_rows_is_no_row(tmp_path: Path) -> None:
    lines = raw_page([ONE, ONE], Form(group=",")).splitlines(keepends=True)
    text = "".join(
        [
            '{"json": "of the program", "x": 1}\n',
            "==PROF== Connected to process 7 (/usr/bin/python3)\n",
            '==PROF== Profiling "copy" - 0: 0%....50%....100% - 9 passes\n',
            "result: " + lines[0],  # printed without a line end
            *lines[1:3],
            "==WARNING== something, with a comma\n",
            lines[3],
            "\nDone in 3,5 s\n",
        ]
    )
    result = read_ncu_csv(write(tmp_path / "x.csv", text))
    assert len(result.launches) == 2
    assert result.notes == ()


def test_tables_of_several_processes_all_count(tmp_path: Path) -> None:
    other = replace(ONE, kernel_name="other(int)")
    text = raw_page([ONE], Form()) + raw_page([other], Form())
    launches = read_ncu_csv(write(tmp_path / "x.csv", text)).launches
    assert [launch.kernel_name for launch in launches] == [
        ONE.kernel_name,
        "other(int)",
    ]


def test_two_kernels_of_one_base_name_stay_apart(tmp_path: Path) -> None:
    one = replace(ONE, kernel_name="void kernel<4>(int)")
    two = replace(one, kernel_name="void kernel<8>(int)", values={DURATION: 1})
    two = replace(two, units={DURATION: "ns"}, absent={})
    text = details_page([one, two], Form())
    read = read_ncu_csv(write(tmp_path / "x.csv", text)).launches
    assert [launch.kernel_name for launch in read] == [
        "void kernel<4>(int)",
        "void kernel<8>(int)",
    ]
    assert read[0].values[DURATION] == 36863
    assert read[1].values[DURATION] == 1


@pytest.mark.parametrize("text", ["n/a", "no data", "", "(!) n/a"])
def test_what_ncu_has_no_value_of_is_absent_and_never_zero(
    tmp_path: Path, text: str
) -> None:
    page = details_page([ONE], Form(), rules=False).replace('"52.787598"', f'"{text}"')
    launch = read_ncu_csv(write(tmp_path / "x.csv", page)).launches[0]
    assert SM_PCT not in launch.values
    counters = to_counters(launch, cache=None, index=0)
    assert counters.sm_pct is None
    assert counters.missing["sm_pct"] == ("n/a" if "n/a" in text else "no data")


def test_utf_16_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    text = raw_page([ONE], Form())
    for content in (
        codecs.BOM_UTF16_LE + text.replace("\n", "\r\n").encode("utf-16-le"),
        codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        codecs.BOM_UTF8 + text.encode(),
    ):
        path = tmp_path / "x.csv"
        path.write_bytes(content)
        assert_same(read_ncu_csv(path, all_metrics=True).launches[0], ONE)


def test_bytes_of_another_encoding_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"Zeit: 3 \xb5s\n" + raw_page([ONE], Form()).encode())
    result = read_ncu_csv(path)
    assert "line 1" in result.notes[0]
    assert len(result.launches) == 1


def test_a_table_that_was_written_again_without_quotes_is_read(tmp_path: Path) -> None:
    known = replace(ONE, kernel_name="plain")
    text = details_page([known], Form(), nvtx=False, rules=False)
    text = text.replace('"(2048, 1, 1)"', "2048x1x1").replace(
        '"(256, 2, 1)"', "256x2x1"
    )
    read = read_ncu_csv(write(tmp_path / "x.csv", text.replace('"', ""))).launches[0]
    assert read.values[DURATION] == 36863
    assert read.grid == (2048, 1, 1)


def test_the_last_value_without_quotes_and_line_end_may_be_half_of_itself(
    tmp_path: Path,
) -> None:
    known = replace(ONE, kernel_name="plain", units={DURATION: "ns", CLOCK: "hz"})
    text = details_page([known], Form(), nvtx=False, rules=False)
    text = text.replace('"(2048, 1, 1)"', "").replace('"(256, 2, 1)"', "")
    result = read_ncu_csv(write(tmp_path / "x.csv", text.replace('"', "")[:-4]))
    assert result.launches[0].values == {DURATION: 36863}
    assert "line 3" in result.notes[0]


@pytest.mark.parametrize("page", [raw_page, details_page])
def test_a_row_that_is_cut_off_is_left_out_and_noted(tmp_path: Path, page) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    text = page([ONE, ONE], Form())
    for cut in range(1, 400, 7):
        result = read_ncu_csv(write(tmp_path / "x.csv", text[:-cut]))
        if not result.notes:  # what was cut is the end of a rule or a line end
            assert_same(result.launches[-1], result.launches[0])
        else:
            assert "cut off" in result.notes[0]


def test_an_ambiguous_file_says_what_was_taken_for_granted(tmp_path: Path) -> None:
    known = replace(
        ONE, values={CLOCK: 195470}, units={CLOCK: "hz"}, absent={}, grid=(1, 1, 1)
    )
    text = raw_page([known], Form(decimal=",", group="."))
    result = read_ncu_csv(write(tmp_path / "x.csv", text))
    assert result.launches[0].values[CLOCK] == 195470
    assert "'195.470' is taken for a whole number" in result.notes[0]


SUMMARY = (
    '"Process ID","Kernel Name","Invocations","Section Name","Metric Name",'
    '"Metric Unit","Minimum","Maximum","Average"\n'
    f'"1","k","3","x","{DURATION}","ns","1","3","2"\n'
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("==PROF== Connected\n  k(int) (1, 1, 1)\n    Section: Occupancy\n", "--csv"),
        ("a,b,c\n1,2,3\n", "no table of ncu's"),
        (SUMMARY, "--print-summary"),
        (raw_page([ONE], Form()).split("\n")[0] + "\n", "units"),
        (json.dumps({"traceEvents": []}), "JSON"),
        ("", "empty"),
        ("x\0y", "binary"),
        ("\x89PNG\r\n", "PNG"),
        ("SQLite format 3\0", "an SQLite database"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_way_out(
    tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ProfileError, match=words) as caught:
        read_ncu_csv(path)
    assert "file.csv" in str(caught.value)


def test_folders_missing_files_and_archives_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="is a folder"):
        read_ncu_csv(tmp_path)
    with pytest.raises(ProfileError, match="No file"):
        read_ncu_csv(tmp_path / "absent.csv")
    trace = tmp_path / "trace.json.gz"
    trace.write_bytes(gzip.compress(b'{"traceEvents": []}', mtime=0))
    with pytest.raises(ProfileError, match=r"torch\.profiler, not a CSV"):
        read_ncu_csv(trace)


def test_the_recorded_csv_says_what_its_report_says() -> None:
    from_csv = read_ncu_csv(DATA / "h200-three-kernels.raw.base.csv").launches
    from_report = read_ncu_report(DATA / "h200-three-kernels.ncu-rep").launches
    compare(from_csv, from_report)


@needs_samples
def test_the_sample_csv_says_what_its_report_says() -> None:
    compare(
        read_ncu_csv(SAMPLES / "h200/sections.raw.base.csv").launches,
        read_ncu_report(SAMPLES / "h200/sections.ncu-rep").launches,
    )


def compare(from_csv: tuple[Launch, ...], from_report: tuple[Launch, ...]) -> None:
    """The same counters, up to the two decimals that --print-units base prints."""
    assert len(from_csv) == len(from_report) == 3
    for printed, exact in zip(from_csv, from_report, strict=True):
        ours = to_counters(printed, cache=None, index=0)
        theirs = to_counters(exact, cache=None, index=0)
        for name in counter_metrics():
            value, wanted = getattr(ours, name), getattr(theirs, name)
            if wanted is None:
                assert value is None, name
            else:
                assert value == pytest.approx(wanted, rel=1e-12, abs=0.00501), name
        for name in ("grid", "block", "ranges", "device_name", "missing", "stalls"):
            assert getattr(ours, name) == getattr(theirs, name), name


@needs_samples
def test_the_sample_long_form_is_read() -> None:
    result = read_ncu_csv(SAMPLES / "public/esmm__a10g_metrics_long.csv")
    assert len(result.launches) == 9
    first = result.launches[0]
    assert first.kernel_name.startswith("basic(int, int, int, const float *")
    assert first.values["dram__bytes.sum"] == 32746880
    assert first.values[DURATION] == 10776576
    assert first.compute_capability == (8, 6)
    # 1024^3 FFMA of 2 FLOP, and an FMUL for each of the 1024^2 results
    counters = to_counters(first, cache=None, index=0)
    assert counters.fp32_flops == 2 * 1024**3 + 1024**2


@needs_samples
def test_the_sample_console_dump_is_refused_with_the_command_for_a_csv() -> None:
    with pytest.raises(ProfileError, match=r"not CSV.*ncu --import REPORT\.ncu-rep"):
        read_ncu_csv(SAMPLES / "public/kmer__console_with_prof_lines.txt")
