from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from dsprof.harness.calls import (
    BoundCall,
    Installed,
    bind_call,
    load_failure,
    some_result,
)
from dsprof.harness.checks.subject import Subject
from dsprof.harness.signatures import Release, recorded_releases
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Provider, Run, Tensors, Workload

SYMBOL = "toylib:norm"


def release(**signatures: str) -> Release:
    """Version 2.0 of a package with these functions; a dot stands for a method."""
    return Release(
        distribution="toy-lib",
        version="2.0",
        module="toylib",
        signatures={
            f"toylib:{name.replace('__of__', '.')}": text
            for name, text in signatures.items()
        },
    )


def bind(
    package: Release, call: Callable[[Any, Tensors], object], symbol: str = SYMBOL
) -> BoundCall:
    """Bind this call of rmsnorm, as a provider with one symbol."""

    def prepare(api: Any, _work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
        def run() -> Tensors:
            call(api, args)
            return {"out": args["out"]}

        return run

    provider = Provider(
        package="toylib", distribution="toy-lib", symbols=(symbol,), prepare=prepare
    )
    kernel = load_kernel("rmsnorm")
    solved = Subject(kernel).solved()[0]
    return bind_call(kernel, provider, solved.work, solved.args, package)


def call_norm(api: Any, args: Tensors) -> None:  # noqa: ANN401 -- loaded symbols
    api.norm(args["input"], args["weight"], eps=1e-6)


def test_a_call_that_fits_gives_each_parameter_its_argument() -> None:
    bound = bind(release(norm="(input, weight, eps=1e-05)"), call_norm)
    assert bound.mismatch == bound.ended == ""
    assert list(bound.given[SYMBOL]) == ["input", "weight", "eps"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("(input, weight, epsilon=1e-05)", "unexpected keyword argument 'eps'"),
        ("(input, weight, out, eps)", "missing a required argument: 'out'"),
        ("(input, *, weight, eps)", "too many positional arguments"),
    ],
)
def test_a_changed_signature_is_one_sentence_with_found_and_expected(
    text: str, problem: str
) -> None:
    mismatch = bind(release(norm=text), call_norm).mismatch
    assert mismatch.startswith(
        f"rmsnorm calls toylib:norm of toy-lib 2.0 with (Tensor, Tensor, eps=1e-06), "
        f"which does not fit {text}: "
    )
    assert problem in mismatch
    assert "; expected " in mismatch
    assert "\n" not in mismatch


def test_a_renamed_function_is_one_sentence() -> None:
    assert bind(release(norm2="(input)"), call_norm).mismatch == (
        "rmsnorm needs toylib:norm, and toy-lib 2.0 has none of that name; "
        "expected a signature that no recorded release has"
    )


def test_methods_of_a_class_are_bound_too() -> None:
    package = release(
        Wrapper__of____init__="(workspace)",
        Wrapper__of__plan="(lengths, causal)",
        Wrapper__of__run="(q)",
    )

    def call(causal: dict[str, object]) -> Callable[[Any, Tensors], None]:
        def planned(api: Any, args: Tensors) -> None:  # noqa: ANN401 -- loaded symbols
            wrapper = api.Wrapper(args["out"])
            wrapper.plan(args["weight"], **causal)
            wrapper.run(args["input"])

        return planned

    symbol = "toylib:Wrapper"
    assert not bind(package, call({"causal": True}), symbol).mismatch
    mismatch = bind(package, call({}), symbol).mismatch
    assert "toylib:Wrapper.plan of toy-lib 2.0" in mismatch
    fewer = replace(
        package,
        signatures={
            name: text
            for name, text in package.signatures.items()
            if not name.endswith("run")
        },
    )
    mismatch = bind(fewer, call({"causal": True}), symbol).mismatch
    assert "needs toylib:Wrapper.run" in mismatch


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("(Tensor! out, Tensor input, Tensor weight, float eps) -> ()", ""),
        ("(Tensor! out, Tensor input, Tensor? w, float eps) -> ()", ""),
        ("(Tensor! out, int input, Tensor weight, float eps) -> ()", "input is Tensor"),
        ("(Tensor! out, Tensor input, Tensor w, bool eps) -> ()", "eps is float, not"),
    ],
)
def test_an_ops_types_are_those_its_dispatcher_takes(schema: str, problem: str) -> None:
    symbol = "torch.ops.toylib:norm.default"
    package = replace(release(), signatures={symbol: schema})

    def call(api: Any, args: Tensors) -> None:  # noqa: ANN401 -- loaded symbols
        api.norm(args["out"], args["input"], args["weight"], 1e-6)

    mismatch = bind(package, call, symbol).mismatch
    assert problem in mismatch
    assert bool(mismatch) is bool(problem)


def test_a_call_that_ends_for_another_reason_is_no_mismatch() -> None:
    def call(api: Any, args: Tensors) -> None:  # noqa: ANN401 -- loaded symbols
        call_norm(api, args)
        raise IndexError("of what the stub gave")

    bound = bind(release(norm="(input, weight, eps)"), call)
    assert bound.mismatch == ""
    assert bound.ended == "IndexError: of what the stub gave"
    assert SYMBOL in bound.given


@pytest.mark.parametrize(
    ("returns", "count"),
    [("Tuple[torch.Tensor, torch.Tensor, int]", 3), ("(Tensor, Tensor)", 2), ("", 2)],
)
def test_what_a_stub_returns_unpacks_as_the_function_says(
    returns: str, count: int
) -> None:
    result = some_result(returns)
    assert isinstance(result, tuple | torch.Tensor)
    assert len(result) == count
    assert some_result("()") is None
    assert some_result("int") == 1


def test_device_code_of_our_own_does_not_end_a_call_before_the_packages_ops() -> None:
    kernel = load_kernel("triton_fp8_moe")
    [wheel] = [r for r in recorded_releases() if r.name == "sglang-kernel 0.4.4"]
    _, routed = Subject(kernel).solved()
    bound = bind_call(kernel, kernel.providers[0], routed.work, routed.args, wheel)
    assert (bound.mismatch, bound.ended) == ("", "")
    assert list(bound.given) == ["torch.ops.sgl_kernel:moe_fused_gate.default"]


def test_an_installed_package_has_what_can_be_imported() -> None:
    package = Installed("dsprof")
    assert package.has("dsprof.harness.calls:bind_call")
    assert not package.has("dsprof.harness.calls:bind_cal")
    assert package.is_class("dsprof.harness.calls:Installed")
    signature = package.signature("dsprof.harness.calls:Installed.has")
    assert signature is not None
    assert signature.text == "(symbol)"


def test_a_package_without_the_function_says_what_was_expected() -> None:
    kernel = load_kernel("rmsnorm")
    provider = replace(
        kernel.providers[0],
        package="dsprof",
        symbols=("dsprof.harness.calls:unheard_of",),
    )
    with pytest.raises(AttributeError) as caught:
        provider.load()
    reason = load_failure(kernel, provider, caught.value)
    assert reason.startswith(
        "rmsnorm needs dsprof.harness.calls:unheard_of, and dsprof "
    )
    assert "has none of that name; expected " in reason


def test_a_package_that_is_not_there_keeps_pythons_own_reason() -> None:
    kernel = load_kernel("rmsnorm")
    provider = replace(kernel.providers[0], package="toylib", symbols=(SYMBOL,))
    with pytest.raises(ImportError) as caught:
        provider.load()
    assert load_failure(kernel, provider, caught.value) == (
        "toylib: ModuleNotFoundError: No module named 'toylib'"
    )
