import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dsprof.harness.errors import UsageError
from dsprof.harness.scaffold import FOLDERS, write_kernel
from dsprof.kernels.spec import Category

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of dsprof whose files a test may change."""
    ignored = shutil.ignore_patterns("__pycache__", "profiles")
    for name in ("harness", "kernels", "analysis", "tests"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=ignored)
    (tmp_path / "dsprof").mkdir()
    shutil.copy(REPOSITORY / "dsprof" / "__init__.py", tmp_path / "dsprof")
    for name in ("harness", "kernels", "analysis"):
        (tmp_path / "dsprof" / name).symlink_to(tmp_path / name)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_new_kernel_is_listed_and_its_tests_fail_until_filled_in(
    checkout: Path,
) -> None:
    made = run(
        checkout, "dsprof.harness.cli", "new", "gelu_and_mul", "--category",
        "activation",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    kernel = checkout / "kernels" / "activation" / "gelu_and_mul.py"
    test = checkout / "tests" / "kernels" / "activation" / "test_gelu_and_mul.py"
    assert str(kernel) in made.stdout
    listed = run(checkout, "dsprof.harness.cli", "list").stdout
    assert "gelu_and_mul" in listed
    tested = run(checkout, "pytest", "-q", "-p", "no:cacheprovider", str(test))
    assert tested.returncode == 1
    assert "2 failed" in tested.stdout
    checked = run(checkout, "dsprof.harness.cli", "verify", "--kernels", "gelu_and_mul")
    assert checked.returncode == 1
    assert "FP32" in checked.stdout


def test_what_is_written_passes_the_projects_style(checkout: Path) -> None:
    pytest.importorskip("ruff", reason="ruff is a development tool")
    files = [str(path) for path in write_kernel(checkout, "toy_norm", Category.NORM)]
    assert run(checkout, "ruff", "check", *files).stdout == "All checks passed!\n"
    assert run(checkout, "ruff", "format", "--check", *files).returncode == 0


def test_every_category_has_a_folder() -> None:
    assert set(FOLDERS) == set(Category)
    assert all((REPOSITORY / "kernels" / name).is_dir() for name in FOLDERS.values())


@pytest.mark.parametrize("name", ["rms-norm", "2norm", "class", "_device", "", "a b"])
def test_a_name_that_python_cannot_import_is_refused(checkout: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no kernel name"):
        write_kernel(checkout, name, Category.NORM)


def test_an_existing_kernel_is_refused(checkout: Path) -> None:
    with pytest.raises(UsageError, match="Kernel 'rmsnorm' exists"):
        write_kernel(checkout, "rmsnorm", Category.GEMM)


def test_an_existing_file_is_refused_and_nothing_is_written(checkout: Path) -> None:
    test = checkout / "tests" / "kernels" / "norm" / "test_toy_norm.py"
    test.write_text("")
    with pytest.raises(UsageError, match=r"test_toy_norm.py exists"):
        write_kernel(checkout, "toy_norm", Category.NORM)
    assert not (checkout / "kernels" / "norm" / "toy_norm.py").exists()


def test_an_installed_copy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="installed copy of dsprof"):
        write_kernel(tmp_path, "toy_norm", Category.NORM)
