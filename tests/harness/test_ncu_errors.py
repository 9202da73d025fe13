import pytest

from dsprof.harness.ncu_errors import diagnose, known_errors
from dsprof.harness.records import Status


@pytest.mark.parametrize(
    ("line", "status", "whole"),
    [
        ("==ERROR== ERR_NVGPUCTRPERM - The user ...", Status.UNAVAILABLE, True),
        ("==ERROR== Failed to prepare: LibraryNotLoaded", Status.UNAVAILABLE, True),
        ("==WARNING== No kernels were profiled.", Status.FAILED, False),
        ('==ERROR== Failed to profile "k" in process 7', Status.FAILED, False),
        ("==ERROR== The application returned an error code (1).", Status.FAILED, False),
        ("==ERROR== Insufficient memory and disk space to save", Status.FAILED, False),
    ],
)
def test_each_complaint_has_its_status(line: str, status: Status, whole: bool) -> None:  # noqa: FBT001 -- a parameter
    error = diagnose(f"==PROF== Connected to process 1\n{line}\n")
    assert error is not None
    assert (error.status, error.whole) == (status, whole)


def test_a_forbidden_counter_explains_that_no_kernel_was_profiled() -> None:
    log = "==ERROR== ERR_NVGPUCTRPERM\n==WARNING== No kernels were profiled.\n"
    error = diagnose(log)
    assert error is not None
    assert "ERR_NVGPUCTRPERM" in error.reason


def test_a_log_without_a_complaint_has_no_diagnosis() -> None:
    assert diagnose('==PROF== Profiling "k" - 0: 100% - 11 passes\n') is None


def test_every_fix_is_one_line() -> None:
    assert known_errors()
    assert all(error.fix and "\n" not in error.reason for error in known_errors())
