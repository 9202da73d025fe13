from dsprof.analysis.report.design_space import render_design_space
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.whatif.design_space import Exploration, explore
from dsprof.analysis.whatif.design_sweep import parse_sweep
from tests.analysis.whatif.hand_made import make_call, make_layer

LAYER = make_layer(make_call(hbm=40, tensor=15, fixed=2))
SWEEP = "bandwidth=1TB:16TB:9,fp8=250T:4000T:5,sram=32MB:512MB:3,launch=1us"


def explored(text: str = SWEEP) -> Exploration:
    (found,) = explore([LAYER], parse_sweep(text))
    return found


def test_the_page_states_the_space_the_model_and_its_coefficients() -> None:
    page = render_design_space([explored()])
    assert "135 designs a layer, HBM bandwidth 1.00 TB/s to 16.0 TB/s (9 steps)" in page
    assert "launch latency 1.00 us; all else as Toy GPU" in page
    assert "In the source's ratio to the FP8 tensor rate: the BF16 tensor rate" in page
    assert "| `area.hbm_mm2_per_tb_per_s` | 150 | assumption:" in page
    assert "decode B=4, kv_len 1000, as-served, cold L2." in page


def test_the_source_stands_first_and_the_cheapest_below_it() -> None:
    page = render_design_space([explored()], target_s=30e-6)
    lines = page.splitlines()
    own = next(i for i, line in enumerate(lines) if line.startswith("| as profiled |"))
    # 42 us for 4 tokens: 95,238 tokens/s
    assert "| 5.00 TB/s | 2,000 TFLOP/s |" in lines[own]
    assert "| 0.0420 | 95,238 |" in lines[own]
    assert lines[own + 1].startswith("| cheapest that meets the target |")
    assert "Target 0.0300 ms: met at" in page


def test_a_target_out_of_reach_is_said_with_the_quickest() -> None:
    page = render_design_space([explored()], target_s=1e-9)
    assert "no design meets it. The quickest takes" in page
    assert "cheapest that meets" not in page


def test_long_fronts_are_shown_in_part_and_counted() -> None:
    found = explored("bandwidth=1TB:16TB:40,fp8=250T:4000T:3")
    page = render_design_space([found])
    count = len(found.cost_front)
    assert count > 9
    assert f"{count} designs on the front, of which 9 are shown" in page
    short = explored("bandwidth=5TB")
    assert "1 design on the front." in render_design_space([short])


def test_a_figure_stands_with_its_layer() -> None:
    link = FigureLink(path="figures/space.png", title="Space")
    page = render_design_space([explored()], figures={"decode B=4, kv_len 1000": link})
    assert "![Space](figures/space.png)" in page


def test_no_layer_says_so() -> None:
    assert "No layer of this profile has a time." in render_design_space([])
