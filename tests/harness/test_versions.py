"""Versions of packages, tools and dsprof's own source."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsprof.harness.versions import (
    package_version,
    source_revision,
    source_sha256,
    source_version,
    tool_version,
    torch_cuda_version,
)


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def install(site: Path, name: str, version: str) -> None:
    """Leave the metadata that an installer would."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    write(folder / "METADATA", f"Name: {name}\nVersion: {version}\n")


def program(folder: Path, name: str, script: str) -> None:
    write(folder / name, f"#!/bin/sh\n{script}\n").chmod(0o755)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a repository with one source file a folder, all committed."""
    root = tmp_path / "checkout"
    for folder in ("analysis", "harness", "kernels"):
        write(root / folder / "a.py", "A = 1\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_an_absent_package_has_no_version(tmp_path: Path) -> None:
    assert package_version("sgl_kernel", [str(tmp_path)]) is None


def test_an_unpacked_package_states_its_version_itself(tmp_path: Path) -> None:
    write(tmp_path / "sgl_kernel/__init__.py", "raise RuntimeError('imported')\n")
    write(tmp_path / "sgl_kernel/version.py", '__version__ = "0.4.4"\n')
    assert package_version("sgl_kernel", [str(tmp_path)]) == "0.4.4"


def test_a_build_number_goes_before_the_placeholder_of_version_py(
    tmp_path: Path,
) -> None:
    write(tmp_path / "flashinfer/__init__.py")
    write(tmp_path / "flashinfer/version.py", '    __version__ = "0.0.0+unknown"\n')
    write(tmp_path / "flashinfer/_build_meta.py", '__version__ = "0.6.12"\n')
    assert package_version("flashinfer", [str(tmp_path)]) == "0.6.12"


@pytest.mark.parametrize("distribution", ["sglang-kernel", "sgl-kernel"])
def test_either_distribution_of_sgl_kernel_gives_the_version(
    tmp_path: Path, distribution: str
) -> None:
    write(tmp_path / "sgl_kernel/__init__.py")
    install(tmp_path, distribution, "0.3.21")
    assert package_version("sgl_kernel", [str(tmp_path)]) == "0.3.21"


def test_a_single_file_module_is_found_by_its_distribution(tmp_path: Path) -> None:
    write(tmp_path / "pynvml.py")
    install(tmp_path, "nvidia-ml-py", "13.580.82")
    assert package_version("pynvml", [str(tmp_path)]) == "13.580.82"


def test_the_copy_that_an_import_would_take_hides_the_installed_one(
    tmp_path: Path,
) -> None:
    write(tmp_path / "first/triton/__init__.py", "__version__ = '3.6.0'\n")
    write(tmp_path / "second/triton/__init__.py", "__version__ = '3.7.1'\n")
    install(tmp_path / "second", "triton", "3.7.1")
    path = [str(tmp_path / "first"), str(tmp_path / "second")]
    assert package_version("triton", path) == "3.6.0"


def test_a_package_that_says_nothing_is_of_unknown_version(tmp_path: Path) -> None:
    write(tmp_path / "nvtx/__init__.py", "from .nvtx import __version__\n")
    assert package_version("nvtx", [str(tmp_path)]) == "unknown"


def test_a_folder_that_is_no_package_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "triton").mkdir()
    assert package_version("triton", [str(tmp_path)]) is None


def test_reading_versions_imports_nothing() -> None:
    script = (
        "import sys; from dsprof.harness.environment import collect_environment;"
        "assert collect_environment()['torch'];"
        "print(*{'torch', 'triton', 'numpy', 'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("line", "cuda"),
    [
        ("cuda: Optional[str] = '13.0'", "13.0"),
        ("cuda = '12.8'", "12.8"),
        ("cuda: Optional[str] = None", None),
        ("hip: Optional[str] = '6.4'", None),
    ],
)
def test_torch_states_the_cuda_it_is_built_for(
    tmp_path: Path, line: str, cuda: str | None
) -> None:
    write(tmp_path / "torch/__init__.py")
    write(tmp_path / "torch/version.py", f"__version__ = '2.11.0'\n{line}\n")
    assert torch_cuda_version([str(tmp_path)]) == cuda


def test_without_torch_there_is_no_cuda_of_torch(tmp_path: Path) -> None:
    assert torch_cuda_version([str(tmp_path)]) is None


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("Version 2025.3.1.0 (build 36398880) (public-release)", "2025.3.1.0"),
        ("NVIDIA Nsight Systems version 2025.3.1.90-253135822126v0", "2025.3.1.90"),
        ("hello", "unknown"),
    ],
)
def test_a_tools_version_is_what_it_prints(
    tmp_path: Path, printed: str, version: str
) -> None:
    program(tmp_path, "ncu", f"echo Copyright 2018-2025 NVIDIA; echo '{printed}'")
    assert tool_version("ncu", search_path=str(tmp_path)) == version


def test_a_tool_that_is_not_on_path_has_no_version(tmp_path: Path) -> None:
    assert tool_version("ncu", search_path=str(tmp_path)) is None


@pytest.mark.parametrize("script", ["exit 1", "exec sleep 20"])
def test_a_tool_that_fails_or_hangs_is_of_unknown_version(
    tmp_path: Path, script: str
) -> None:
    program(tmp_path, "nsys", script)
    found = tool_version("nsys", search_path=str(tmp_path), timeout_s=0.2)
    assert found == "unknown"


def test_a_clean_checkout_is_at_its_commit(checkout: Path) -> None:
    assert source_revision(checkout) == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("change", ["harness/a.py", "kernels/new.py"])
def test_a_changed_or_new_source_file_makes_the_revision_dirty(
    checkout: Path, change: str
) -> None:
    write(checkout / change, "A = 2\n")
    assert source_revision(checkout) == f"{git(checkout, 'rev-parse', 'HEAD')}-dirty"


def test_a_recorded_profile_does_not_make_the_revision_dirty(checkout: Path) -> None:
    write(checkout / "profiles/h200/profile.json", "{}")
    assert source_revision(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_repository_without_a_commit_has_no_revision(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert source_revision(tmp_path) is None


def test_a_copy_inside_another_repository_has_no_revision(checkout: Path) -> None:
    installed = write(checkout / ".venv/lib/dsprof/harness/a.py").parent.parent
    assert source_revision(installed) is None


def test_without_git_there_is_no_revision(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert source_revision(checkout) is None


def test_the_digest_is_the_same_for_a_copy_elsewhere(
    checkout: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "site-packages/dsprof"
    for folder in ("analysis", "harness", "kernels"):
        write(copy / folder / "a.py", "A = 1\n")
        write(copy / folder / "__pycache__/a.cpython-311.pyc", "compiled")
    assert source_sha256(copy) == source_sha256(checkout)


@pytest.mark.parametrize(
    "change", ["harness/a.py", "harness/b.py", "harness/gpus.toml"]
)
def test_any_change_of_the_source_changes_the_digest(
    checkout: Path, change: str
) -> None:
    before = source_sha256(checkout)
    write(checkout / change, "A = 2\n")
    assert source_sha256(checkout) != before


def test_a_renamed_file_changes_the_digest(checkout: Path) -> None:
    before = source_sha256(checkout)
    (checkout / "harness/a.py").rename(checkout / "harness/b.py")
    assert source_sha256(checkout) != before


def test_a_checkouts_version_is_that_of_its_pyproject(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[project]\nname = "dsprof"\nversion = "7.8"\n')
    assert source_version(tmp_path) == "7.8"


def test_another_projects_pyproject_is_not_ours(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[project]\nname = "x"\nversion = "7.8"\n')
    assert source_version(tmp_path) != "7.8"
