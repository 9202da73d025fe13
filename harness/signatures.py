"""What functions of kernel packages take: read from the installed, or as recorded.

``signatures.toml`` beside this file has the signatures of the releases that dsprof's
calls were written for; ``record_signatures`` writes it.
"""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

RECORDED_FILE = Path(__file__).with_name("signatures.toml")

MAX_DEFAULT_LENGTH = 40

_SCHEMA_PARAMETER = re.compile(r"(.+?)\s*\b(\w+)(?:=(.*))?")

_Kind = inspect._ParameterKind  # noqa: SLF001 -- its members are Parameter's constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The parameters of a function, and the types of those of a registered op."""

    text: (
        str  # such as "(input, weight, eps=1e-06)" or "(Tensor! out, float eps) -> ()"
    )
    parameters: inspect.Signature
    types: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a package, and what it has of the symbols that were looked for.

    The keys of ``signatures`` are symbols as a provider names them; a class has one
    for ``__init__`` and one a public method. ``absent`` are symbols that it lacks.
    """

    distribution: str
    version: str
    module: str
    signatures: Mapping[str, str]
    absent: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.distribution} {self.version}"

    def has(self, symbol: str) -> bool:
        return symbol in self.signatures or self.is_class(symbol)

    def is_class(self, symbol: str) -> bool:
        return f"{symbol}.__init__" in self.signatures

    def signature(self, symbol: str) -> Signature | None:
        """The signature of a function or a method, or None if none is recorded."""
        text = self.signatures.get(symbol)
        return None if text is None else parse(symbol, text)


@cache
def recorded_releases(file: Path = RECORDED_FILE) -> tuple[Release, ...]:
    """Every recorded release, the oldest of a package first."""
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    return tuple(
        Release(
            distribution=release["distribution"],
            version=release["version"],
            module=release["module"],
            signatures=release["signatures"],
            absent=frozenset(release["absent"]),
        )
        for release in document["release"]
    )


def releases_of(
    symbol: str, releases: Iterable[Release] | None = None
) -> list[Release]:
    """The recorded releases of the package that a symbol belongs to."""
    known = recorded_releases() if releases is None else releases
    return [release for release in known if release.module == package_of(symbol)]


def package_of(symbol: str) -> str:
    """Import name of the package behind "module:attribute"; registered ops have one."""
    module = symbol.partition(":")[0]
    return module.removeprefix("torch.ops.").split(".")[0]


def is_op(symbol: str) -> bool:
    return symbol.startswith("torch.ops.")


def parse(symbol: str, text: str) -> Signature:
    """Read the text of a signature: a schema for a registered op, else Python's."""
    return parse_schema(text) if is_op(symbol) else parse_python(text)


def parse_schema(text: str) -> Signature:
    """Read "(Tensor! out, float eps, *, int n=1) -> ()"; ValueError if it is none."""
    text = _plain_schema(text)
    found = re.fullmatch(r"\((.*)\) -> (.*)", text)
    if found is None:
        raise ValueError(f"'{text}' is no op schema.")
    parameters: list[inspect.Parameter] = []
    types: dict[str, str] = {}
    kind = _Kind.POSITIONAL_OR_KEYWORD
    for word in filter(None, (part.strip() for part in _split(found[1]))):
        if word == "*":
            kind = _Kind.KEYWORD_ONLY
            continue
        parts = _SCHEMA_PARAMETER.fullmatch(word)
        if parts is None:
            raise ValueError(f"'{word}' is no parameter of an op schema.")
        type_, name, default = parts.groups()
        value = inspect.Parameter.empty if default is None else default
        parameters.append(inspect.Parameter(name, kind, default=value))
        types[name] = type_.replace(" ", "")
    return Signature(
        text=text,
        parameters=inspect.Signature(parameters),
        types=types,
        returns=found[2],
    )


def _plain_schema(text: str) -> str:
    """One spelling: "Tensor!" as registered, also for the "Tensor(a! -> )" of torch."""
    alias = r"(?<=\w)\([\w$|*]*(!?)(?: ->[^()]*)?\)"
    text = re.sub(alias, r"\1", " ".join(text.split()))
    text = re.sub(r"\) ?-> ?", ") -> ", text)
    return re.sub(r",(?=\S)", ", ", text)


def _split(parameters: str) -> list[str]:
    """Split at commas outside brackets: a default may be a list."""
    return re.split(r",(?![^\[(]*[\])])", parameters)


def parse_python(text: str) -> Signature:
    """Read "(input, out=None) -> Tensor"; SyntaxError if it is no parameter list."""
    [function] = ast.parse(f"def f{text}: ...").body
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 -- as just written
    return from_ast(function.args, function.returns)


def from_ast(arguments: ast.arguments, returns: ast.expr | None) -> Signature:
    """Build the signature of a function definition; annotations are left out."""
    unset = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    defaults = iter([*[None] * unset, *arguments.defaults, *arguments.kw_defaults])
    rows = [
        *((argument, _Kind.POSITIONAL_ONLY) for argument in arguments.posonlyargs),
        *((argument, _Kind.POSITIONAL_OR_KEYWORD) for argument in arguments.args),
        *((argument, _Kind.VAR_POSITIONAL) for argument in _given(arguments.vararg)),
        *((argument, _Kind.KEYWORD_ONLY) for argument in arguments.kwonlyargs),
        *((argument, _Kind.VAR_KEYWORD) for argument in _given(arguments.kwarg)),
    ]
    parameters = []
    for argument, kind in rows:
        takes_default = kind not in {_Kind.VAR_POSITIONAL, _Kind.VAR_KEYWORD}
        default = next(defaults) if takes_default else None
        value = _Shown(ast.unparse(default)) if default else inspect.Parameter.empty
        parameters.append(inspect.Parameter(argument.arg, kind, default=value))
    return _python_signature(parameters, ast.unparse(returns) if returns else "")


def _given(argument: ast.arg | None) -> list[ast.arg]:
    return [] if argument is None else [argument]


class _Shown(str):
    """A default that prints as it is written in the source."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _python_signature(
    parameters: list[inspect.Parameter], returns: str = ""
) -> Signature:
    signature = inspect.Signature(parameters)
    text = str(signature) + (f" -> {returns}" if returns else "")
    return Signature(text=text, parameters=signature, returns=returns)


def read_signature(
    function: Any,  # noqa: ANN401 -- whatever a package has
    *,
    is_method: bool = False,
) -> Signature | None:
    """The signature of an installed function or op, or None if it tells none.

    Of a method of a class, that of a call on an instance.
    """
    if (schema := getattr(function, "_schema", None)) is not None:
        _, bracket, rest = str(schema).partition("(")
        try:
            return parse_schema(bracket + rest)
        except ValueError:
            return None
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return _python_signature(
        [
            parameter.replace(
                annotation=inspect.Parameter.empty,
                default=inspect.Parameter.empty
                if parameter.default is inspect.Parameter.empty
                else _Shown(_in_short(parameter.default)),
            )
            for parameter in list(parameters)[is_method:]
        ]
    )


def _in_short(value: object) -> str:
    """A default in a few words: some are objects that print pages."""
    shown = repr(value)
    is_short = len(shown) <= MAX_DEFAULT_LENGTH and "\n" not in shown
    return shown if is_short else "..."


def expected_signature(symbol: str) -> str:
    """What the newest recorded release takes, as the end of a sentence."""
    for release in reversed(releases_of(symbol)):
        for name in (symbol, f"{symbol}.__init__"):
            if name in release.signatures:
                return f"{release.signatures[name]}, as in {release.name}"
    return "a signature that no recorded release has"
