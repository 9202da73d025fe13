"""Makes every check of every kernel that can be made on this machine."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsprof.harness.checks.calling import check_provider, check_signature
from dsprof.harness.checks.declaration import check_declared, check_iteration
from dsprof.harness.checks.recorded import check_profile
from dsprof.harness.checks.result import CheckResult, Outcome, failed, passed
from dsprof.harness.checks.results import check_output, check_reference
from dsprof.harness.checks.sizes import check_cost, check_shapes
from dsprof.harness.checks.subject import Subject
from dsprof.harness.errors import DsprofError
from dsprof.harness.ops_file import OpsFile
from dsprof.harness.ops_table import SummaryRow
from dsprof.kernels.registry import kernel_files, load_kernel
from dsprof.kernels.spec import Kernel

Check = Callable[[Subject], tuple[Outcome, str]]

NO_TORCH = "torch is not installed: pip install torch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which kernels to check, and what to hold them against beyond themselves."""

    kernels: tuple[str, ...]
    ops_file: OpsFile | None = None
    profile: Path | None = None


def has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def verify(request: Request, *, with_torch: bool = True) -> Iterator[CheckResult]:
    """Yield the checks kernel by kernel; what a kernel raises is a failed check."""
    for name in request.kernels:
        try:
            kernel = load_kernel(name)
        except (DsprofError, ImportError, SyntaxError, TypeError) as error:
            yield _result(name, "declared", failed(str(error)))
            continue
        yield from verify_kernel(kernel, request, with_torch=with_torch)
    if request.ops_file is not None:
        yield from check_listed(request.ops_file.summary, request.kernels)


def verify_kernel(
    kernel: Kernel, request: Request, *, with_torch: bool = True
) -> Iterator[CheckResult]:
    """Yield every check of one kernel."""
    subject = Subject(kernel)
    tables = request.ops_file.tables if request.ops_file else None
    checks: dict[str, Check] = {
        "provider": check_provider,
        "iteration": check_iteration,
    }
    needing_torch: dict[str, Check] = {
        "declared": check_declared,
        "signature": check_signature,
        "shapes": lambda it: check_shapes(it, tables),
        "cost": check_cost,
        "reference": check_reference,
        "output": check_output,
    }
    if profile := request.profile:
        checks["profile"] = lambda it: check_profile(it, profile)
    for name, check in {**needing_torch, **checks}.items():
        if name in needing_torch and not with_torch:
            yield _result(kernel.name, name, (Outcome.SKIPPED, NO_TORCH))
        else:
            yield _result(kernel.name, name, _outcome(check, subject))


def _outcome(check: Check, subject: Subject) -> tuple[Outcome, str]:
    try:
        return check(subject)
    except Exception as error:  # noqa: BLE001 -- a kernel file may raise anything; that is its failure
        return failed(f"{type(error).__name__}: {error}")


def check_listed(
    summary: Sequence[SummaryRow], kernels: Sequence[str]
) -> Iterator[CheckResult]:
    """Every kernel that a table lists has a file, of the library that it says."""
    for row in summary:
        if row.kernel not in kernel_files():
            missing = failed("the table lists it, and dsprof has no file for it")
            yield _result(row.kernel, "listed", missing)
        elif row.kernel in kernels:
            yield _result(row.kernel, "listed", _listed(row))


def _listed(row: SummaryRow) -> tuple[Outcome, str]:
    source = load_kernel(row.kernel).source
    if _plain(source) not in _plain(row.source):
        return failed(f"its source is {source}; the table has {row.source or 'none'}")
    return passed(source)


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _result(kernel: str, check: str, found: tuple[Outcome, str]) -> CheckResult:
    return CheckResult(kernel=kernel, check=check, outcome=found[0], detail=found[1])
