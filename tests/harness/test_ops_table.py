import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.errors import UsageError
from dsprof.harness.ops_file import parse_ops, read_ops_file
from dsprof.harness.ops_table import (
    Argument,
    argument_line,
    describe_op,
    make_arguments,
    shown_point,
    summary_rows,
    to_markdown,
)
from dsprof.kernels.registry import load_kernel, load_kernels
from tests.harness.test_dimension import dimensions

NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=9)
arguments = st.builds(
    Argument,
    name=NAMES,
    role=st.sampled_from(["input", "weight", "output", "in place"]),
    shape=st.lists(dimensions, max_size=4).map(tuple),
    dtype=st.sampled_from(["bfloat16", "float8_e4m3fn", "int32"]),
    strides=st.none() | st.lists(dimensions, min_size=1, max_size=4).map(tuple),
)
HEADER = (
    "| Argument | Role | Shape | At T = 16 | Dtype | Strides |\n|--|--|--|--|--|--|\n"
)


@given(st.lists(arguments, min_size=1))
def test_a_table_of_arguments_reads_back_as_it_is_written(
    listed: list[Argument],
) -> None:
    lines = "\n".join(map(argument_line, listed))
    text = f"### some_kernel: an op (down, bf16)\n\n{HEADER}{lines}\n"
    [table] = parse_ops(text).tables.values()
    assert (table.kernel, table.op) == ("some_kernel", "an op (down, bf16)")
    assert table.arguments == tuple(listed)


def test_the_whole_table_reads_back_with_every_op_of_every_kernel() -> None:
    kernels = load_kernels(["rmsnorm", "bmm_fp8", "prepare_moe_input"])
    found = parse_ops(to_markdown(kernels))
    assert list(found.summary) == summary_rows(kernels)
    assert dict(found.tables) == {
        (kernel.name, op.name): describe_op(kernel, op.name)
        for kernel in kernels
        for op in kernel.ops
    }


def test_rows_that_lie_apart_are_seen_and_tokens_are_named() -> None:
    text = to_markdown(load_kernels(["rmsnorm"]))
    assert "| `input` | input | (T, 1536) | (16, 1536) | bfloat16 | (2112, 1) |" in text
    assert "| `weight` | weight | (1536) | (1536) | bfloat16 |  |" in text
    assert "| `out` | output | (T, 512) | (16, 512) | bfloat16 |  |" in text
    assert "| `rmsnorm` | sgl-kernel | input_layernorm, q_a_layernorm, " in text


@pytest.mark.parametrize(
    "line",
    [
        "| `rmsnorm` | sgl-kernel | input_layernorm, q_a_layernorm |",
        "|rmsnorm|sgl-kernel|input_layernorm,q_a_layernorm|",
        "  |  **`rmsnorm`** |  `sgl-kernel` | input_layernorm , q_a_layernorm  |",
        "| [`rmsnorm`](x.py) | sgl-kernel | input_layernorm, q_a_layernorm |",
        "rmsnorm | sgl-kernel | input_layernorm, q_a_layernorm",
    ],
)
def test_a_hand_written_summary_may_be_decorated(line: str) -> None:
    header = "## Kernel Summary\n| Kernel | Source | Ops Using It |\n|---|:--|--:|\n"
    text = f"{header}{line}\n"
    [row] = parse_ops(text).summary
    assert (row.kernel, row.source) == ("rmsnorm", "sgl-kernel")
    assert row.ops == ("input_layernorm", "q_a_layernorm")


def test_more_columns_in_another_order_do_not_matter() -> None:
    text = (
        "| # | Source | Kernel | Bound |\n|--|--|--|--|\n| 1 | triton | `moe` | x |\n"
    )
    [row] = parse_ops(text).summary
    assert (row.kernel, row.source, row.ops) == ("moe", "triton", ())


@given(st.text())
def test_any_text_is_parsed_or_refused_with_a_reason(text: str) -> None:
    try:
        parse_ops(text)
    except UsageError as error:
        assert "Write sizes as in" in str(error)  # noqa: PT017 -- most texts raise nothing


def test_a_shape_that_cannot_be_read_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "ops.md"
    file.write_text("### rmsnorm: x\n\n| Argument | Shape |\n|--|--|\n| a | (T, n) |\n")
    with pytest.raises(UsageError, match=r"ops.md, table of line 3: 'n' is no size"):
        read_ops_file(file)


def test_a_file_without_a_kernel_table_says_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "ops.md"
    file.write_text("# Nothing\n")
    with pytest.raises(UsageError, match="has no kernel table"):
        read_ops_file(file)


def test_every_way_in_which_arguments_differ_is_said() -> None:
    kernel = load_kernel("rmsnorm")
    table = describe_op(kernel, "q_a_layernorm")
    point = shown_point(kernel, "q_a_layernorm")
    args = make_arguments(kernel, point)
    assert table.differences(point, args) == []
    wrong = {
        "input": args["input"].contiguous(),
        "weight": args["weight"].float(),
        "scale": args["weight"],
        "out": args["out"][:1],
    }
    found = " ".join(table.differences(point, wrong))
    assert "'scale' is not in the table" in found
    assert "input has strides (1536, 1), not (2112, 1)" in found
    assert "weight is float32, not bfloat16" in found
    assert "out is (1, 1536), not (16, 1536)" in found
    assert "the call has no 'input'" in table.differences(point, {})
    fewer = replace(table, arguments=table.arguments[:1])
    assert "'weight' is not in the table" in fewer.differences(point, args)
