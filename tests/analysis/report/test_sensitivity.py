import pytest

from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.sensitivity import Figures, render_sensitivity
from dsprof.analysis.whatif.terms import LayerTerms, Term
from dsprof.harness.records import ModelParameter
from tests.analysis.whatif.hand_made import make_call, make_layer
from tests.conftest import Factory

MODEL = (
    ModelParameter(name="kv_lora_rank", value=512, symbol="Lkv"),
    ModelParameter(name="qk_rope_head_dim", value=64, symbol="Dr"),
)
LAYER = make_layer(
    make_call(hbm=60, tensor=1, not_identified=(Term.TENSOR,)),
    make_call(tensor=30, fixed=10, op="o_proj", not_identified=(Term.TENSOR,)),
)


def row(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(start))


def test_each_number_stands_beside_the_rows_it_comes_from(
    make_profile: Factory,
) -> None:
    page = render_sensitivity(make_profile(model=MODEL), [LAYER])
    assert "decode B=4, kv_len 1000, as-served, cold L2" in page
    assert row(page, "| HBM bandwidth |") == (
        "| HBM bandwidth | 5.00 TB/s | -0.600 | -0.600 | +0.600 | +60.0 | -30.0 "
        "| gemm q_b_proj (60) |"
    )
    assert row(page, "| FP8 tensor rate |").endswith("gemm o_proj\\* (30) |")
    assert row(page, "| FP4 tensor rate |").endswith("the machine lacks it |")
    # 4 x 1000 x 576 x 2 bytes = 4.61 MB
    assert row(page, "| 4 | 1000 |").endswith("4 x 1000 x 576 x 2 bytes |")


def test_a_kink_shows_both_sides(make_profile: Factory) -> None:
    layer = make_layer(make_call(hbm=40, tensor=40, fixed=10))
    page = render_sensitivity(make_profile(), [layer])
    assert "| -0.800 / 0 |" in row(page, "| HBM bandwidth |")


def test_the_knee_stands_with_what_limits_beyond_it(make_profile: Factory) -> None:
    layer = make_layer(make_call(hbm=40, tensor=20, fixed=1))
    page = render_sensitivity(make_profile(), [layer], gain=0.2)
    assert "1 % more takes less than 0.2 % off" in page
    line = row(page, "| decode B=4, kv_len 1000 | HBM bandwidth |")
    assert "| 10.0 TB/s |" in line
    assert "FP8 tensor rate (95)" in line  # 20 of 21 us


def test_a_layer_that_lacks_calls_is_called_a_least(make_profile: Factory) -> None:
    layer = make_layer(make_call(hbm=1), missing=("flash_mla attn_mqa",))
    page = render_sensitivity(make_profile(), [layer])
    assert "at least: flash_mla attn_mqa without a time" in page


def test_what_the_profile_cannot_tell_is_outside_the_data(
    make_profile: Factory,
) -> None:
    page = render_sensitivity(make_profile(), [LAYER])
    assert "the size of the KV cache is outside the data" in page


def test_other_data_give_another_page(make_profile: Factory) -> None:
    other: LayerTerms = make_layer(make_call(fixed=5, bf16=90))
    pages = [render_sensitivity(make_profile(), [layer]) for layer in (LAYER, other)]
    assert row(pages[0], "| BF16 tensor rate |") != row(
        pages[1], "| BF16 tensor rate |"
    )


@pytest.mark.parametrize("layers", [[], [make_layer()]], ids=["none", "empty"])
def test_no_layer_with_a_time_says_so(
    make_profile: Factory, layers: list[LayerTerms]
) -> None:
    page = render_sensitivity(make_profile(), layers)
    assert "No layer of this profile has a time." in page


def test_names_from_data_are_escaped(make_profile: Factory) -> None:
    layer = make_layer(make_call(hbm=1, kernel="<script>", op="a|b"))
    page = render_sensitivity(make_profile(), [layer])
    assert "<script>" not in page
    assert "a\\|b" in page


def test_figures_stand_in_their_sections(make_profile: Factory) -> None:
    links = [FigureLink(path=f"figures/{name}.png", title=name) for name in "tki"]
    figures = Figures(tornado=links[:1], knee=links[1:2], intensity=links[2:])
    page = render_sensitivity(make_profile(), [LAYER], figures=figures)
    places = [page.index(f"![{name}](figures/{name}.png)") for name in "tki"]
    assert places == sorted(places)
