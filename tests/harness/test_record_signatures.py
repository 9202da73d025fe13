import zipfile
from pathlib import Path

import pytest

from dsprof.harness.errors import UsageError
from dsprof.harness.record_signatures import Wheel, main, record, to_toml
from dsprof.harness.signatures import recorded_releases

FILES = {
    "toy_lib/__init__.py": "from toy_lib.gemm import mm\nfrom .attention import *\n",
    "toy_lib/gemm.py": (
        "def mm(a: Tensor, b: Tensor, out=None, *, fast: bool = True) -> Tensor:\n"
        "    raise SystemExit('never imported')\n"
    ),
    "toy_lib/attention/__init__.py": "from ._core import Wrapper as Attention\n",
    "toy_lib/attention/_core.py": (
        "try:\n    import fast\nexcept ImportError:\n    fast = None\n"
        "if fast:\n    def plan(): ...\n"
        "class Wrapper:\n"
        "    def __init__(self, workspace, backend='auto'): ...\n"
        "    def run(self, q): ...\n"
        "    def run(self, q, k=None): ...\n"
        "    def _hidden(self): ...\n"
    ),
    "toy_lib/ops.so": (
        "\x7fELF\0norm(Tensor! out,   Tensor x, float eps) -> ()\0"
        "silu(Tensor x)->Tensor\0also_norm(Tensor x) -> ()\0"
    ),
}
SYMBOLS = (
    "toy_lib:mm",
    "toy_lib.attention:Attention",
    "toy_lib:mm_fp4",
    "torch.ops.toy_lib:norm.default",
    "torch.ops.toy_lib:silu.default",
    "torch.ops.toy_lib:gone.default",
    "torch:bmm",
)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "toy_lib-1.2-cp310-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in FILES.items():
            file.writestr(name, text)
    return path


def test_definitions_and_schemas_are_found_without_an_import(wheel: Path) -> None:
    release = record(Wheel(wheel), SYMBOLS)
    assert release.name == "toy-lib 1.2"
    assert release.signatures == {
        "toy_lib:mm": "(a, b, out=None, *, fast=True) -> Tensor",
        "toy_lib.attention:Attention.__init__": "(workspace, backend='auto')",
        "toy_lib.attention:Attention.run": "(q, k=None)",
        "torch.ops.toy_lib:norm.default": "(Tensor! out, Tensor x, float eps) -> ()",
        "torch.ops.toy_lib:silu.default": "(Tensor x) -> Tensor",
    }
    assert release.absent == {"toy_lib:mm_fp4", "torch.ops.toy_lib:gone.default"}


def test_a_schema_across_two_pieces_of_a_library_is_found(
    wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsprof.harness.record_signatures.CHUNK_BYTES", 16)
    release = record(Wheel(wheel), SYMBOLS)
    assert "torch.ops.toy_lib:norm.default" in release.signatures


def test_what_is_written_reads_back(wheel: Path, tmp_path: Path) -> None:
    release = record(Wheel(wheel), SYMBOLS)
    file = tmp_path / "signatures.toml"
    file.write_text(to_toml([release]), encoding="utf-8")
    assert recorded_releases(file) == (release,)


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"each a \.whl file"):
        main([str(tmp_path)])
    with pytest.raises(UsageError):
        main([])
