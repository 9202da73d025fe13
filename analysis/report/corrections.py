"""corrections.md: figures of the source documents beside what they come to."""

from collections.abc import Sequence
from dataclasses import dataclass

from dsprof.analysis.report.markdown import Table
from dsprof.analysis.report.template import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A figure that a source document states, and the same figure computed."""

    source: str  # the document's title
    subject: str
    stated: str
    recomputed: str
    how: str  # what it was computed from


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionsView:
    """Everything that corrections.md.j2 prints: a table a document."""

    documents: dict[str, Table]


def render_corrections(corrections: Sequence[Correction]) -> str:
    """The page as Markdown, the documents in the order of their first figure."""
    groups: dict[str, list[Correction]] = {}
    for correction in corrections:
        groups.setdefault(correction.source, []).append(correction)
    return render(
        "corrections.md.j2",
        CorrectionsView(
            documents={source: _table(found) for source, found in groups.items()}
        ),
    )


def _table(corrections: Sequence[Correction]) -> Table:
    return Table(
        headings=("Figure", "Stated", "Recomputed", "From"),
        rows=[
            (one.subject, one.stated, one.recomputed, one.how) for one in corrections
        ],
    )
