import csv
import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.seed_csv import SeedRow, parse_seed_csv, read_seed_csv
from dsprof.analysis.seed_flags import flag_rows
from dsprof.harness.device import Datapath, device_spec
from dsprof.harness.errors import ProfileError
from dsprof.harness.records import Bound, Phase
from dsprof.harness.timing_csv import SEED_COLUMNS
from tests.conftest import TOY_GPU

HEADER = ",".join(SEED_COLUMNS)
GEMM = "mm,q_b,decode,1,1,1,24576,1536,0.0123,6138,21.6,1730,3.55,memory"
FOUR_BIT = "even with 4-bit operands and output"
Q_B = {("mm", "q_b"): Datapath.FP4_TENSOR}


def parse(*lines: str, header: str = HEADER) -> list[SeedRow]:
    return parse_seed_csv("\n".join([header, *lines]) + "\n", "rows.csv")


def problems(line: str, path: Datapath | None = None) -> list[str]:
    known = {} if path is None else {("mm", "q_b"): path}
    return [flag.problem for flag in flag_rows(parse(line), device_spec("b200"), known)]


def test_a_row_is_read_with_its_line() -> None:
    (row,) = parse(GEMM)
    assert (row.line, row.kernel, row.op, row.phase) == (2, "mm", "q_b", Phase.DECODE)
    assert (row.m, row.n, row.k) == (1, 24576, 1536)
    assert row.latency_ms == 0.0123
    assert row.bound is Bound.MEMORY


def test_cells_of_numbers_may_be_empty() -> None:
    (row,) = parse("rmsnorm,norm,prefill,2,128,,,,,,,,,")
    assert (row.m, row.latency_ms, row.gflops, row.intensity) == (None,) * 4
    assert row.bound is None
    assert flag_rows([row], TOY_GPU, {}) == []


def test_other_columns_and_their_order_do_not_matter() -> None:
    names = [*reversed(SEED_COLUMNS), "mine"]
    cells = [*reversed(GEMM.split(",")), "x"]
    assert parse(",".join(cells), header=",".join(names)) == parse(GEMM)


def test_the_rate_of_a_row_without_one_follows_from_its_bandwidth() -> None:
    (row,) = parse("norm,x,decode,1,1,1,7168,0,0.003,,80,6400,1.25,memory")
    assert row.flops_per_s == 8e12


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,b,decode,0,1,,,,,,,,,", "line 3: B is '0'; give a whole number"),
        ("a,b,decode,1,x,,,,,,,,,", "line 3: S is 'x'"),
        ("a,b,train,1,1,,,,,,,,,", "line 3: phase is 'train'; give decode or prefill"),
        (",b,decode,1,1,,,,,,,,,", "line 3: kernel is empty"),
        ("a,b,decode,1,1,,,,nan,,,,,", "line 3: latency_ms is 'nan'"),
        ("a,b,decode,1,1,,,,,-1,,,,", "line 3: gflops is '-1'"),
        ("a,b,decode,1,1,1.5,,,,,,,,", "line 3: M is '1.5'"),
        ("a,b,decode,1,1,,,,,,,,,both", "line 3: bound is 'both'"),
        ("a,b,decode", "line 3: B is empty"),
    ],
)
def test_an_error_names_file_and_line(line: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(GEMM, line)
    assert str(caught.value).startswith(f"rows.csv, {message}")


def test_missing_columns_are_named() -> None:
    with pytest.raises(ProfileError, match="line 1: no column bound"):
        parse(header=HEADER.removesuffix(",bound"))
    with pytest.raises(ProfileError, match="no column kernel"):
        parse_seed_csv("", "rows.csv")


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="Cannot read"):
        read_seed_csv(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(ProfileError, match=r"binary\.csv, line 2: not UTF-8"):
        read_seed_csv(tmp_path / "binary.csv")


def test_a_row_that_agrees_with_itself_has_no_flag() -> None:
    assert problems(GEMM, path=Datapath.FP4_TENSOR) == []


def test_a_unit_slip_in_rate_and_share_is_flagged_and_not_repaired() -> None:
    slip = "mm,q_b,decode,1,1,1,24576,1536,0.0123,1234.5,13.72,,7200,compute"
    assert problems(slip, path=Datapath.FP4_TENSOR) == [
        f"arith_intensity 7,200, but M, N and K allow 4.00 {FOUR_BIT}",
        "gflops 1,234, but 2 M N K over latency_ms is 6,138",
        "peak_pct 13.7, but its rates give 0.0137",
    ]
    assert parse(slip)[0].gflops == 1234.5


def test_a_bound_on_the_wrong_side_of_the_ridge_is_flagged() -> None:
    line = "mm,q_b,decode,128,1,128,24576,1536,,,,,371,compute"
    (flagged,) = problems(line, path=Datapath.FP4_TENSOR)
    assert "compute-bound at 371 FLOP/byte, below the ridge point of 1,125" in flagged
    # Of an unknown kernel it is true on BF16, whose ridge is at 281.
    assert problems(line) == []


def test_rates_above_the_roofs_are_flagged() -> None:
    (flagged,) = problems("a,b,decode,1,1,,,,,,,16000,,")
    assert flagged.startswith("bandwidth_gbs 16,000 is 200 % of the HBM peak")
    (flagged,) = problems("a,b,decode,1,1,,,,,18000000,,,,")
    assert flagged == "gflops 18,000,000 is 200 % of the compute peak"
    assert problems("a,b,decode,1,1,,,,,,101,,,") == ["peak_pct 101 is above 100"]


def test_a_kernel_whose_datapath_the_device_lacks_is_flagged() -> None:
    flags = flag_rows(parse(GEMM), TOY_GPU, Q_B)
    assert [flag.problem for flag in flags] == ["Toy GPU has no fp4_tensor datapath"]


numbers = st.one_of(st.none(), st.floats(0, 1e15))
rows = st.builds(
    SeedRow,
    line=st.just(2),
    kernel=st.text(min_size=1).filter(lambda text: text == text.strip() != ""),
    op=st.text(min_size=1).filter(lambda text: text == text.strip() != ""),
    phase=st.sampled_from(Phase),
    batch_size=st.integers(1, 10**6),
    seq_len=st.integers(1, 10**6),
    m=st.one_of(st.none(), st.integers(0, 10**6)),
    n=st.one_of(st.none(), st.integers(0, 10**6)),
    k=st.one_of(st.none(), st.integers(0, 10**6)),
    latency_ms=numbers,
    gflops=numbers,
    peak_pct=numbers,
    bandwidth_gbs=numbers,
    intensity=numbers,
    bound=st.one_of(st.none(), st.sampled_from(Bound)),
)


def written(row: SeedRow) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(SEED_COLUMNS)
    values = (
        *(row.kernel, row.op, row.phase, row.batch_size, row.seq_len),
        *(row.m, row.n, row.k, row.latency_ms, row.gflops, row.peak_pct),
        *(row.bandwidth_gbs, row.intensity, row.bound),
    )
    writer.writerow("" if value is None else value for value in values)
    return buffer.getvalue()


@given(rows)
def test_what_is_written_is_read_back(row: SeedRow) -> None:
    (read,) = parse_seed_csv(written(row), "rows.csv")
    assert {**_fields(read), "line": 2} == _fields(row)


def _fields(row: SeedRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in SeedRow.__slots__}


@given(rows)
def test_every_flag_belongs_to_its_row_and_says_something(row: SeedRow) -> None:
    for flag in flag_rows([row], TOY_GPU, {}):
        assert flag.row is row
        assert flag.problem


@given(st.text())
def test_any_text_is_no_rows_or_an_error_of_its_own(text: str) -> None:
    with suppress(ProfileError):
        assert parse_seed_csv(text, "rows.csv") == []


@given(
    st.integers(1, 10**5),
    st.integers(1, 10**5),
    st.integers(1, 10**5),
    st.floats(1e-3, 10),
    st.sampled_from(list(TOY_GPU.flops_per_s)),
)
def test_a_row_computed_from_its_own_work_is_never_flagged(
    m: int, n: int, k: int, slower: float, path: Datapath
) -> None:
    flops, moved = 2 * m * n * k, 2 * (m * k + n * k + m * n)
    intensity, ridge = flops / moved, TOY_GPU.ridge_point(path)
    seconds = (1 + slower) * max(
        flops / TOY_GPU.peak(path), moved / TOY_GPU.hbm_bytes_per_s
    )
    compute = intensity >= ridge
    roof = TOY_GPU.peak(path) if compute else TOY_GPU.hbm_bytes_per_s
    row = SeedRow(
        line=2,
        kernel="mm",
        op="x",
        phase=Phase.DECODE,
        batch_size=1,
        seq_len=1,
        m=m,
        n=n,
        k=k,
        latency_ms=seconds * 1e3,
        gflops=flops / seconds / 1e9,
        peak_pct=100 * (flops if compute else moved) / seconds / roof,
        bandwidth_gbs=moved / seconds / 1e9,
        intensity=intensity,
        bound=Bound.COMPUTE if compute else Bound.MEMORY,
    )
    assert flag_rows([row], TOY_GPU, {("mm", "x"): path}) == []
