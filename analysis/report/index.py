"""index.html: the whole report in one file that loads nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.analysis.plots.counter_marks import has_place
from dsprof.analysis.report.documents import Documents, join_documents
from dsprof.analysis.report.index_embed import (
    Json,
    json_block,
    plotly_script,
    script_hash,
)
from dsprof.analysis.report.index_facts import Fact, facts
from dsprof.analysis.report.index_layers import layer_rows
from dsprof.analysis.report.index_points import (
    counted_rows,
    kernel_rows,
    launch_rows,
    point_rows,
    roof_rows,
)
from dsprof.analysis.report.index_programs import program_rows
from dsprof.analysis.report.index_whatif import whatif_rows
from dsprof.analysis.report.model import ModelPage
from dsprof.analysis.report.template import render
from dsprof.analysis.whatif.fit import Fits
from dsprof.harness.profile import Profile
from dsprof.harness.records import Status

if TYPE_CHECKING:
    import pandas as pd

GENERATOR = "dsprof report"
WEB = Path(__file__).with_name("web")
# In the order in which they are joined: a file uses names of those before it.
SCRIPTS = (
    *("text.js", "chart.js", "table.js", "roofline.js", "kernels.js"),
    *("layer.js", "whatif.js", "program.js", "main.js"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An interactive part of the page: its id, also in the template, and its title."""

    anchor: str
    title: str


ROOFLINE = Section(anchor="roofline", title="Roofline")
KERNELS = Section(anchor="kernels", title="Kernels")
PROGRAM = Section(anchor="program", title="Recorded program")
LAYER = Section(anchor="layer", title="Layer")
WHATIF = Section(anchor="what-if", title="What if")
# Ids that the template itself has.
_TAKEN = (
    *("main", "summary", "documents", "report", "kernel-page", "data", "theme"),
    *(one.anchor for one in (ROOFLINE, KERNELS, PROGRAM, LAYER, WHATIF)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexView:
    """Everything that index.html.j2 prints; scripts, style and body are trusted."""

    title: str
    generator: str
    policy: str
    style: str
    facts: Sequence[Fact]
    sections: Sequence[Section]
    documents: Documents
    data: str
    plotly: str
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """What the page shows of a profile beside its documents."""

    facts: Sequence[Fact]
    sections: Sequence[Section]
    data: Mapping[str, Json]


def page_data(
    profile: Profile,
    frame: "pd.DataFrame",
    merged: "pd.DataFrame | None",
    models: Sequence[ModelPage],
    fits: Fits | None,
) -> PageData:
    """What the page's scripts read.

    ``frame`` is the profile's measurements_frame and ``merged`` its merged_frame as
    shown_rows gives it, None without counters; ``fits`` are None without a time.
    """
    data: dict[str, Json] = {
        "points": point_rows(profile, frame),
        "counted": counted_rows(merged),
        "launches": launch_rows(profile),
        "catalogue": kernel_rows(profile),
        **roof_rows(profile),
        "layer": layer_rows(profile),
        "whatif": whatif_rows(profile, fits),
        "programs": program_rows([page.model for page in models]),
    }
    return PageData(
        facts=facts(profile, merged, [page.model for page in models]),
        sections=_sections(profile, frame, merged, data),
        data=data,
    )


def render_index(
    title: str, page: PageData, documents: Sequence[str], figures: Mapping[str, bytes]
) -> str:
    """The page as HTML.

    ``documents`` are the report's Markdown pages in order, and ``figures`` PNG files
    by the paths that they link.
    """
    script = _script()
    plotly = plotly_script()
    return render(
        "web/index.html.j2",
        IndexView(
            title=title,
            generator=GENERATOR,
            policy=_policy(plotly, script),
            style=(WEB / "index.css").read_text(encoding="utf-8"),
            facts=page.facts,
            sections=page.sections,
            documents=join_documents(documents, figures, taken=_TAKEN),
            data=json_block(page.data),
            plotly=plotly,
            script=script,
        ),
    )


def _sections(
    profile: Profile,
    frame: "pd.DataFrame",
    merged: "pd.DataFrame | None",
    data: Mapping[str, Json],
) -> list[Section]:
    """The interactive parts that the profile has something for."""
    placed = bool(((frame["status"] == Status.OK.value) & (frame["flops"] > 0)).any())
    counted = merged is not None and has_place(merged)
    has = {
        ROOFLINE: placed or counted,
        KERNELS: bool(profile.measurements) or merged is not None,
        PROGRAM: bool(profile.timelines),
        LAYER: bool(data["layer"]),
        WHATIF: bool(data["whatif"]),
    }
    return [section for section, there in has.items() if there]


def _script() -> str:
    """Our scripts as one, with no name in the window."""
    parts = [(WEB / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return "\n".join(['(() => {\n"use strict";', *parts, "})();\n"])


def _policy(*scripts: str) -> str:
    """Nothing is loaded, and no script runs but those of the page."""
    allowed = " ".join(script_hash(script) for script in scripts)
    return (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src {allowed}"
    )
