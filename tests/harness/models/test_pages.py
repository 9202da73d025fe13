import hashlib

import numpy as np

from dsprof.harness.models.pages import INK, PAPER, SHAPES, make_pages


def test_pages_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256(make_pages(1)[0].tobytes()).hexdigest()
    assert digest.startswith("8a47f7a3319879de")


def test_pages_have_the_shapes_in_turn_and_differ() -> None:
    pages = make_pages(7)
    for page, (width, height) in zip(pages, [*SHAPES, *SHAPES[:2]], strict=True):
        assert page.shape == (height, width, 3)
        assert page.dtype == np.uint8
    assert not np.array_equal(pages[0], pages[5])


def test_another_seed_gives_other_pages() -> None:
    assert not np.array_equal(make_pages(1, seed=1)[0], make_pages(1, seed=2)[0])


def test_a_page_is_paper_with_ink_as_text_has() -> None:
    for page in make_pages(len(SHAPES)):
        assert set(np.unique(page)) == {INK, PAPER}
        # Printed text covers 5 to 30 % of its page.
        assert 0.05 < float((page == INK).mean()) < 0.30


def test_margins_stay_empty() -> None:
    page = make_pages(1)[0]
    assert (page[:, :50] == PAPER).all()
    assert (page[:50] == PAPER).all()
