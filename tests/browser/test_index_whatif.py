"""The sliders compute what analysis/whatif/project.py computes."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dsprof.analysis.layer import path_of
from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.layer_terms import layer_terms
from dsprof.analysis.whatif.model_terms import model_terms
from dsprof.analysis.whatif.project import Machines, layer_seconds
from dsprof.analysis.whatif.target import Target, target_of_device
from dsprof.harness.device import Datapath, device_spec
from dsprof.harness.profile import Profile
from dsprof.harness.records import Phase

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SIZE = ProblemSize(phase=Phase.DECODE, batch_size=128, seq_len=1)
KV_LEN = 4096
STEP = 2**0.125  # of a slider
KEYS = 5  # presses of an arrow key


@pytest.fixture
def page(browser: "Chrome", address: str) -> "Chrome":
    browser.get(f"{address}#what-if")
    choose(browser, "#whatif-size", "B=128")
    choose(browser, "#whatif-kv", f"kv_len {KV_LEN}")
    return browser


def choose(browser: "Chrome", select: str, value: str) -> None:
    from selenium.webdriver.support.select import Select

    Select(browser.find_element("css selector", select)).select_by_value(value)


def shown(page: "Chrome") -> tuple[float, float]:
    """Seconds of the layer and tokens/s as the page has them."""
    layer = page.find_element("css selector", "#whatif-layer")
    tokens = page.find_element("css selector", "#whatif-tokens")
    return (
        float(str(layer.get_attribute("data-seconds"))),
        float(str(tokens.get_attribute("data-rate"))),
    )


def computed(profile: Profile, fits: Fits, target: Target) -> tuple[float, float]:
    path, machines = path_of(profile), Machines.of(target)
    layer = layer_terms(profile, fits, SIZE, path, KV_LEN, fits.cache)
    model = model_terms(profile, fits, SIZE, path, KV_LEN, fits.cache)
    assert model is not None
    tokens = model.tokens / float(layer_seconds(model, machines))
    return float(layer_seconds(layer, machines)), tokens


@pytest.mark.parametrize(
    ("slider", "faster"),
    [
        ("hbm", {"hbm_bytes_per_s": STEP**KEYS}),
        ("on_chip", {"on_chip_bytes_per_s": STEP**KEYS}),
        ("latency", {"launch_latency_s": STEP**KEYS}),
        ("fp8_tensor", {Datapath.FP8_TENSOR: STEP**KEYS}),
        ("bf16_tensor", {Datapath.BF16_TENSOR: STEP**KEYS}),
        ("fp32", {Datapath.FP32: STEP**KEYS}),
    ],
)
def test_a_slider_gives_the_times_that_python_computes(
    page: "Chrome",
    profile: Profile,
    fits: Fits,
    slider: str,
    faster: dict[str, float],
) -> None:
    from selenium.webdriver.common.keys import Keys

    before = shown(page)
    page.find_element("css selector", f"#slider-{slider}").send_keys(
        Keys.ARROW_RIGHT * KEYS
    )
    source = fits.source
    rates = {
        path: rate * faster.get(path, 1.0) for path, rate in source.flops_per_s.items()
    }
    fields = {
        name: getattr(source, name) * factor
        for name, factor in faster.items()
        if not isinstance(name, Datapath)
    }
    target = replace(source, flops_per_s=rates, **fields)
    assert shown(page) == pytest.approx(computed(profile, fits, target), rel=1e-5)
    if slider in {"hbm", "latency"}:
        assert shown(page) != before


@pytest.mark.parametrize("gpu", ["b200", "h100-sxm"])
def test_a_known_gpu_gives_the_times_that_python_computes(
    page: "Chrome", profile: Profile, fits: Fits, gpu: str
) -> None:
    spec = device_spec(gpu)
    choose(page, "#whatif-preset", spec.name)
    expected = computed(profile, fits, target_of_device(spec, fits.source))
    assert shown(page) == pytest.approx(expected, rel=1e-5)


def test_a_gpu_without_a_datapath_is_said_to_be_impossible(page: "Chrome") -> None:
    spec = device_spec("a100-sxm")  # no FP8
    choose(page, "#whatif-preset", spec.name)
    assert page.find_element("css selector", "#whatif-layer").text == "not possible"
    assert (
        "lacks a datapath" in page.find_element("css selector", "#whatif-before").text
    )
    tokens = page.find_element("css selector", "#whatif-tokens-of").text
    assert tokens == "none: this machine lacks a datapath that the model needs"


def test_the_source_gives_its_own_measured_times(
    page: "Chrome", profile: Profile, fits: Fits
) -> None:
    assert shown(page) == pytest.approx(computed(profile, fits, fits.source), rel=1e-5)
    layer = layer_terms(profile, fits, SIZE, path_of(profile), KV_LEN, fits.cache)
    assert shown(page)[0] == pytest.approx(layer.time_s, rel=1e-5)
