"""gpus.toml and its loader."""

import pickle
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.device import (
    GPUS_TOML,
    Datapath,
    DeviceSpec,
    device_spec,
    known_devices,
    match_device,
)
from dsprof.harness.errors import UsageError

NPU = """
[npu]
name = "An NPU"
match = []
compute_capability.value = "10.0"
compute_capability.source = "invented"
sms.value = 64
sms.source = "invented"
l2_bytes.value = 268_435_456
l2_bytes.source = "invented"
hbm_bytes_per_s.value = 4e12
hbm_bytes_per_s.source = "invented"
flops_per_s.bf16_tensor.value = 1000e12
flops_per_s.bf16_tensor.source = "invented"
"""


@pytest.fixture
def npu_toml(tmp_path: Path) -> Path:
    path = tmp_path / "npu.toml"
    path.write_text(NPU)
    return path


@pytest.mark.parametrize(
    ("gpu", "datapath", "ridge_point"),
    [
        ("b200", Datapath.FP4_TENSOR, 1125.0),  # 9000 TFLOP/s / 8 TB/s
        ("b200", Datapath.FP8_TENSOR, 562.5),  # 4500 / 8
        ("b200", Datapath.BF16_TENSOR, 281.25),  # 2250 / 8
        ("gb200", Datapath.FP4_TENSOR, 1250.0),  # 20 PFLOP/s sparse / 2 / 8 TB/s
        ("h200-sxm", Datapath.FP8_TENSOR, 1979 / 4.8),  # 3958 sparse / 2 / 4.8
        ("h200-sxm", Datapath.BF16_TENSOR, 989.5 / 4.8),  # 1979 sparse / 2 / 4.8
        ("h100-sxm", Datapath.BF16_TENSOR, 989.5 / 3.35),
        ("a100-sxm", Datapath.BF16_TENSOR, 312 / 2.039),
        ("l40s", Datapath.FP8_TENSOR, 733 / 0.864),
        ("rtx-5090", Datapath.FP4_TENSOR, 1676 / 1.792),
        ("rtx-4090", Datapath.BF16_TENSOR, 165.2 / 1.008),
    ],
)
def test_a_ridge_point_is_the_data_sheets_peak_over_its_bandwidth(
    gpu: str, datapath: Datapath, ridge_point: float
) -> None:
    assert device_spec(gpu).ridge_point(datapath) == pytest.approx(
        ridge_point, rel=1e-12
    )


def test_a_b200_has_round_ridge_points_to_the_last_bit() -> None:
    b200 = device_spec("b200")
    assert [b200.ridge_point(path) for path in list(Datapath)[:3]] == [
        1125.0,
        562.5,
        281.25,
    ]


def test_the_eight_gpus_are_known_in_the_order_of_the_file() -> None:
    assert list(known_devices()) == [
        "b200",
        "gb200",
        "h200-sxm",
        "h100-sxm",
        "a100-sxm",
        "l40s",
        "rtx-5090",
        "rtx-4090",
    ]


@pytest.mark.parametrize("spec", known_devices().values(), ids=lambda spec: spec.id)
def test_every_number_has_a_source(spec: DeviceSpec) -> None:
    numbers = {"compute_capability", "sms", "l2_bytes", "hbm_bytes_per_s"}
    numbers |= {f"flops_per_s.{path}" for path in spec.flops_per_s}
    numbers |= set() if spec.power_w is None else {"power_w"}
    numbers |= set() if spec.memory_bytes is None else {"memory_bytes"}
    assert spec.sources.keys() == numbers
    assert all(
        "NVIDIA" in text or "cudaDeviceProp" in text for text in spec.sources.values()
    )


@pytest.mark.parametrize("spec", known_devices().values(), ids=lambda spec: spec.id)
def test_a_narrower_datapath_is_never_slower(spec: DeviceSpec) -> None:
    rates = [spec.flops_per_s[path] for path in Datapath if path in spec.flops_per_s]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("spec", known_devices().values(), ids=lambda spec: spec.id)
def test_a_gpu_is_found_by_each_name_its_driver_reports(spec: DeviceSpec) -> None:
    for name in spec.match:
        assert match_device(name, spec.compute_capability) is spec


def test_a_name_matches_whatever_its_case_and_spaces() -> None:
    found = match_device(" nvidia  H200 ", (9, 0))
    assert found is device_spec("h200-sxm")


@pytest.mark.parametrize(
    ("driver_name", "compute_capability"),
    [
        ("NVIDIA H200 NVL", (9, 0)),
        ("NVIDIA H100 PCIe", (9, 0)),
        ("NVIDIA H100 NVL", (9, 0)),
        ("NVIDIA GH200 480GB", (9, 0)),
        ("NVIDIA A100 80GB PCIe", (8, 0)),
        ("NVIDIA A100-SXM4-40GB", (8, 0)),
        ("NVIDIA L40", (8, 9)),
        ("NVIDIA GeForce RTX 5090 Laptop GPU", (12, 0)),
        ("NVIDIA GeForce RTX 4090 D", (8, 9)),
        ("NVIDIA H200", (9, 1)),
        ("", (9, 0)),
    ],
)
def test_another_part_of_the_family_does_not_match(
    driver_name: str, compute_capability: tuple[int, int]
) -> None:
    assert match_device(driver_name, compute_capability) is None


def test_no_two_gpus_share_a_driver_name() -> None:
    names = [name for spec in known_devices().values() for name in spec.match]
    assert len(names) == len(set(names))


def test_a_datapath_that_the_chip_lacks_is_named_with_those_it_has() -> None:
    message = "H200 SXM has no fp4_tensor datapath. It has: fp8_tensor, bf16_tensor"
    with pytest.raises(UsageError, match=message):
        device_spec("h200-sxm").ridge_point(Datapath.FP4_TENSOR)


def test_a_users_file_gives_its_only_gpu(npu_toml: Path) -> None:
    npu = device_spec(str(npu_toml))
    assert (npu.id, npu.name, npu.match) == ("npu", "An NPU", ())
    assert npu.compute_capability == (10, 0)
    assert npu.ridge_point(Datapath.BF16_TENSOR) == 250.0  # 1000 / 4


def test_a_spec_can_be_sent_to_another_process(npu_toml: Path) -> None:
    npu = device_spec(str(npu_toml))
    assert pickle.loads(pickle.dumps(npu)) == npu  # noqa: S301 -- our own bytes


def test_an_unknown_id_is_answered_with_the_known_ones_and_the_file_option() -> None:
    with pytest.raises(UsageError, match=r"No GPU 'h300'. Known: b200, .*\.toml file"):
        device_spec("h300")


def test_a_file_with_two_gpus_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(NPU + NPU.replace("[npu]", "[npu2]"))
    with pytest.raises(UsageError, match=r"two\.toml describes 2 GPUs"):
        device_spec(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read .*absent.toml: No such file"):
        device_spec(str(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ('name = "An NPU"', "", "[npu] name is missing."),
        ('name = "An NPU"', "name = 7", "[npu] name is 7."),
        ("match = []", 'match = "NPU"', "[npu] match is 'NPU'."),
        ("match = []", "match = [1]", "[npu] match is 1."),
        ('"10.0"', "10.0", "[npu] compute_capability is 10.0."),
        ('"10.0"', '"ten"', "[npu] compute_capability is 'ten'."),
        ("sms.value = 64", "", "[npu] sms.value is missing."),
        ("sms.value = 64", "sms.value = 64.5", "[npu] sms is 64.5."),
        ("sms.value = 64", "sms.value = true", "[npu] sms is True."),
        ("sms.value = 64", "sms.value = -64", "[npu] sms is -64."),
        ('sms.source = "invented"', "", "[npu] sms.source is missing."),
        ('sms.source = "invented"', 'sms.source = " "', "[npu] sms.source is ' '."),
        ("4e12", "4.0", "[npu] hbm_bytes_per_s is 4.0."),
        ("4e12", "-4e12", "[npu] hbm_bytes_per_s is -4000000000000.0."),
        ("4e12", "nan", "[npu] hbm_bytes_per_s is nan."),
        ("4e12", "inf", "[npu] hbm_bytes_per_s is inf."),
        ("4e12", '"4e12"', "[npu] hbm_bytes_per_s is '4e12'."),
        ("1000e12", "1000", "[npu] flops_per_s.bf16_tensor is 1000."),
        ("bf16_tensor", "bf16", "[npu] flops_per_s.bf16 is "),
        ("sms.value", "sm.value", "[npu] sm is "),
        ("l2_bytes.value", "l2_bytes.bytes", "[npu] l2_bytes.bytes is 268435456."),
    ],
)
def test_a_bad_field_is_named_with_its_file_entry_and_key(
    npu_toml: Path, line: str, instead: str, message: str
) -> None:
    npu_toml.write_text(NPU.replace(line, instead))
    with pytest.raises(UsageError) as raised:
        device_spec(str(npu_toml))
    assert str(raised.value).startswith(f"{npu_toml}: {message}")
    assert " Give " in str(raised.value)


def test_a_gpu_without_any_peak_is_refused(npu_toml: Path) -> None:
    kept = [line for line in NPU.splitlines() if "flops" not in line]
    npu_toml.write_text("\n".join([*kept, "flops_per_s = {}"]))
    with pytest.raises(UsageError, match=r"flops_per_s is {}\. Give at least one of"):
        device_spec(str(npu_toml))


@pytest.mark.parametrize("content", ["[npu", "npu = 3", "[npu]\nname = "])
def test_a_file_of_another_shape_is_named(npu_toml: Path, content: str) -> None:
    npu_toml.write_text(content)
    with pytest.raises(UsageError, match=r"npu\.toml"):
        device_spec(str(npu_toml))


def test_a_file_that_is_no_text_is_named(npu_toml: Path) -> None:
    npu_toml.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"npu\.toml is no valid TOML"):
        device_spec(str(npu_toml))


@given(
    sms=st.integers(1, 100_000),
    bytes_per_s=st.floats(1e9, 1e16),
    flops_per_s=st.floats(1e9, 1e20),
)
def test_numbers_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    sms: int,
    bytes_per_s: float,
    flops_per_s: float,
) -> None:
    path = tmp_path_factory.mktemp("device") / "npu.toml"
    path.write_text(
        NPU.replace("= 64", f"= {sms}")
        .replace("4e12", repr(bytes_per_s))
        .replace("1000e12", repr(flops_per_s))
    )
    npu = device_spec(str(path))
    assert (npu.sms, npu.hbm_bytes_per_s) == (sms, bytes_per_s)
    assert npu.peak(Datapath.BF16_TENSOR) == flops_per_s


TABLES = st.recursive(
    st.sampled_from(["1", "-1", "4e12", "nan", '"9.0"', '""', "true", "[]", "{}"]),
    lambda inner: st.dictionaries(
        st.sampled_from(["name", "match", "sms", "value", "source", "flops_per_s"]),
        inner,
        max_size=3,
    ).map(lambda table: f"{{{', '.join(f'{k} = {v}' for k, v in table.items())}}}"),
    max_leaves=8,
)


@given(entry=TABLES)
def test_no_table_raises_anything_but_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, entry: str
) -> None:
    path = tmp_path_factory.mktemp("device") / "npu.toml"
    path.write_text(f"npu = {entry}\n")
    tomllib.loads(path.read_text())  # valid TOML: the loader is what is tested
    with pytest.raises(UsageError, match=r"npu\.toml"):
        device_spec(str(path))


def test_the_file_states_that_its_geforce_rates_accumulate_in_fp32() -> None:
    document = tomllib.loads(GPUS_TOML.read_text(encoding="utf-8"))
    for gpu in ("rtx-5090", "rtx-4090"):
        for path in ("fp8_tensor", "bf16_tensor"):
            source = document[gpu]["flops_per_s"][path]["source"]
            assert "FP32 accumulate" in source


def test_memory_is_rated_in_gb_that_are_gib_and_may_be_left_out(npu_toml: Path) -> None:
    assert device_spec("h200-sxm").memory_bytes == 141 * 2**30
    assert device_spec(str(npu_toml)).memory_bytes is None
    sized = NPU + 'memory_bytes.value = 68_719_476_736\nmemory_bytes.source = "made"\n'
    npu_toml.write_text(sized)
    assert device_spec(str(npu_toml)).memory_bytes == 64 * 2**30
    npu_toml.write_text(sized.replace("68_719_476_736", "64"))
    with pytest.raises(UsageError, match=r"memory_bytes is 64\. Give .* bytes"):
        device_spec(str(npu_toml))
