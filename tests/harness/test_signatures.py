import inspect
import string
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.record_signatures import symbols_of
from dsprof.harness.signatures import (
    expected_signature,
    package_of,
    parse_python,
    parse_schema,
    read_signature,
    recorded_releases,
    releases_of,
)
from dsprof.kernels.registry import load_kernels

NAMES = st.text(string.ascii_lowercase, min_size=2, max_size=6).map(lambda n: f"p_{n}")
SCHEMA_TYPES = st.sampled_from(
    ["Tensor", "Tensor!", "Tensor?", "int", "float", "bool", "int[]", "ScalarType?"]
)


def test_the_three_releases_are_recorded() -> None:
    assert [(release.name, release.module) for release in recorded_releases()] == [
        ("sgl-kernel 0.3.21", "sgl_kernel"),
        ("sglang-kernel 0.4.4", "sgl_kernel"),
        ("flashinfer-python 0.6.12", "flashinfer"),
    ]


def test_a_symbol_that_was_looked_for_is_recorded_or_absent() -> None:
    releases = recorded_releases()
    looked_for = {
        symbol
        for release in releases
        for symbol in {*release.absent, *release.signatures}
    }
    for symbol in symbols_of(load_kernels()) & looked_for:
        for release in releases_of(symbol):
            assert release.has(symbol) is not (symbol in release.absent), symbol


def test_every_recorded_text_parses_to_itself() -> None:
    for release in recorded_releases():
        for symbol, text in release.signatures.items():
            signature = release.signature(symbol)
            assert signature is not None
            assert signature.text == text


@pytest.mark.parametrize(
    ("symbol", "package"),
    [
        ("torch.ops.sgl_kernel:rmsnorm.default", "sgl_kernel"),
        ("sgl_kernel.flash_mla:get_mla_metadata", "sgl_kernel"),
        ("flashinfer:mm_fp4", "flashinfer"),
        ("torch:bmm", "torch"),
    ],
)
def test_a_symbol_belongs_to_the_package_that_registers_it(
    symbol: str, package: str
) -> None:
    assert package_of(symbol) == package


def test_a_schema_tells_names_types_defaults_and_keywords() -> None:
    text = "(Tensor! out, Tensor ? rows, int[] sizes=[1, 2], *, float eps=1e-6) -> ()"
    signature = parse_schema(text)
    assert signature.types == {
        "out": "Tensor!",
        "rows": "Tensor?",
        "sizes": "int[]",
        "eps": "float",
    }
    assert signature.returns == "()"
    signature.parameters.bind("out", "rows", eps=1.0)
    with pytest.raises(TypeError, match="rows"):
        signature.parameters.bind("out")
    with pytest.raises(TypeError, match="positional"):
        signature.parameters.bind("out", "rows", [1], 1.0)


@given(
    parameters=st.lists(st.tuples(SCHEMA_TYPES, NAMES), unique_by=lambda pair: pair[1]),
    returns=st.sampled_from(["()", "Tensor", "(Tensor, Tensor)", "Tensor[]"]),
)
def test_a_schema_reads_the_same_however_it_is_spaced(
    parameters: list[tuple[str, str]], returns: str
) -> None:
    words = [" ".join(pair) for pair in parameters]
    tidy = parse_schema(f"({', '.join(words)}) -> {returns}")
    assert tidy.types == {name: type_ for type_, name in parameters}
    assert parse_schema(f"({',   '.join(words)})->{returns}").types == tidy.types
    assert parse_schema(tidy.text) == tidy


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="no op schema"):
        parse_schema("rmsnorm")
    with pytest.raises(ValueError, match="no parameter"):
        parse_schema("(Tensor) -> ()")


def test_torchs_own_print_of_a_schema_reads_like_the_registered_one() -> None:
    library = torch.library.Library("dsprof_signatures", "DEF")
    text = "(Tensor! out, Tensor input, Tensor? rows, int n=1) -> (Tensor, Tensor)"
    library.define(f"op{text}")
    signature = read_signature(torch.ops.dsprof_signatures.op.default)
    assert signature == parse_schema(text)


def positional(
    a: int, /, b: int = 2, *rest: int, c: int, d: str = "x", **more: int
) -> int:
    return a + b + sum(rest) + c + len(d) + len(more)


def test_a_python_signature_reads_the_same_from_text_and_from_the_function() -> None:
    read = read_signature(positional)
    assert read is not None
    assert read.text == "(a, /, b=2, *rest, c, d='x', **more)"
    assert parse_python(read.text) == read


@given(
    st.lists(NAMES, unique=True, max_size=5),
    st.lists(st.sampled_from(["None", "1e-06", "'auto'", "(1, 2)", "torch.bfloat16"])),
)
def test_a_python_signature_binds_what_the_function_takes(
    names: list[str], defaults: list[str]
) -> None:
    defaults = defaults[: len(names)]
    required = len(names) - len(defaults)
    words = names[:required] + [
        f"{name}={default}"
        for name, default in zip(names[required:], defaults, strict=True)
    ]
    signature = parse_python(f"({', '.join(words)})")
    assert signature.text == f"({', '.join(words)})"
    signature.parameters.bind(*range(required))
    with pytest.raises(TypeError):
        signature.parameters.bind(*range(len(names) + 1))


class Wrapper:
    def run(self, q: int, k: int = 1) -> int:
        return q + k


def test_a_method_is_read_as_it_is_called_on_an_instance() -> None:
    signature = read_signature(Wrapper.run, is_method=True)
    assert signature is not None
    assert signature.text == "(q, k=1)"


@pytest.mark.parametrize("function", [torch.bmm, len, 3, inspect.Parameter.empty])
def test_a_function_that_tells_nothing_is_unknown_or_read_without_an_error(
    function: Any,  # noqa: ANN401 -- anything a package may export
) -> None:
    signature = read_signature(function)
    assert signature is None or signature.text.startswith("(")


def test_what_is_expected_comes_from_the_newest_release_that_has_it() -> None:
    symbol = "torch.ops.sgl_kernel:silu_and_mul.default"
    assert expected_signature(symbol) == (
        "(Tensor! out, Tensor input) -> (), as in sglang-kernel 0.4.4"
    )
    assert "no recorded release" in expected_signature("sgl_kernel:unheard_of")
