from functools import partial

import pytest

from dsprof.analysis.plots.drawing import drawing
from dsprof.analysis.plots.style import new_figure, to_png

PNG = b"\x89PNG"
DRAWS = {f"{width}.png": partial(new_figure, float(width), 1.0) for width in (3, 1, 2)}


@pytest.mark.parametrize("apart", [False, True])
def test_every_figure_comes_under_its_name_in_order(apart: bool) -> None:  # noqa: FBT001 -- a parameter
    with drawing(DRAWS, apart=apart) as finish:
        pngs = finish()
    assert list(pngs) == list(DRAWS)
    assert pngs == {name: to_png(draw()) for name, draw in DRAWS.items()}
    assert all(png.startswith(PNG) for png in pngs.values())


@pytest.mark.parametrize("apart", [False, True])
def test_what_goes_wrong_in_a_figure_is_raised(apart: bool) -> None:  # noqa: FBT001
    draws = {**DRAWS, "bad.png": partial(new_figure, -1.0, 1.0)}
    with pytest.raises(ValueError), drawing(draws, apart=apart) as finish:  # noqa: PT011 -- matplotlib's
        finish()


def test_nothing_to_draw_is_nothing() -> None:
    with drawing({}, apart=False) as finish:
        assert finish() == {}
