"""The file of tuned configurations, and what is chosen of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.tune_candidates import PLAIN
from dsprof.kernels import moe_configs
from dsprof.kernels.moe_configs import (
    ConfigError,
    GemmConfig,
    Implementation,
    MoeConfig,
    Shape,
    find,
    load,
    of_blocks,
    parse,
    render,
)

SHAPE = Shape(dtype="float8_e4m3fn", experts=256, hidden=7168, intermediate=2048)


def config(rows: float, *, block_m: int = 16, gpu: str = "") -> MoeConfig:
    return MoeConfig(
        max_rows_per_expert=rows,
        block_m=block_m,
        implementation=Implementation.PORTABLE,
        gate_up=PLAIN,
        down=PLAIN,
        gpu=gpu,
        shape=SHAPE if gpu else None,
    )


GENERIC = [config(4.0 * size, block_m=size) for size in moe_configs.BLOCK_ROWS]

gemms = st.builds(
    GemmConfig,
    block_n=st.sampled_from(moe_configs.BLOCK_COLUMNS),
    block_k_bytes=st.sampled_from(moe_configs.BLOCK_K_BYTES),
    group_m=st.integers(1, 64),
    split_k=st.integers(1, 8),
    warps=st.sampled_from([4, 8]),
    stages=st.integers(1, 8),
    swap=st.booleans(),
    tma=st.booleans(),
)
tuned = st.builds(
    MoeConfig,
    max_rows_per_expert=st.floats(1e-3, 1e6),
    block_m=st.sampled_from(moe_configs.BLOCK_ROWS),
    implementation=st.sampled_from(Implementation),
    gate_up=gemms.map(lambda gemm: replace(gemm, block_n=128)),
    down=gemms,
    overlap=st.booleans(),
    gpu=st.text("aB 1\"\\'", min_size=1),
    shape=st.just(SHAPE),
)


@given(st.lists(tuned, max_size=3))
def test_what_is_written_is_read_again(entries: list[MoeConfig]) -> None:
    again = parse(render([*GENERIC, *entries]))
    assert sorted(map(str, again)) == sorted(map(str, [*GENERIC, *entries]))


def test_the_narrowest_range_that_has_room_is_chosen() -> None:
    entries = [config(8), config(1), config(64)]
    for rows, expected in [(0.5, 1), (1, 1), (1.01, 8), (64, 64), (1000, 64)]:
        found = find(entries, gpu="", shape=SHAPE, rows_per_expert=rows)
        assert found.max_rows_per_expert == expected


def test_entries_of_the_gpu_and_shape_come_before_those_for_any() -> None:
    entries = [config(1), config(8, gpu="Toy")]
    assert find(entries, gpu="Toy", shape=SHAPE, rows_per_expert=1).gpu == "Toy"
    other = replace(SHAPE, hidden=4096)
    assert not find(entries, gpu="Toy", shape=other, rows_per_expert=1).gpu
    assert not find(entries, gpu="Another", shape=SHAPE, rows_per_expert=1).gpu


def test_the_file_has_portable_blocks_of_every_size_for_any_gpu() -> None:
    for block_m in moe_configs.BLOCK_ROWS:
        entries = of_blocks(load(), block_m)
        found = find(entries, gpu="", shape=SHAPE, rows_per_expert=1)
        assert (found.block_m, found.gpu) == (block_m, "")


def test_gpus_of_one_shape_have_entries_of_their_own() -> None:
    entries = [*GENERIC, config(1, gpu="Toy"), config(64, gpu="Toy NVL")]
    for gpu, rows in [("Toy", 1), ("Toy NVL", 64)]:
        found = find(entries, gpu=gpu, shape=SHAPE, rows_per_expert=0.5)
        assert (found.gpu, found.max_rows_per_expert) == (gpu, rows)


def test_wgmma_is_never_chosen_for_a_gpu_that_it_was_not_tuned_on() -> None:
    tuned_on = {c.gpu for c in load() if c.implementation is Implementation.WGMMA}
    assert tuned_on
    for gpu in ("", "NVIDIA B200", *(f"{name} MIG 1g.18gb" for name in tuned_on)):
        for rows in (0.03, 16, 64, 512, 1e6):
            found = find(load(), gpu=gpu, shape=SHAPE, rows_per_expert=rows)
            assert found.implementation is Implementation.PORTABLE


def test_wgmma_without_a_gpu_is_refused() -> None:
    text = TEXT.replace('"portable"', '"wgmma"', 1)
    with pytest.raises(ValueError, match="1: wgmma is for some GPUs alone; name gpu"):
        parse(text)


TEXT = render([*GENERIC, config(1, gpu="Toy")])


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        ("block_m = 16", "block_m = 24", "1: block_m is 24; it can be 16, 32, 64, 128"),
        ("block_m = 16", "rows = 16", "1: no key 'rows'; known: max_rows_per_expert"),
        ("block_m = 16", "", "1: block_m is missing"),
        ("block_m = 16", 'block_m = "16"', "1: block_m is '16', which is no int"),
        ("block_m = 64", "block_m = 32", "no [[config]] of block_m 64 is for any GPU"),
        ("warps = 4", "warps = 3", "1, gate_up: warps is 3; it can be 1, 2, 4, 8, 16"),
        ("split_k = 1", "split_k = 0", "1, gate_up: split_k is 0; give 1 or more"),
        ("tma = false", "tma = 0", "1, gate_up: tma is 0, which is no bool"),
        ("block_n = 128", "block_n = 96", "gate_up: block_n is 96; it can be 64, 128"),
        ("block_n = 128", "block_n = 64", "1: gate_up's block_n is 64; it can be 128"),
        ('"portable"', '"fast"', "1: 'fast' is not a valid Implementation"),
        ("= 64.0", '= "many"', "1: could not convert string to float: 'many'"),
        ('gpu = "Toy"', "", "5: gpu and shape come together or not at all"),
        ("[[config]]", "[[configs]]", "it is not a list of [[config]] tables"),
        ("[[config]]", "[[config", "Expected"),
    ],
)
def test_an_error_names_file_entry_and_key(
    tmp_path: Path, found: str, instead: str, message: str
) -> None:
    file = tmp_path / "configs.toml"
    assert found in TEXT
    file.write_text(TEXT.replace(found, instead, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file} cannot be used: ")
    assert message in str(caught.value)


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "configs.toml"
    file.write_text("[[config]]\ngate_up = 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[\[config\]\] 1, gate_up is 3, which is"):
        load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be used"):
        load(tmp_path / "none.toml")
