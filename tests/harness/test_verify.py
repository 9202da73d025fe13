"""Every check passes on a right kernel and rejects a planted fault."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from dsprof.harness.checks.calling import check_provider, check_signature
from dsprof.harness.checks.declaration import check_declared, check_iteration
from dsprof.harness.checks.recorded import check_profile
from dsprof.harness.checks.result import CheckResult, Outcome
from dsprof.harness.checks.results import check_reference
from dsprof.harness.checks.sizes import check_cost, check_shapes
from dsprof.harness.checks.subject import Subject
from dsprof.harness.ops_table import SummaryRow, describe_op
from dsprof.harness.records import Phase
from dsprof.harness.signatures import Release, recorded_releases
from dsprof.harness.store import BUNDLED_PROFILES, find_bundled_profile
from dsprof.harness.verify import Request, check_listed, verify, verify_kernel
from dsprof.kernels.registry import load_kernel, load_kernels
from dsprof.kernels.spec import Kernel, TensorMaker, Tensors, Tolerance, Workload

Change = dict[str, Any]

RMSNORM = load_kernel("rmsnorm")
ADD = load_kernel("fused_add_rmsnorm")
GROUPED = load_kernel("fp8_blockwise_scaled_grouped_mm")


def outcome(
    check: Callable[[Subject], tuple[Outcome, str]], kernel: Kernel, **changes: object
) -> tuple[Outcome, str]:
    return check(Subject(replace(kernel, **changes)))  # type: ignore[arg-type]


def assert_fails(
    check: Callable[[Subject], tuple[Outcome, str]],
    kernel: Kernel,
    words: str,
    **changes: object,
) -> None:
    """The check passes on the kernel as it is and names the fault once it is there."""
    assert outcome(check, kernel)[0] is Outcome.PASSED
    found, detail = outcome(check, kernel, **changes)
    assert found is Outcome.FAILED
    assert words in detail


@pytest.mark.parametrize("kernel", load_kernels(), ids=lambda kernel: kernel.name)
def test_no_check_of_a_kernel_file_fails(kernel: Kernel) -> None:
    results = list(verify_kernel(kernel, Request(kernels=(kernel.name,))))
    assert [result for result in results if result.outcome is Outcome.FAILED] == []
    assert {result.check for result in results} == {
        "declared", "signature", "shapes", "cost", "reference", "output", "provider",
        "iteration",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ops": (RMSNORM.ops[0], RMSNORM.ops[0])}, "two ops are named 'input_lay"),
        ({"ops": ()}, "it has no op"),
        ({"tolerance": {}}, "output 'out' of the reference has no tolerance"),
        (
            {"tolerance": {**RMSNORM.tolerance, "y": Tolerance(atol=1.0)}},
            "tolerance 'y' is of no output",
        ),
        (
            {"traffic": replace(RMSNORM.traffic, read=("input", "w"))},
            "traffic names 'w', which is no argument",
        ),
    ],
)
def test_a_declaration_that_contradicts_itself_fails(
    changes: Change, words: str
) -> None:
    assert_fails(check_declared, RMSNORM, words, **changes)


def test_cost_that_leaves_a_tensor_out_fails() -> None:
    def without_weight(work: Workload) -> object:
        cost = RMSNORM.cost(work)
        return replace(cost, bytes_read=cost.bytes_read - 2 * work["n"])

    words = "B=1,S=1: cost reads 14336 and writes 14336 bytes, the tensors have 28672"
    assert_fails(check_cost, RMSNORM, words, cost=without_weight)


def changed_inputs(
    change: Callable[[Workload, Tensors], Tensors], work: Workload, make: TensorMaker
) -> Tensors:
    args = RMSNORM.make_inputs(work, make)
    return args | change(work, args)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _w, a: {"input": a["input"].contiguous()}, "not (2112, 1)"),
        (lambda _w, a: {"weight": a["weight"].float()}, "float32, not bfloat16"),
        (lambda w, a: {"out": a["out"].view(w["n"], -1)}, "(1536, 1), not (1, 1536)"),
    ],
)
def test_shapes_strides_and_dtypes_that_are_not_the_tables_fail(
    change: Callable[[Workload, Tensors], Tensors], words: str
) -> None:
    tables = {
        (RMSNORM.name, op.name): describe_op(RMSNORM, op.name) for op in RMSNORM.ops
    }
    make_inputs = partial(changed_inputs, change)
    check = partial(check_shapes, tables=tables)
    assert_fails(check, RMSNORM, words, make_inputs=make_inputs)


def test_a_shape_that_leaves_its_own_formula_fails() -> None:
    def change(work: Workload, args: Tensors) -> Tensors:
        return {"out": args["out"][:4]} if work.tokens == 8 else {}

    make_inputs = partial(changed_inputs, change)
    check = partial(check_shapes, tables=None)
    words = "out is (4, 7168), not (8, 7168)"
    assert_fails(check, RMSNORM, words, make_inputs=make_inputs)


LOOSE = Tolerance(atol=1e6)
SEEN_ONLY_IF_TIGHT = [
    "out at twice its scale",
    "two rows of out swapped",
]


@pytest.mark.parametrize("fault", SEEN_ONLY_IF_TIGHT)
def test_a_tolerance_that_lets_a_fault_pass_fails(fault: str) -> None:
    assert_fails(check_reference, RMSNORM, fault, tolerance={"out": LOOSE})


def forgetful(kernel: Kernel, outputs: Tensors) -> Tensors:
    """Outputs with what was not written replaced by what should be there."""
    return {
        name: torch.nan_to_num(tensor.float(), nan=float(len(kernel.name)))
        for name, tensor in outputs.items()
    }


@pytest.mark.parametrize(
    "fault", ["the last tile of out unwritten", "the first row of out unwritten"]
)
def test_a_comparison_that_does_not_see_unwritten_elements_fails(fault: str) -> None:
    def canonical(_work: Workload, _args: Tensors, outputs: Tensors) -> Tensors:
        return forgetful(RMSNORM, outputs)

    changes = {"canonical": canonical, "tolerance": {"out": LOOSE}}
    assert_fails(check_reference, RMSNORM, fault, **changes)


def test_arguments_in_each_others_place_are_seen() -> None:
    words = "input and residual in each other's place"
    tolerance = dict.fromkeys(ADD.tolerance, LOOSE)
    assert_fails(check_reference, ADD, words, tolerance=tolerance)


def test_an_expert_left_out_is_seen() -> None:
    tolerance = dict.fromkeys(GROUPED.tolerance, LOOSE)
    assert_fails(check_reference, GROUPED, "left out of b", tolerance=tolerance)


def test_a_reference_that_gives_nan_fails() -> None:
    def reference(_work: Workload, args: Tensors) -> Tensors:
        return {"out": args["input"].float() * float("nan")}

    words = "its own outputs do not pass"
    assert_fails(check_reference, RMSNORM, words, reference=reference)


@pytest.mark.parametrize(
    ("changes", "points"),
    [({"has_kv_axis": True}, 3 * 36), ({"phases": (Phase.DECODE,)}, 3 * 8)],
)
def test_the_sweep_follows_phases_and_kv_lengths(changes: Change, points: int) -> None:
    assert outcome(check_iteration, RMSNORM, **changes) == (
        Outcome.PASSED,
        f"{points} points",
    )


def test_a_sweep_that_misses_points_fails() -> None:
    class Short(Subject):
        def default_points(self) -> list[Any]:
            return super().default_points()[1:]

    found, detail = check_iteration(Short(RMSNORM))
    assert found is Outcome.FAILED
    assert detail == "input_layernorm: 7 decode points, not 8"


def test_a_call_that_does_not_fit_a_recorded_release_names_it() -> None:
    def changed(release: Release) -> Release:
        symbol = RMSNORM.providers[0].symbols[0]
        schema = "(Tensor! output, Tensor input, Tensor weight, float epsilon) -> ()"
        return replace(release, version="9.9", signatures={symbol: schema})

    [newest] = [r for r in recorded_releases() if r.name == "sglang-kernel 0.4.4"]
    found, detail = check_signature(Subject(RMSNORM), (changed(newest),))
    assert found is Outcome.FAILED
    assert "of sglang-kernel 9.9 with (Tensor, Tensor, Tensor, eps=1e-06" in detail
    assert detail.endswith("as in sglang-kernel 0.4.4")


def test_a_function_that_no_recorded_release_has_fails() -> None:
    symbol = "torch.ops.sgl_kernel:rmsnrom.default"
    [newest] = [r for r in recorded_releases() if r.name == "sglang-kernel 0.4.4"]
    lacking = replace(newest, absent=frozenset({symbol}))
    provider = replace(RMSNORM.providers[0], symbols=(symbol,))
    subject = Subject(replace(RMSNORM, providers=(provider,)))
    found, detail = check_signature(subject, (lacking,))
    assert found is Outcome.FAILED
    assert f"rmsnorm needs {symbol}, and sglang-kernel 0.4.4 has none" in detail
    # Of a symbol that was never looked for, nothing is known.
    assert check_signature(subject)[0] is Outcome.SKIPPED


def test_a_provider_that_is_not_installed_is_skipped_and_one_that_loads_passes() -> (
    None
):
    absent = replace(RMSNORM.providers[0], package="toylib", symbols=("toylib:x",))
    here = replace(absent, package="torch", symbols=("torch:bmm",))
    found, detail = outcome(check_provider, RMSNORM, providers=(absent,))
    assert (found, detail) == (Outcome.SKIPPED, "toylib is not installed")
    found, detail = outcome(check_provider, RMSNORM, providers=(absent, here))
    assert found is Outcome.PASSED
    assert detail == f"torch {torch.__version__} loads; toylib is not installed"


def test_a_table_may_not_list_a_kernel_without_a_file() -> None:
    rows = [
        SummaryRow(kernel="rmsnorm", source="sgl_kernel", ops=()),
        SummaryRow(kernel="rmsnrom", source="sgl-kernel", ops=()),
        SummaryRow(kernel="bmm_fp8", source="flashinfer", ops=()),
    ]
    found = list(check_listed(rows, ("rmsnorm", "bmm_fp8")))
    assert [(result.kernel, result.outcome) for result in found] == [
        ("rmsnorm", Outcome.PASSED),
        ("rmsnrom", Outcome.FAILED),
        ("bmm_fp8", Outcome.FAILED),
    ]
    assert found[1].detail == "the table lists it, and dsprof has no file for it"
    assert found[2].detail == "its source is sgl-kernel; the table has flashinfer"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A copy of the recorded rows of the bundled profile."""
    source = find_bundled_profile()
    for file in ("profile.json", "timing.csv", "all_kernels.csv"):
        (tmp_path / file).write_bytes((source / file).read_bytes())
    (tmp_path / "kernels").mkdir()
    for path in (source / "kernels").iterdir():
        (tmp_path / "kernels" / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_recorded_profile_is_complete(profile: Path) -> None:
    assert BUNDLED_PROFILES in find_bundled_profile().parents
    assert check_profile(Subject(RMSNORM), profile)[0] is Outcome.PASSED


def test_a_profile_of_other_kernels_is_skipped(profile: Path) -> None:
    other = Subject(replace(RMSNORM, name="another"))
    assert check_profile(other, profile)[0] is Outcome.SKIPPED


@pytest.mark.parametrize("file", ["all_kernels.csv", "kernels/rmsnorm.csv"])
def test_a_csv_without_a_row_of_each_point_fails(profile: Path, file: str) -> None:
    path = profile / file
    lines = path.read_text("utf-8").splitlines(keepends=True)
    first = next(place for place, line in enumerate(lines) if "rmsnorm," in line)
    path.write_text("".join(lines[:first] + lines[first + 1 :]), "utf-8")
    found, detail = check_profile(Subject(RMSNORM), profile)
    assert found is Outcome.FAILED
    assert detail.startswith(f"{file}: 1 points have no row, first input_layernorm/")


def test_an_ok_row_with_an_empty_seed_column_fails(profile: Path) -> None:
    path = profile / "kernels" / "rmsnorm.csv"
    header, row, *rest = path.read_text("utf-8").splitlines(keepends=True)
    cells = row.split(",")
    cells[header.split(",").index("bandwidth_gbs")] = ""
    path.write_text("".join([header, ",".join(cells), *rest]), "utf-8")
    found, detail = check_profile(Subject(RMSNORM), profile)
    assert found is Outcome.FAILED
    assert "has no bandwidth_gbs" in detail


def test_a_missing_csv_fails(profile: Path) -> None:
    (profile / "kernels" / "rmsnorm.csv").unlink()
    found, detail = check_profile(Subject(RMSNORM), profile)
    assert (found, detail) == (
        Outcome.FAILED,
        "kernels/rmsnorm.csv: the file is missing",
    )


def test_without_torch_only_what_needs_none_is_checked() -> None:
    results = list(verify(Request(kernels=("rmsnorm",)), with_torch=False))
    made = {result.check for result in results if result.outcome is Outcome.PASSED}
    assert made == {"iteration"}
    assert all("torch" in r.detail for r in results if r.check == "reference")


def test_what_a_kernel_raises_is_its_failure_and_the_others_go_on() -> None:
    def reference(_work: Workload, _args: Tensors) -> Tensors:
        raise NotImplementedError("not yet")

    kernel = replace(RMSNORM, reference=reference)
    results = list(verify_kernel(kernel, Request(kernels=("rmsnorm",))))
    failed = [result for result in results if result.outcome is Outcome.FAILED]
    assert {result.check for result in failed} == {"declared", "signature", "reference"}
    assert failed[0] == CheckResult(
        kernel="rmsnorm",
        check="declared",
        outcome=Outcome.FAILED,
        detail="NotImplementedError: not yet",
    )
