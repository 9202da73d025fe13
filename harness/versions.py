"""Which packages, tools and sources a run is made with; nothing is imported to see."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parent.parent
SOURCE_FOLDERS = ("analysis", "harness", "kernels")
SOURCE_SUFFIXES = frozenset({".css", ".j2", ".py", ".toml"})

# Module -> the names it is installed by, where they are not the module's own.
DISTRIBUTIONS = {
    "flashinfer": ("flashinfer-python",),
    "pynvml": ("nvidia-ml-py",),
    "sgl_kernel": ("sglang-kernel", "sgl-kernel"),
}
# flashinfer writes its number into _build_meta.py and a placeholder into version.py.
VERSION_FILES = ("_build_meta.py", "version.py", "_version.py", "__init__.py")
UNKNOWN = "unknown"

TOOL_TIMEOUT_S = 20.0


def package_version(
    module: str, search_path: Sequence[str] | None = None
) -> str | None:
    """Version of the copy of a module that an import would take, or None.

    A package unpacked onto PYTHONPATH has no metadata and may hide an installed
    one, so the package's own ``__version__`` is asked first. "unknown" if the
    module is there and says nothing.
    """
    path = list(sys.path if search_path is None else search_path)
    spec = PathFinder.find_spec(module, path)
    if spec is None or spec.origin is None:
        return _metadata_version(module, path)
    origin = Path(spec.origin)
    is_package = spec.submodule_search_locations is not None
    return (
        _stated_version(origin.parent if is_package else origin)
        or _metadata_version(module, path)
        or UNKNOWN
    )


def torch_cuda_version(search_path: Sequence[str] | None = None) -> str | None:
    """CUDA version that the installed torch is built for, or None: a CPU build."""
    path = list(sys.path if search_path is None else search_path)
    spec = PathFinder.find_spec("torch", path)
    if spec is None or spec.origin is None:
        return None
    text = _read(Path(spec.origin).parent / "version.py")
    match = re.search(r"^cuda\b[^=\n]*=\s*['\"]([0-9.]+)['\"]", text, re.MULTILINE)
    return match[1] if match else None


def _stated_version(origin: Path) -> str | None:
    files = [origin / name for name in VERSION_FILES] if origin.is_dir() else [origin]
    for file in files:
        pattern = r"^__version__\b[^=\n]*=\s*['\"]([^'\"]+)['\"]"
        if match := re.search(pattern, _read(file), re.MULTILINE):
            return match[1]
    return None


def _metadata_version(module: str, path: list[str]) -> str | None:
    for name in DISTRIBUTIONS.get(module, (module,)):
        for found in importlib.metadata.distributions(name=name, path=path):
            return found.version
    return None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def tool_version(
    name: str, search_path: str | None = None, timeout_s: float = TOOL_TIMEOUT_S
) -> str | None:
    """Version that ``NAME --version`` prints, or None if no such tool is on PATH.

    "unknown" if the tool is there but fails, hangs or prints no version.
    """
    program = shutil.which(name, path=search_path)
    if program is None:
        return None
    printed = _output([program, "--version"], timeout_s)
    match = re.search(r"\b[Vv]ersion:?\s+(\d+(?:\.\d+)+)", printed or "")
    return match[1] if match else UNKNOWN


def source_version(root: Path = SOURCE_ROOT) -> str | None:
    """Version of dsprof: the checkout's, or that of the installed package."""
    try:
        document = tomllib.loads(_read(root / "pyproject.toml"))
    except tomllib.TOMLDecodeError:
        document = {}
    project = document.get("project", {})
    if project.get("name") == "dsprof":
        return str(project.get("version", UNKNOWN))
    return _metadata_version("dsprof", sys.path)


def source_revision(root: Path = SOURCE_ROOT) -> str | None:
    """Commit of the checkout that dsprof runs from, "-dirty" if its source differs.

    None outside a checkout of dsprof itself: a copy installed into some other
    repository's folder is not at that repository's commit.
    """
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return None
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return None
    changes = _git(root, "status", "--porcelain", "--", *SOURCE_FOLDERS)
    return f"{commit}-dirty" if changes else commit


def source_sha256(root: Path = SOURCE_ROOT) -> str:
    """Digest of dsprof's source files: names a copy that no repository describes."""
    digest = hashlib.sha256()
    for folder in SOURCE_FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in SOURCE_SUFFIXES and file.is_file():
                content = file.read_bytes()
                header = f"{file.relative_to(root).as_posix()}\0{len(content)}\0"
                digest.update(header.encode() + content)
    return digest.hexdigest()


def _git(root: Path, *arguments: str) -> str | None:
    return _output(["git", "-C", str(root), *arguments], TOOL_TIMEOUT_S)


def _output(command: list[str], timeout_s: float) -> str | None:
    """Return what a command prints, or None if it cannot run, fails or hangs."""
    # Inside a git hook GIT_DIR names the hook's repository, whatever -C says.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
