"""The report folder: Markdown, figures and one HTML file, made whole or not at all."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.plots.categories import category_figure
from dsprof.analysis.plots.roofline import names_kernels, roofline_figure
from dsprof.analysis.plots.scaling import time_figure
from dsprof.analysis.plots.share import share_figure
from dsprof.analysis.plots.style import to_png
from dsprof.analysis.report.corrections import Correction, render_corrections
from dsprof.analysis.report.page import GENERATOR, render_page
from dsprof.analysis.report.roofline import FigureLink, render_roofline
from dsprof.analysis.report.summary import render_summary
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OVERVIEW = FigureLink(path="figures/roofline.png", title="Roofline, cold and warm L2")
BY_CATEGORY = FigureLink(
    path="figures/roofline-by-category.png", title="Roofline by category"
)
TIME = FigureLink(path="figures/time.png", title="Time against tokens")
SHARE = FigureLink(path="figures/share.png", title="Share of the bounding roof")
FIGURES = (OVERVIEW, BY_CATEGORY, TIME, SHARE)
HEAD_CHARACTERS = 2000  # of a page, enough to see what made it
SUMMARY, ROOFLINE, PAGE = "summary.md", "roofline.md", "report.html"
CORRECTIONS = "corrections.md"


def write_report(
    profile: Profile, output: Path, corrections: Sequence[Correction] = ()
) -> list[Path]:
    """Write all files of a report into an existing folder; return their paths."""
    figures = _figures(profile)
    pngs = {link.path: to_png(figure) for link, figure in figures.items()}
    documents = {
        SUMMARY: render_summary(profile),
        ROOFLINE: render_roofline(profile, list(figures)),
        CORRECTIONS: render_corrections(corrections),
    }
    title = f"dsprof report: {profile.device.name}"
    documents[PAGE] = render_page(title, list(documents.values()), pngs)
    for name, text in documents.items():
        (output / name).write_text(text, encoding="utf-8", newline="\n")
    for path, png in pngs.items():
        (output / path).parent.mkdir(exist_ok=True)
        (output / path).write_bytes(png)
    return [output / name for name in (*documents, *pngs)]


def create_report(
    profile: Profile,
    output: Path,
    *,
    replace: bool,
    corrections: Sequence[Correction] = (),
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
            made = write_report(profile, fresh, corrections)
            written = [path.relative_to(fresh) for path in made]
            _swap(fresh, target, Path(scratch) / "old")
    except OSError as error:
        raise UsageError(
            f"Cannot write {output}: {error.strerror}. Choose another --output."
        ) from error
    return [output / path for path in written]


def is_report(folder: Path) -> bool:
    """True for a folder that write_report made and nobody put anything else into."""
    made = {SUMMARY, ROOFLINE, CORRECTIONS, PAGE, *(link.path for link in FIGURES)}
    folders = {"figures"}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    if PAGE not in found or not found <= made | folders:
        return False
    with (folder / PAGE).open(encoding="utf-8", errors="replace") as page:
        return f'content="{GENERATOR}"' in page.read(HEAD_CHARACTERS)


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


def _figures(profile: Profile) -> "dict[FigureLink, Figure]":
    """The panels by category are for runs with too many kernels to name in one."""
    frame = measurements_frame(profile)
    figures = {OVERVIEW: roofline_figure(frame, profile.device)}
    if not names_kernels(frame):
        figures[BY_CATEGORY] = category_figure(frame, profile.device)
    return figures | {TIME: time_figure(frame), SHARE: share_figure(frame)}
