"""Binds a kernel's call to a package's signatures, without running the package.

Every symbol that a provider names is replaced by a stub that takes what the package's
function takes and computes nothing. A call that does not fit ends in one sentence:
kernel, symbol, package, version, what was found and what was expected.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

from dsprof.harness.signatures import (
    Signature,
    expected_signature,
    package_of,
    read_signature,
)
from dsprof.harness.tensors import DeviceTensors
from dsprof.harness.versions import UNKNOWN, package_version
from dsprof.kernels.spec import Kernel, Provider, Run, Tensors, Workload, resolve


class Package(Protocol):
    """Something that has signatures: an installed package, or a recorded release."""

    @property
    def name(self) -> str: ...

    def has(self, symbol: str) -> bool: ...

    def is_class(self, symbol: str) -> bool: ...

    def signature(self, symbol: str) -> Signature | None:
        """Of a function, or of a method as "module:Class.method"; None if unknown."""
        ...


class Installed:
    """The copy of a package that an import takes."""

    def __init__(self, package: str) -> None:
        self._package = package

    @property
    def name(self) -> str:
        return f"{self._package} {package_version(self._package) or UNKNOWN}"

    def has(self, symbol: str) -> bool:
        try:
            resolve(symbol)
        except (AttributeError, ImportError):
            return False
        return True

    def is_class(self, symbol: str) -> bool:
        return inspect.isclass(resolve(symbol))

    def signature(self, symbol: str) -> Signature | None:
        owner, _, method = symbol.rpartition(".")
        if ":" in owner and inspect.isclass(cls := resolve(owner)):
            return read_signature(getattr(cls, method), is_method=True)
        return read_signature(resolve(symbol))


class MismatchError(Exception):
    """A call that the package would refuse; the message is the sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundCall:
    """What came of one call on stubs: why it does not fit, and what was given."""

    mismatch: str = ""  # a sentence without its full stop
    ended: str = ""  # why the call stopped for a reason that is not its arguments
    # Symbol -> parameter -> value, of the calls before that.
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Stub:
    """A function that binds its arguments to a signature and computes nothing."""

    def __init__(self, session: "Session", symbol: str) -> None:
        self._session = session
        self._symbol = symbol

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._session.bind(self._symbol, args, kwargs)


class StubClass:
    """A class whose constructor and methods are stubs."""

    def __init__(self, session: "Session", symbol: str) -> None:
        self._session = session
        self._symbol = symbol

    def __call__(self, *args: object, **kwargs: object) -> "StubClass":
        self._session.bind(f"{self._symbol}.__init__", args, kwargs)
        return self

    def __getattr__(self, name: str) -> Stub:
        return self._session.stub_method(self._symbol, name)


class StubLaunch:
    """Device code of dsprof's own: takes any grid and arguments, and computes nothing.

    Without a GPU the real one would end the call before what it launches next.
    """

    def __getitem__(self, _grid: object) -> "StubLaunch":
        return self

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        """Launch nothing."""


class Session:
    """One call of one kernel against one package."""

    def __init__(self, kernel: str, package: Package) -> None:
        self._kernel = kernel
        self._package = package
        self.given: dict[str, Mapping[str, Any]] = {}

    def stub(self, symbol: str) -> Stub | StubClass:
        if not self._package.has(symbol):
            raise MismatchError(missing_sentence(self._kernel, symbol, self._package))
        is_class = self._package.is_class(symbol)
        return (StubClass if is_class else Stub)(self, symbol)

    def stub_method(self, symbol: str, name: str) -> Stub:
        method = f"{symbol}.{name}"
        if not self._package.has(method):
            raise MismatchError(missing_sentence(self._kernel, method, self._package))
        return Stub(self, method)

    def bind(
        self, symbol: str, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> object:
        signature = self._package.signature(symbol)
        if signature is None:
            self.given[symbol] = kwargs
            return some_result("")
        try:
            given = signature.parameters.bind(*args, **kwargs).arguments
            _check_types(signature, given)
        except TypeError as error:
            raise MismatchError(
                f"{self._kernel} calls {symbol} of {self._package.name} with "
                f"{_in_words(args, kwargs)}, which does not fit {signature.text}: "
                f"{error}; expected {expected_signature(symbol)}"
            ) from None
        self.given[symbol] = given
        return some_result(signature.returns)


def missing_sentence(kernel: str, symbol: str, package: Package) -> str:
    return (
        f"{kernel} needs {symbol}, and {package.name} has none of that name; "
        f"expected {expected_signature(symbol)}"
    )


def bind_call(
    kernel: Kernel,
    provider: Provider,
    work: Workload,
    args: Tensors,
    package: Package,
) -> BoundCall:
    """Prepare and run a provider on stubs of this package's functions."""
    session = Session(kernel.name, package)
    try:
        with _gpu_answers():
            provider.prepare(_stub_api(session, provider), work, args)()
    except MismatchError as error:
        return BoundCall(mismatch=str(error), given=session.given)
    except Exception as error:  # noqa: BLE001 -- stubs compute nothing that could be gone on with
        ended = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return BoundCall(ended=ended, given=session.given)
    return BoundCall(given=session.given)


def prepare_on_stubs(
    kernel: Kernel, provider: Provider, work: Workload, args: Tensors
) -> Run:
    """A prepared run with stubs instead of its package's functions."""
    session = Session(kernel.name, Installed(provider.package))
    with _gpu_answers():
        return provider.prepare(_stub_api(session, provider), work, args)


def installed_mismatch(
    kernel: Kernel, provider: Provider, work: Workload
) -> str | None:
    """The sentence if a call does not fit the installed package, else None.

    ``work`` is better small: its arguments are made on the CPU.
    """
    if provider.package not in map(package_of, provider.symbols):
        return None
    args = kernel.make_inputs(work, DeviceTensors("cpu", work.point))
    package = Installed(provider.package)
    return bind_call(kernel, provider, work, args, package).mismatch or None


def load_failure(kernel: Kernel, provider: Provider, error: Exception) -> str:
    """Why a provider that raised ``error`` when it was loaded cannot be called."""
    package = Installed(provider.package)
    if not isinstance(error, ModuleNotFoundError) or error.name != provider.package:
        for symbol in provider.symbols:
            if package_of(symbol) == provider.package and _is_missing(symbol):
                return missing_sentence(kernel.name, symbol, package)
    version = package_version(provider.package)
    name = f"{provider.name} {version}" if version else provider.name
    first_line = (str(error).strip() or "no message").splitlines()[0]
    return f"{name}: {type(error).__name__}: {first_line}"


def _is_missing(symbol: str) -> bool:
    """True if the package can be imported and lacks this symbol."""
    try:
        resolve(package_of(symbol) + ":")
    except (ImportError, OSError, RuntimeError):
        return False
    try:
        resolve(symbol)
    except (AttributeError, ImportError):
        return True
    return False


def _stub_api(session: Session, provider: Provider) -> SimpleNamespace:
    """Stubs under the names of ``Provider.load``; other packages' are the real ones.

    Beside a package's functions, device code of our own is not launched.
    """
    api: dict[str, object] = {}
    for symbol in provider.symbols:
        name = symbol.partition(":")[2].split(".")[0]
        if package_of(symbol) == provider.package:
            api[name] = session.stub(symbol)
        elif package_of(symbol) == "dsprof":
            api[name] = StubLaunch()
        else:
            api[name] = resolve(symbol)
    return SimpleNamespace(**api)


def some_result(returns: str) -> object:
    """Something of the kind that an annotation or a schema says is returned.

    Of a function that says nothing, a tensor of two elements, which unpacks as two.
    """
    import torch

    if returns in {"()", "None"}:
        return None
    if returns in {"int", "float", "bool"}:
        return 1
    inner = re.fullmatch(r"(?:[Tt]uple\[(.*)\]|\((.*)\))", returns)
    listed = (inner[1] or inner[2]) if inner else ""
    if "," in listed:
        return tuple(torch.zeros(2) for _ in listed.split(","))
    return torch.zeros(2)


def _check_types(signature: Signature, given: Mapping[str, object]) -> None:
    """Raise TypeError where an op's dispatcher would refuse a value's type."""
    import torch

    accepted: dict[str, tuple[type, ...]] = {
        "Tensor": (torch.Tensor,),
        "int": (int,),
        "SymInt": (int,),
        "float": (float, int),
        "bool": (bool,),
        "ScalarType": (torch.dtype,),
    }
    for name, value in given.items():
        type_ = signature.types.get(name, "").replace("!", "")
        if value is None and type_.endswith("?"):
            continue
        wanted = accepted.get(type_.removesuffix("?"))
        if wanted is not None and not isinstance(value, wanted):
            raise TypeError(f"{name} is {type(value).__name__}, not {type_}")


def _in_words(args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
    import torch

    def word(value: object) -> str:
        return "Tensor" if isinstance(value, torch.Tensor) else repr(value)

    parts = [word(value) for value in args]
    parts += [f"{name}={word(value)}" for name, value in kwargs.items()]
    return f"({', '.join(parts)})"


@contextmanager
def _gpu_answers() -> Iterator[None]:
    """Let a call ask torch for a cuBLAS handle on a machine that has no GPU."""
    import torch

    real = torch.cuda.current_blas_handle
    if not torch.cuda.is_available():
        torch.cuda.current_blas_handle = lambda: 0
    try:
        yield
    finally:
        torch.cuda.current_blas_handle = real
