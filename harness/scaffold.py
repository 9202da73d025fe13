"""Writes a new kernel's file and test from the templates beside this file."""

import keyword
import tomllib
from pathlib import Path

from dsprof.harness.errors import UsageError
from dsprof.kernels.registry import kernel_files
from dsprof.kernels.spec import Category

TEMPLATES = Path(__file__).parent / "templates"

FOLDERS = {
    Category.NORM: "norm",
    Category.GEMM: "gemm",
    Category.BMM: "gemm",
    Category.ATTENTION: "attention",
    Category.ROPE: "attention",
    Category.CONCAT: "attention",
    Category.ACTIVATION: "activation",
    Category.ROUTING: "routing",
    Category.MOE: "experts",
}


def write_kernel(root: Path, name: str, category: Category) -> list[Path]:
    """Write both files under a checkout; UsageError leaves everything as it was."""
    _refuse_name(name)
    _refuse_no_checkout(root)
    folder = FOLDERS[category]
    files = {
        root / "kernels" / folder / f"{name}.py": "kernel.py.j2",
        root / "tests" / "kernels" / folder / f"test_{name}.py": "test_kernel.py.j2",
    }
    for path in files:
        if path.exists():
            raise UsageError(f"{path} exists. Choose another name, or edit it.")
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = _render(template, name=name, folder=folder, category=category)
        path.write_text(text, encoding="utf-8")
    return list(files)


def _refuse_name(name: str) -> None:
    is_name = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    if not is_name or name.startswith("_"):
        raise UsageError(
            f"'{name}' is no kernel name. A kernel is named as a Python function, "
            "without a leading underscore, such as gelu_and_mul."
        )
    if name in kernel_files():
        raise UsageError(f"Kernel '{name}' exists: {kernel_files()[name]}.")


def _refuse_no_checkout(root: Path) -> None:
    try:
        document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        is_checkout = document["project"]["name"] == "dsprof"
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        is_checkout = False
    if not is_checkout or not (root / "tests" / "kernels").is_dir():
        raise UsageError(
            f"{root} is an installed copy of dsprof. Kernels are written in a "
            "checkout: clone dsprof and install it with pip install -e '.[test]'."
        )


def _render(template: str, **names: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 -- Python, not HTML
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**names)
