"""Records the signatures that calls are checked against, out of packages' wheels.

    python -m dsprof.harness.record_signatures WHEEL...

writes ``signatures.toml`` with every symbol that a kernel's provider names. Nothing is
imported: Python is parsed, and op schemas are strings in the wheels' libraries. Of a
symbol that no wheel's package has, none is written.
"""

import ast
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from dsprof.harness.errors import UsageError
from dsprof.harness.signatures import (
    RECORDED_FILE,
    Release,
    from_ast,
    is_op,
    package_of,
    parse_schema,
)
from dsprof.harness.store import replace_file
from dsprof.harness.versions import DISTRIBUTIONS
from dsprof.kernels.registry import load_kernels
from dsprof.kernels.spec import Kernel

CHUNK_BYTES = 1 << 24
MAX_SCHEMA_BYTES = 1 << 13  # kept from one chunk to the next
HEADER = "# Written by python -m dsprof.harness.record_signatures WHEEL...\n"

Definition = ast.FunctionDef | ast.ClassDef


class Wheel:
    """The Python and the libraries of one wheel, unopened."""

    def __init__(self, path: Path) -> None:
        self._files = zipfile.ZipFile(path)
        self.distribution, self.version = path.name.split("-")[:2]
        self.distribution = self.distribution.replace("_", "-")
        self.module = _module_of(self.distribution)
        self._names = set(self._files.namelist())
        self._trees: dict[str, ast.Module] = {}

    def find(self, symbol: str) -> Definition | None:
        """The definition of "module:name", wherever the module imports it from."""
        module, _, name = symbol.partition(":")
        tree = self._tree(module)
        if tree is None:
            return None
        defined = [node for node in _definitions(tree) if node.name == name]
        if defined:
            return defined[-1]  # typing.overload puts the real one last
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if alias.name == "*" or (alias.asname or alias.name) == name:
                        source = self._source(module, node)
                        taken = name if alias.name == "*" else alias.name
                        if found := self.find(f"{source}:{taken}"):
                            return found
        return None

    def schemas(self, names: set[str]) -> dict[str, str]:
        """Schemas of the registered ops of these names, from the libraries."""
        found: dict[str, str] = {}
        libraries = [name for name in self._names if name.endswith(".so")]
        any_name = b"|".join(name.encode() for name in sorted(names))
        pattern = re.compile(
            rb"(?<![\w:])(" + any_name + rb")(\([^\0()]*(?:\([^\0()]*\)[^\0()]*)*\)"
            rb" ?->[^\0]*)\0"
        )
        for library in sorted(
            libraries, key=lambda n: self._files.getinfo(n).file_size
        ):
            if names <= found.keys():
                break
            with self._files.open(library) as file:
                for chunk in _chunks(file):
                    for op, schema in pattern.findall(chunk):
                        found.setdefault(op.decode(), schema.decode())
        return {name: parse_schema(schema).text for name, schema in found.items()}

    def _tree(self, module: str) -> ast.Module | None:
        if module not in self._trees:
            base = module.replace(".", "/")
            for name in (f"{base}/__init__.py", f"{base}.py"):
                if name in self._names:
                    self._trees[module] = ast.parse(self._files.read(name))
                    break
        return self._trees.get(module)

    def _source(self, module: str, node: ast.ImportFrom) -> str:
        """Absolute name of the module that an import in ``module`` takes from."""
        if not node.level:
            return node.module or ""
        is_package = f"{module.replace('.', '/')}/__init__.py" in self._names
        parts = module.split(".")
        parents = parts[: len(parts) - node.level + is_package]
        return ".".join([*parents, *([node.module] if node.module else [])])


def _module_of(distribution: str) -> str:
    for module, distributions in DISTRIBUTIONS.items():
        if distribution in distributions:
            return module
    return distribution.replace("-", "_")


def _definitions(tree: ast.Module) -> Iterator[Definition]:
    """Functions and classes at the top of a module, also those under a condition."""
    bodies: list[ast.stmt] = list(tree.body)
    while bodies:
        node = bodies.pop(0)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node
        elif isinstance(node, ast.If | ast.Try):
            bodies += [*node.body, *node.orelse]


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces that overlap, so that no schema falls between two."""
    kept = b""
    while chunk := file.read(CHUNK_BYTES):
        yield kept + chunk
        kept = chunk[-MAX_SCHEMA_BYTES:]


def record(wheel: Wheel, symbols: Iterable[str]) -> Release:
    """What the wheel's package has of these symbols."""
    wanted = sorted(symbol for symbol in symbols if package_of(symbol) == wheel.module)
    signatures: dict[str, str] = {}
    ops = {op_name(symbol): symbol for symbol in wanted if is_op(symbol)}
    schemas = wheel.schemas(set(ops)) if ops else {}
    for symbol in wanted:
        if is_op(symbol):
            if op_name(symbol) in schemas:
                signatures[symbol] = schemas[op_name(symbol)]
        elif definition := wheel.find(symbol):
            signatures |= dict(_signatures(symbol, definition))
    release = Release(
        distribution=wheel.distribution,
        version=wheel.version,
        module=wheel.module,
        signatures=signatures,
    )
    absent = frozenset(symbol for symbol in wanted if not release.has(symbol))
    return Release(
        distribution=release.distribution,
        version=release.version,
        module=release.module,
        signatures=signatures,
        absent=absent,
    )


def op_name(symbol: str) -> str:
    """Return the name that an op is registered by, which its overload follows."""
    return symbol.partition(":")[2].split(".")[0]


def _signatures(symbol: str, node: Definition) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef):
        yield symbol, from_ast(node.args, node.returns).text
        return
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and (
            method.name == "__init__" or not method.name.startswith("_")
        ):
            method.args.args = method.args.args[1:]  # self
            yield f"{symbol}.{method.name}", from_ast(method.args, None).text


def to_toml(releases: Iterable[Release]) -> str:
    lines = [HEADER]
    for release in releases:
        lines += [
            "[[release]]",
            *(
                f"{key} = {json.dumps(getattr(release, key))}"
                for key in ("distribution", "version", "module")
            ),
            "absent = [",
            *(f"  {json.dumps(symbol)}," for symbol in sorted(release.absent)),
            "]",
            "",
            "[release.signatures]",
            *(
                f"{json.dumps(symbol)} = {json.dumps(text)}"
                for symbol, text in sorted(release.signatures.items())
            ),
            "",
        ]
    return "\n".join(lines)


def symbols_of(kernels: Iterable[Kernel]) -> set[str]:
    """Every symbol that a provider of these kernels names."""
    return {
        symbol
        for kernel in kernels
        for provider in kernel.providers
        for symbol in provider.symbols
    }


def main(arguments: list[str]) -> None:
    wheels = [Path(argument) for argument in arguments]
    if not wheels or not all(zipfile.is_zipfile(wheel) for wheel in wheels):
        raise UsageError("Name the wheels to record, each a .whl file.")
    symbols = symbols_of(load_kernels())
    releases = [record(Wheel(wheel), symbols) for wheel in wheels]
    replace_file(RECORDED_FILE, to_toml(releases))


if __name__ == "__main__":
    main(sys.argv[1:])
