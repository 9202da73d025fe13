from dsprof.analysis.report.corrections import Correction, render_corrections


def correction(source: str, subject: str) -> Correction:
    return Correction(
        source=source, subject=subject, stated="~1|2", recomputed="3", how="4"
    )


def test_figures_stand_under_their_document_in_order() -> None:
    text = render_corrections(
        [correction("B", "first"), correction("A", "second"), correction("B", "third")]
    )
    order = ("## B", "first", "third", "## A", "second")
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert r"| third | \~1\|2 | 3 | 4 |" in text


def test_a_page_without_figures_says_so() -> None:
    assert "No figure was recomputed" in render_corrections([])
