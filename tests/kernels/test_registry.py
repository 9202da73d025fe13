import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dsprof.harness.errors import UsageError
from dsprof.kernels import deepseek as ds
from dsprof.kernels.registry import kernel_files, load_kernel, load_kernels

REPOSITORY = Path(__file__).parents[2]

H200_KERNELS = {
    "rmsnorm",
    "fused_add_rmsnorm",
    "dsv3_fused_a_gemm",
    "dsv3_router_gemm",
    "bmm_fp8",
    "concat_mla_k",
    "silu_and_mul",
    "topk_softmax",
    "topk_sigmoid",
    "moe_fused_gate",
    "prepare_moe_input",
    "apply_shuffle_mul_sum",
    "moe_align_block_size",
}


class Checkout:
    """A copy of dsprof whose kernels a test may change."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.kernels = root / "dsprof" / "kernels"
        self.kernels.parent.mkdir()
        # A package without it gives way to an installed dsprof.
        (root / "dsprof" / "__init__.py").touch()
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "kernels", self.kernels, ignore=ignored)
        (root / "dsprof" / "harness").symlink_to(REPOSITORY / "harness")

    def add(self, path: str, text: str) -> None:
        file = self.kernels / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run(self, code: str) -> list[str]:
        """Lines that the code prints in a fresh interpreter that has these kernels."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self._root,
            env={**os.environ, "PYTHONPATH": str(self._root), "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


PRINT_ERROR = """
from dsprof.harness.errors import DsprofError
from dsprof.kernels.registry import kernel_files, load_kernel
try:
    {statement}
except DsprofError as error:
    print(type(error).__name__, error)
"""


def test_every_kernel_of_the_wheel_that_an_h200_runs_has_a_file() -> None:
    assert set(kernel_files()) >= H200_KERNELS


def test_kernels_come_in_the_order_of_the_model() -> None:
    names = [kernel.name for kernel in load_kernels()]
    listed = [name for name, _, _ in ds.KERNELS if name in names]
    assert names[: len(listed)] == listed
    assert names[len(listed) :] == sorted(names[len(listed) :])


def test_a_files_source_and_category_are_those_of_the_models_list() -> None:
    listed = {name: (source, category) for name, source, category in ds.KERNELS}
    for kernel in load_kernels():
        if kernel.name in listed:
            assert (kernel.source, kernel.category) == listed[kernel.name]


def test_named_kernels_come_in_the_order_asked_for() -> None:
    names = ["silu_and_mul", "rmsnorm"]
    assert [kernel.name for kernel in load_kernels(names)] == names


def test_an_unknown_kernel_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        load_kernel("rmsnrom")
    known = ", ".join(sorted(kernel_files()))
    assert str(caught.value) == f"No kernel 'rmsnrom'. Known: {known}."


def test_finding_the_files_imports_none_of_them(checkout: Checkout) -> None:
    checkout.add("norm/breaks_when_imported.py", "raise SystemExit(9)")
    lines = checkout.run(
        "import sys\n"
        "from dsprof.kernels.registry import kernel_files\n"
        "print('breaks_when_imported' in kernel_files())\n"
        "print([name for name in kernel_files().values() if name in sys.modules])\n"
        "print('torch' in sys.modules)\n"
    )
    assert lines == ["True", "[]", "False"]


def test_declaring_every_kernel_imports_no_torch(checkout: Checkout) -> None:
    lines = checkout.run(
        "import sys\n"
        "from dsprof.kernels.registry import load_kernels\n"
        "print(len(load_kernels()) > 12)\n"
        "print('torch' in sys.modules, 'sgl_kernel' in sys.modules)\n"
    )
    assert lines == ["True", "False False"]


def test_a_new_kernel_is_one_new_file(checkout: Checkout) -> None:
    silu = (checkout.kernels / "activation" / "silu_and_mul.py").read_text("utf-8")
    for name in ("gelu_and_mul", "another"):
        text = silu.replace('name="silu_and_mul"', f'name="{name}"')
        checkout.add(f"new_folder/{name}.py", text)
    lines = checkout.run(
        "from dsprof.kernels.registry import load_kernel, load_kernels\n"
        "print(load_kernel('gelu_and_mul').name)\n"
        "print(*[kernel.name for kernel in load_kernels()])\n"
    )
    assert lines[0] == "gelu_and_mul"
    names = lines[1].split()
    assert (
        names.index("moe_align_block_size")
        < names.index("another")
        < names.index("gelu_and_mul")
    )


def test_a_file_with_a_leading_underscore_is_no_kernel(checkout: Checkout) -> None:
    checkout.add("norm/_device_code.py", "raise SystemExit(9)")
    lines = checkout.run(
        "from dsprof.kernels.registry import kernel_files, load_kernels\n"
        "load_kernels()\n"
        "print([name for name in kernel_files() if 'device_code' in name])\n"
    )
    assert lines == ["[]"]


@pytest.mark.parametrize(
    "text", ["", "KERNEL = None", "from dsprof.kernels.norm.rmsnorm import KERNEL"]
)
def test_a_file_that_declares_another_or_no_kernel_says_so(
    checkout: Checkout, text: str
) -> None:
    checkout.add("norm/empty.py", text)
    lines = checkout.run(PRINT_ERROR.format(statement="load_kernel('empty')"))
    file = checkout.kernels / "norm" / "empty.py"
    assert "".join(lines) == (
        f"DsprofError {file} declares no kernel 'empty'. "
        "Give it a constant KERNEL = Kernel(name='empty', ...)."
    )


def test_two_files_of_one_name_are_refused(checkout: Checkout) -> None:
    checkout.add("gemm/rmsnorm.py", "")
    lines = checkout.run(PRINT_ERROR.format(statement="kernel_files()"))
    assert "".join(lines) == (
        "DsprofError Two files declare kernel 'rmsnorm': dsprof.kernels.gemm.rmsnorm "
        "and dsprof.kernels.norm.rmsnorm. Rename one."
    )
