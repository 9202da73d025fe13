"""The report folder: Markdown, figures and one HTML file, made whole or not at all."""

import gc
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dsprof.analysis.moe.study import Study
from dsprof.analysis.npu.link_bytes import Parallel
from dsprof.analysis.report.contents import (
    CORRECTIONS,
    COUNTERS,
    FIGURES,
    MOE,
    MOE_FIGURE,
    PAGE,
    ROOFLINE,
    SUMMARY,
    report_contents,
)
from dsprof.analysis.report.corrections import Correction
from dsprof.analysis.report.index import GENERATOR
from dsprof.analysis.report.machines import FIGURES as MACHINE_FIGURES
from dsprof.analysis.report.machines import NPU, ONE_CHIP, WHATIF
from dsprof.analysis.report.model import is_model_file, model_pages
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile

HEAD_CHARACTERS = 2000  # of a page, enough to see what made it
OLDER_PAGE = "report.html"  # of reports that dsprof wrote before it had an index.html
PAGES = {PAGE, OLDER_PAGE}
DOCUMENTS = {SUMMARY, ROOFLINE, COUNTERS, MOE, WHATIF, NPU, CORRECTIONS, *PAGES}


def write_report(  # noqa: PLR0913 -- one more than five, each its own thing
    profile: Profile,
    output: Path,
    corrections: Sequence[Correction] = (),
    moe: Sequence[Study] = (),
    parallel: Parallel = ONE_CHIP,
    *,
    apart: bool = False,
    each_kernel: bool = False,
) -> list[Path]:
    """Write all files of a report into an existing folder; return their paths.

    A profile without counters has no page of them, and one that was made of other
    people's reports, without a time, no roofline.md. Each range of a recorded program
    has a page model.md; ``each_kernel`` adds a figure for each of its kernels alone.
    ``apart`` lets a second process draw (see ``drawing``).
    """
    with _collector_paused():
        pages = model_pages(profile, each_kernel=each_kernel)
        documents, pngs = report_contents(
            profile, corrections, pages, moe, parallel, apart=apart
        )
    for name, text in documents.items():
        (output / name).write_text(text, encoding="utf-8", newline="\n")
    for path, png in pngs.items():
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        (output / path).write_bytes(png)
    return [output / name for name in (*documents, *pngs)]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No automatic collection: walking the heap takes a quarter of a report's time.

    What is alive now is left out of the collections that are asked for within.
    """
    was_on = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def create_report(  # noqa: PLR0913 -- as write_report
    profile: Profile,
    output: Path,
    *,
    replace: bool,
    corrections: Sequence[Correction] = (),
    moe: Sequence[Study] = (),
    parallel: Parallel = ONE_CHIP,
    apart: bool = False,
    each_kernel: bool = False,
) -> list[Path]:
    """Write a report to a folder that appears whole, or leave everything as it was.

    An existing folder is replaced only if asked for, and only if it is empty or
    holds a report and nothing else; otherwise a UsageError says so.
    """
    if output.exists() or output.is_symlink():
        _refuse_to_replace(output, replace=replace)
    target = output.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=f".{target.name}-"
        ) as scratch:
            fresh = Path(scratch) / "new"
            fresh.mkdir()
            made = write_report(
                profile,
                fresh,
                corrections,
                moe,
                parallel,
                apart=apart,
                each_kernel=each_kernel,
            )
            written = [path.relative_to(fresh) for path in made]
            _swap(fresh, target, Path(scratch) / "old")
    except OSError as error:
        raise UsageError(
            f"Cannot write {output}: {error.strerror}. Choose another --output."
        ) from error
    return [output / path for path in written]


def is_report(folder: Path) -> bool:
    """True for a folder that write_report made and nobody put anything else into."""
    made = DOCUMENTS | {link.path for link in (*FIGURES, *MACHINE_FIGURES)}
    folders = {"figures"}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    others = {name for name in found - made - folders if not _is_numbered(name)}
    pages = found & PAGES
    return bool(pages) and not others and all(_is_own(folder / name) for name in pages)


def _is_numbered(name: str) -> bool:
    """Whether a file's name is made from what it shows."""
    return is_model_file(name) or MOE_FIGURE.fullmatch(name) is not None


def _is_own(page: Path) -> bool:
    with page.open(encoding="utf-8", errors="replace") as opened:
        return f'content="{GENERATOR}"' in opened.read(HEAD_CHARACTERS)


def _refuse_to_replace(output: Path, *, replace: bool) -> None:
    if not output.is_dir():
        raise UsageError(f"{output} is not a folder. Choose another --output.")
    if not replace:
        raise UsageError(
            f"{output} exists. Replace it with --force, or choose another --output."
        )
    if any(output.iterdir()) and not is_report(output):
        raise UsageError(
            f"{output} holds more than a dsprof report, so --force does not replace "
            "it. Choose another --output, or move what is in it."
        )


def _swap(fresh: Path, target: Path, old: Path) -> None:
    """Put the fresh folder in the target's place, or the old one back if that fails."""
    if not target.exists():
        fresh.rename(target)
        return
    target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        old.rename(target)
        raise
