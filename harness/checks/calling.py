"""Whether a kernel's packages are here, and take the call that it makes."""

from dsprof.harness.availability import find_gpu
from dsprof.harness.calls import (
    Installed,
    Package,
    bind_call,
    load_failure,
    missing_sentence,
)
from dsprof.harness.checks.result import Outcome, failed, passed, skipped, verdict
from dsprof.harness.checks.subject import Subject
from dsprof.harness.signatures import Release, package_of, recorded_releases
from dsprof.harness.versions import package_version
from dsprof.kernels.spec import Kernel, Provider

LOAD_ERRORS = (ImportError, AttributeError, OSError, RuntimeError)


def check_provider(subject: Subject) -> tuple[Outcome, str]:
    """Some provider loads here; a package that is here has what is called of it."""
    kernel = subject.kernel
    loaded, missing, problems = [], [], []
    for provider in kernel.providers:
        version = package_version(provider.package)
        try:
            provider.load()
        except LOAD_ERRORS as error:
            reason = load_failure(kernel, provider, error)
            if version is None:
                missing.append(f"{provider.package} is not installed")
            elif _is_known_to_lack(kernel, provider, reason) or find_gpu() is None:
                missing.append(reason)
            else:
                problems.append(reason)
        else:
            loaded.append(f"{provider.name} {version or ''} loads".replace("  ", " "))
    detail = "; ".join([*loaded, *missing])
    if problems:
        return failed("; ".join(problems))
    return passed(detail) if loaded else skipped(detail)


def _is_known_to_lack(kernel: Kernel, provider: Provider, reason: str) -> bool:
    """True if this release of the package is recorded without the symbol."""
    version = package_version(provider.package)
    package = Installed(provider.package)
    return any(
        reason == missing_sentence(kernel.name, symbol, package)
        for release in recorded_releases()
        if release.module == provider.package and release.version == version
        for symbol in release.absent
    )


def check_signature(
    subject: Subject, releases: tuple[Release, ...] | None = None
) -> tuple[Outcome, str]:
    """Each provider's call fits the installed package, else each recorded release."""
    recorded = recorded_releases() if releases is None else releases
    fits: list[str] = []
    unknown: list[str] = []
    problems: list[str] = []
    for provider in subject.kernel.providers:
        if provider.package not in map(package_of, provider.symbols):
            unknown.append(f"{provider.name}: no function of a package is called")
            continue
        packages = _packages(provider, recorded)
        if isinstance(packages, str):
            unknown.append(packages)
        for package in packages if isinstance(packages, list) else []:
            if found := _mismatch(subject, provider, package):
                problems.append(found)
            else:
                fits.append(package.name)
    if problems or fits:
        fitting = f"fits {', '.join(dict.fromkeys(fits))}"
        return verdict(problems, "; ".join([fitting, *unknown]))
    return skipped("; ".join(unknown))


def _packages(provider: Provider, recorded: tuple[Release, ...]) -> list[Package] | str:
    """What the call must fit, or why there is nothing to hold it against."""
    if package_version(provider.package) is not None:
        try:
            provider.load()
        except LOAD_ERRORS:
            pass  # the provider check says so; the recorded releases stand in here
        else:
            return [Installed(provider.package)]
    of_package = [r for r in recorded if r.module == provider.package]
    if not of_package:
        return f"{provider.package} is not recorded and not installed"
    symbols = [s for s in provider.symbols if package_of(s) == provider.package]
    having: list[Package] = [
        release for release in of_package if all(map(release.has, symbols))
    ]
    if having:
        return having
    looked_for = set().union(*(release.absent for release in of_package))
    if looked_for.issuperset(s for s in symbols if not of_package[-1].has(s)):
        return [of_package[-1]]  # binds to nothing, and says what is missing
    return f"{provider.name}: not recorded; CONTRIBUTING.md says how to record it"


def _mismatch(subject: Subject, provider: Provider, package: Package) -> str:
    kernel = subject.kernel
    for solved in subject.solved():
        args = {
            name: tensor.clone() if name in kernel.traffic.written else tensor
            for name, tensor in solved.args.items()
        }
        bound = bind_call(kernel, provider, solved.work, args, package)
        if bound.mismatch:
            return bound.mismatch
        if bound.ended and not bound.given:
            return f"{provider.name} ends before it calls anything: {bound.ended}"
    return ""
