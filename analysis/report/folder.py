"""The report folder: Markdown, figures and one HTML file, made whole or not at all."""

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.analysis.counter_columns import HISTOGRAMS
from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.plots.categories import category_figure
from dsprof.analysis.plots.counter_marks import has_place
from dsprof.analysis.plots.counter_roofline import hierarchy_figure, overlay_figure
from dsprof.analysis.plots.drawing import drawing
from dsprof.analysis.plots.histograms import histogram_figure
from dsprof.analysis.plots.normalized import counted_rows, normalized_figure
from dsprof.analysis.plots.roofline import names_kernels, roofline_figure
from dsprof.analysis.plots.scaling import time_figure
from dsprof.analysis.plots.share import share_figure
from dsprof.analysis.report.corrections import Correction, render_corrections
from dsprof.analysis.report.counters import render_counters
from dsprof.analysis.report.index import GENERATOR, page_data, render_index
from dsprof.analysis.report.model import ModelPage, is_model_file, model_pages
from dsprof.analysis.report.roofline import FigureLink, render_roofline
from dsprof.analysis.report.summary import render_summary
from dsprof.analysis.shown_rows import shown_rows
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

OVERVIEW = FigureLink(path="figures/roofline.png", title="Roofline, cold and warm L2")
BY_CATEGORY = FigureLink(
    path="figures/roofline-by-category.png", title="Roofline by category"
)
TIME = FigureLink(path="figures/time.png", title="Time against tokens")
SHARE = FigureLink(path="figures/share.png", title="Share of the bounding spec roof")
MEASURED = FigureLink(
    path="figures/roofline-measured.png", title="Analytic and measured roofline"
)
HIERARCHY = FigureLink(
    path="figures/roofline-hierarchy.png", title="Hierarchical roofline"
)
NORMALIZED = FigureLink(
    path="figures/roofline-normalized.png", title="Normalized roofline"
)
COUNTED = {
    group.name: FigureLink(
        path=f"figures/histograms-{group.name}.png", title=f"{group.title}, histograms"
    )
    for group in HISTOGRAMS
}
COUNTER_ROOFLINES = (MEASURED, HIERARCHY, NORMALIZED)
FIGURES = (OVERVIEW, BY_CATEGORY, TIME, SHARE, *COUNTER_ROOFLINES, *COUNTED.values())
HEAD_CHARACTERS = 2000  # of a page, enough to see what made it
SUMMARY, ROOFLINE, PAGE = "summary.md", "roofline.md", "index.html"
OLDER_PAGE = "report.html"  # of reports that dsprof wrote before it had an index.html
COUNTERS, CORRECTIONS = "counters.md", "corrections.md"
Drawing = tuple[FigureLink, Callable[[], "Figure"]]


def write_report(
    profile: Profile,
    output: Path,
    corrections: Sequence[Correction] = (),
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
        documents, pngs = _made(profile, corrections, pages, apart=apart)
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


def _made(
    profile: Profile,
    corrections: Sequence[Correction],
    pages: Sequence[ModelPage],
    *,
    apart: bool,
) -> tuple[dict[str, str], dict[str, bytes]]:
    """Every document in order, the page last, and every figure by its path."""
    frame = measurements_frame(profile)
    timed: list[Drawing] = []
    counted: list[Drawing] = []
    merged = shown_rows(merged_frame(profile)) if profile.counters else None
    if profile.measurements or (merged is None and not pages):
        timed = list(_timed_drawings(profile, frame))
    if merged is not None:
        counted = list(_counter_drawings(profile, merged))
    draws = {link.path: draw for link, draw in (*timed, *counted)}
    for page in pages:
        draws |= page.draws
    with drawing(draws, apart=apart) as finish:
        documents = {SUMMARY: render_summary(profile, frame)}
        documents |= {page.name: page.text for page in pages}
        if timed:
            links = [link for link, _ in timed]
            documents[ROOFLINE] = render_roofline(profile, links, frame)
        if merged is not None:
            documents[COUNTERS] = render_counters(
                profile,
                merged,
                rooflines=[link for link, _ in counted if link in COUNTER_ROOFLINES],
                histograms=COUNTED,
            )
        documents[CORRECTIONS] = render_corrections(corrections)
        shown = page_data(profile, frame, merged, pages)
        pngs = finish()
        title = f"dsprof report: {profile.device.name}"
        documents[PAGE] = render_index(title, shown, list(documents.values()), pngs)
        return documents, pngs


def create_report(  # noqa: PLR0913 -- as write_report
    profile: Profile,
    output: Path,
    *,
    replace: bool,
    corrections: Sequence[Correction] = (),
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
                profile, fresh, corrections, apart=apart, each_kernel=each_kernel
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
    documents = {SUMMARY, ROOFLINE, COUNTERS, CORRECTIONS, PAGE, OLDER_PAGE}
    made = documents | {link.path for link in FIGURES}
    folders = {"figures"}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    others = {name for name in found - made - folders if not is_model_file(name)}
    pages = found & {PAGE, OLDER_PAGE}
    return bool(pages) and not others and all(_is_own(folder / name) for name in pages)


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


def _timed_drawings(profile: Profile, frame: "pd.DataFrame") -> Iterator[Drawing]:
    """The panels by category are for runs with too many kernels to name in one."""
    device = profile.device
    yield OVERVIEW, partial(roofline_figure, frame, device, ceilings=profile.ceilings)
    if not names_kernels(frame):
        yield BY_CATEGORY, partial(category_figure, frame, device)
    yield TIME, partial(time_figure, frame)
    yield SHARE, partial(share_figure, frame)


def _counter_drawings(profile: Profile, merged: "pd.DataFrame") -> Iterator[Drawing]:
    """Rooflines where FLOP and bytes were counted, and every histogram."""
    device, ceilings = profile.device, profile.ceilings
    if has_place(merged):
        title = f"{NORMALIZED.title}, {device.name}"
        yield MEASURED, partial(overlay_figure, merged, device, ceilings)
        yield HIERARCHY, partial(hierarchy_figure, merged, device, ceilings)
        yield NORMALIZED, partial(normalized_figure, counted_rows(merged), title=title)
    for group in HISTOGRAMS:
        yield COUNTED[group.name], partial(histogram_figure, merged, group)
