"""A user's description of a machine: what it may say, and every fault it can have."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.target import Target, source_target
from dsprof.analysis.whatif.target_file import (
    EXAMPLE_TOML,
    LIMITS,
    find_target,
    read_target,
)
from dsprof.harness.device import GPUS_TOML, Datapath
from dsprof.harness.errors import UsageError
from tests.conftest import Factory

NPU = """\
name = "My NPU"
hbm_bytes_per_s = "4TB/s"
hbm_latency_s = "600ns"
on_chip_bytes = "512MB"
on_chip_bytes_per_s = 2e13
launch_latency_s = "2us"
power_w = "700W"

[flops_per_s]
fp8 = "2000T"
bf16_tensor = "1 PFLOP/s"
fp32 = 6e13
"""


@pytest.fixture
def npu_toml(tmp_path: Path) -> Path:
    path = tmp_path / "npu.toml"
    path.write_text(NPU)
    return path


@pytest.fixture
def source(make_profile: Factory) -> Target:
    return source_target(make_profile())


def faults(path: Path, text: str) -> list[str]:
    """The lines between the first, which names the file, and the last, which helps."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        read_target(path)
    first, *found, last = str(raised.value).splitlines()
    assert first.startswith(f"{path} has ")
    assert "--print-example" in last
    return [line.strip() for line in found]


def test_numbers_come_with_units_or_plain(npu_toml: Path) -> None:
    npu = read_target(npu_toml)
    assert npu == Target(
        name="My NPU",
        flops_per_s={
            Datapath.FP8_TENSOR: 2e15,
            Datapath.BF16_TENSOR: 1e15,
            Datapath.FP32: 6e13,
        },
        hbm_bytes_per_s=4e12,
        on_chip_bytes=512e6,
        on_chip_bytes_per_s=2e13,
        hbm_latency_s=6e-7,
        launch_latency_s=2e-6,
        power_w=700.0,
    )


def test_a_byte_order_mark_is_no_fault(npu_toml: Path) -> None:
    plain = read_target(npu_toml)
    npu_toml.write_text(npu_toml.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert read_target(npu_toml) == plain


def test_the_example_reads_and_has_every_key() -> None:
    example = read_target(EXAMPLE_TOML)
    text = EXAMPLE_TOML.read_text(encoding="utf-8")
    assert all(f"\n{key} = " in text for key in (*LIMITS, "name"))
    assert example.on_chip_bytes == 256 * 2**20
    assert not example.has(Datapath.FP4_TENSOR)


def test_without_a_name_the_files_name_serves_and_power_may_be_left_out(
    npu_toml: Path,
) -> None:
    npu_toml.write_text(NPU.replace('name = "My NPU"', "").replace("power_w", "#"))
    npu = read_target(npu_toml)
    assert (npu.name, npu.power_w) == ("npu", None)


@pytest.mark.parametrize(
    ("line", "instead", "fault"),
    [
        (
            '"4TB/s"',
            '"4TB"',
            "line 2: hbm_bytes_per_s is \"4TB\": 'TB' is not B/s with a prefix; give",
        ),
        (
            '"4TB/s"',
            "4.8",
            "line 2: hbm_bytes_per_s is 4.8: outside 1e+09 to 1e+17 B/s; give bytes",
        ),
        ('"4TB/s"', "-4e12", "line 2: hbm_bytes_per_s is -4000000000000.0: not above"),
        ('"600ns"', "0", "line 3: hbm_latency_s is 0: not above zero; give seconds"),
        ('"600ns"', "nan", "line 3: hbm_latency_s is nan: not a finite number; give"),
        ('"512MB"', "inf", "line 4: on_chip_bytes is inf: not a finite number; give"),
        ('"512MB"', "true", "line 4: on_chip_bytes is true: not a number; give bytes"),
        ('"512MB"', "[1]", "line 4: on_chip_bytes is [1]: not a number; give bytes"),
        ('"2us"', '"2"', 'line 6: launch_latency_s is "2": outside 1e-10 to 0.01 s'),
        ('"700W"', '"700V"', "line 7: power_w is \"700V\": 'V' is not W with a prefix"),
        ("launch_", "launching_", 'line 6: launching_latency_s is "2us": not a key'),
        ("launch_latency_s", "#", "launch_latency_s is missing: give seconds, such as"),
        ("fp32", "#", "line 9: flops_per_s.fp32 is missing: give FLOP per second"),
        ("fp8", "fp7", 'line 10: flops_per_s.fp7 is "2000T": not a key of this file'),
        ("bf16_tensor", "fp8_tensor", "line 11: flops_per_s.fp8_tensor is"),
        ('"2000T"', '"2000"', 'line 10: flops_per_s.fp8 is "2000": outside 1e+09 to'),
        ('"My NPU"', "7", "line 1: name is 7: not text; give a name"),
        ('"My NPU"', '" "', 'line 1: name is " ": not text; give a name'),
    ],
)
def test_a_fault_is_named_with_line_key_what_was_found_and_what_is_accepted(
    npu_toml: Path, line: str, instead: str, fault: str
) -> None:
    found = faults(npu_toml, NPU.replace(line, instead, 1))
    assert any(one.startswith(fault) for one in found), found


def test_all_faults_are_listed_at_once_in_the_order_of_the_file(
    npu_toml: Path,
) -> None:
    text = NPU.replace("4TB/s", "4TB").replace("2us", "2V").replace("2000T", "-1T")
    found = faults(npu_toml, text.replace("power_w", "watts"))
    assert [one.split(" is ")[0] for one in found] == [
        "line 2: hbm_bytes_per_s",
        "line 6: launch_latency_s",
        "line 7: watts",
        "line 10: flops_per_s.fp8",
    ]


@pytest.mark.parametrize(
    ("rates", "fault"),
    [
        ("flops_per_s.fp8 = -1\nflops_per_s.fp32 = 6e13", "line 8: flops_per_s.fp8"),
        ("flops_per_s = { fp8 = -1, fp32 = 6e13 }", "line 8: flops_per_s.fp8 is -1"),
        ('["flops_per_s"]\n"fp8" = -1\nfp32 = 6e13', "line 9: flops_per_s.fp8 is -1"),
        ("flops_per_s = 3", "line 8: flops_per_s is 3: not a table"),
    ],
)
def test_a_line_is_found_however_the_table_is_written(
    npu_toml: Path, rates: str, fault: str
) -> None:
    head = NPU[: NPU.index("\n[flops_per_s]")]
    assert faults(npu_toml, f"{head}{rates}\n")[0].startswith(fault)


def test_an_empty_file_lacks_every_number(npu_toml: Path) -> None:
    found = faults(npu_toml, "")
    keys = [one.split(" is missing")[0] for one in found]
    needed = [key for key, limit in LIMITS.items() if not limit.optional]
    assert keys == [*needed, "flops_per_s.fp32"]


def test_a_value_with_markup_in_it_is_shown_as_text_and_cut(npu_toml: Path) -> None:
    script = "<script>alert(1)</script>" * 9
    (found,) = faults(npu_toml, NPU.replace("4TB/s", script))
    assert "<script>alert(1)</script>" in found
    assert len(found) < 300


def test_a_line_that_is_no_toml_is_named(npu_toml: Path) -> None:
    npu_toml.write_text(NPU.replace("4TB/s", "4TB/s\n"))
    with pytest.raises(UsageError, match=r"npu\.toml is no valid TOML: .*line 2"):
        read_target(npu_toml)


def test_a_file_that_is_absent_or_no_text_is_named(npu_toml: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read .*absent\.toml: No such file"):
        read_target(npu_toml.with_name("absent.toml"))
    npu_toml.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"npu\.toml is no valid TOML: .*UTF-8"):
        read_target(npu_toml)


def test_a_target_is_a_known_gpu_or_a_file(npu_toml: Path, source: Target) -> None:
    assert find_target("b200", source).name == "NVIDIA HGX B200"
    assert find_target(str(npu_toml), source).name == "My NPU"
    with pytest.raises(UsageError, match=r"No GPU 'h300'. Known: b200, .*\.toml file"):
        find_target("h300", source)


def test_a_gpu_file_with_sources_is_completed_from_the_source(
    tmp_path: Path, source: Target
) -> None:
    tables = GPUS_TOML.read_text(encoding="utf-8").split("\n[")
    (h100,) = (f"[{table}" for table in tables if table.startswith("h100-sxm]"))
    path = tmp_path / "gpu.toml"
    path.write_text(h100, encoding="utf-8")
    found = find_target(str(path), source)
    assert (found.name, found.hbm_bytes_per_s) == ("NVIDIA H100 SXM", 3.35e12)
    assert found.launch_latency_s == source.launch_latency_s


VALUES = st.sampled_from(
    ["1", "-1", "4e12", "nan", '"4TB/s"', '"2us"', '""', "true", "[]", "{}", "1e999"]
)
LINES = st.builds(
    "{} = {}".format,
    st.sampled_from([*LIMITS, "name", "other", "flops_per_s.fp8", "flops_per_s.x"]),
    VALUES,
)


@given(lines=st.lists(LINES, unique_by=lambda line: line.split(" = ")[0]))
def test_no_file_without_a_vector_rate_raises_anything_but_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("target") / "npu.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError, match=r"npu\.toml") as raised:
        read_target(path)
    wrong = [line for line in lines if line.endswith(("= nan", "= -1", "= 1e999"))]
    assert len(str(raised.value).splitlines()) >= 3 + len(wrong)
