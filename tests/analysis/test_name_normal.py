import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.name_normal import normalize

NAMES = Path(__file__).parents[1] / "data" / "kernel_names.csv"

BRACKETS = st.lists(
    st.sampled_from(
        [
            *"<>(){}[],:*&_ ab09ul\n",
            *("const", " const", "operator", "operator ()", "void ", "::", "(int)4"),
            *("(anonymous namespace)", "[lambda(int) (instance 1)]", "(bool)1", "2ul"),
        ]
    ),
    max_size=40,
).map("".join)


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("f<(int)4>", "f<4>"),
        ("f<(unsigned long)2, (int)-2>", "f<2, -2>"),
        ("f<2ul, 3u>", "f<2, 3>"),
        ("f<(bool)0, (bool)1>", "f<false, true>"),
        ("(anonymous namespace)::f<a>", "<unnamed>::f<a>"),
        ("f<[lambda(float) (instance 1)]>", "f<{lambda(float)#1}>"),
        ("f<g<a> >", "f<g<a>>"),
        ("f<char *, int &>", "f<char*, int&>"),
        ("f<char const*>", "f<const char*>"),
        ("void f<a>(int, T1 *)", "f<a>()"),
        ("std::enable_if<!T7, void>::type a::f<b>(T13)", "a::f<b>()"),
        (
            "f<g(T &)::[lambda() (instance 2)]::operator ()() const::h>",
            "f<g::{lambda()#2}::operator()::h>",
        ),
        ("f<b, &(float silu<float>(float const&))>(b*)", "f<b, &silu<float>>()"),
        ("foo(int) [clone .isra.0]", "foo [clone .isra.0]()"),
        ("Memcpy DtoH (Device -> Pinned)", "Memcpy DtoH (Device -> Pinned)"),
        ("nvjet_tst_96x64_64x10_1x2_h_bz_TNN", "nvjet_tst_96x64_64x10_1x2_h_bz_TNN"),
        ("saxpy", "saxpy"),
        ("saxpy(double *, int)", "saxpy()"),
        ("", ""),
    ],
)
def test_each_difference_between_the_demanglers_is_taken_out(
    spelled: str, normal: str
) -> None:
    assert normalize(spelled) == normal


def test_nsys_and_kineto_agree_on_a_kernel_with_nested_lambdas() -> None:
    nsys = (
        "void at::native::elementwise_kernel<(int)128, (int)4, void at::native::"
        "gpu_kernel_impl_nocast<at::native::neg_kernel_cuda(at::TensorIteratorBase &)"
        "::[lambda() (instance 2)]::operator ()() const::[lambda() (instance 9)]::"
        "operator ()() const::[lambda(c10::BFloat16) (instance 1)]>"
        "(at::TensorIteratorBase &, const T1 &)::[lambda(int) (instance 1)]>(int, T3)"
    )
    lambdas = (
        "at::native::neg_kernel_cuda(at::TensorIteratorBase&)::{lambda()#2}::"
        "operator()() const::{lambda()#9}::operator()() const::"
        "{lambda(c10::BFloat16)#1}"
    )
    inner = (
        f"at::native::gpu_kernel_impl_nocast<{lambdas}>"
        f"(at::TensorIteratorBase&, {lambdas} const&)::{{lambda(int)#1}}"
    )
    kineto = f"void at::native::elementwise_kernel<128, 4, {inner}>(int, {inner})"
    assert normalize(nsys) == normalize(kineto)


def test_nsys_and_kineto_agree_on_a_matrix_vector_product() -> None:
    nsys = (
        "std::enable_if<!T7, void>::type internal::gemvx::kernel<int, int, (bool)0, "
        "(int)7, cublasGemvTensorStridedBatched<const __nv_bfloat16>>(T13)"
    )
    kineto = (
        "std::enable_if<!(false), void>::type internal::gemvx::kernel<int, int, false, "
        "7, cublasGemvTensorStridedBatched<__nv_bfloat16 const> >"
        "(cublasGemvParamsEx<int, float>)"
    )
    assert normalize(nsys) == normalize(kineto)


def test_real_names_normalise_to_themselves_after_once() -> None:
    with NAMES.open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert names
    for name in names:
        once = normalize(name)
        assert normalize(once) == once
        assert not re.search(r"\(int\)\d|\(instance|\banonymous\b|\du[l,>]", once)


@given(st.one_of(st.text(), BRACKETS))
def test_normalising_twice_is_normalising_once(name: str) -> None:
    once = normalize(name)
    assert normalize(once) == once


def test_ten_thousand_open_brackets_are_only_text() -> None:
    assert normalize("<(" * 10_000).startswith("<(<(")
