"""Pages with hostile names, of programs and of nothing; keyboard, labels and paper."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsprof.harness.profile import Profile
from dsprof.harness.records import CatalogueEntry, Status
from tests.analysis.counted import counted_profile, point_of
from tests.analysis.planted import DECODE, OWN, model_profile
from tests.browser.conftest import emulate, errors, keep_screenshot, write_page
from tests.conftest import Factory

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=2>"
CONTROLS = {
    *("theme", "roof-phase", "roof-category", "roof-kernel", "roof-cache"),
    *("level-analytic", "level-dram", "level-l2", "level-l1", "roof-measured"),
    *("layer-path", "layer-phase", "layer-size", "layer-kv"),
    *("whatif-phase", "whatif-size", "whatif-kv", "whatif-preset"),
    *("slider-hbm", "slider-fp8_tensor", "slider-fp32", "slider-latency"),
}


def texts(browser: "Chrome", css: str) -> list[str]:
    return [one.text for one in browser.find_elements("css selector", css)]


def test_names_with_markup_are_text_everywhere(
    browser: "Chrome",
    make_profile: Factory,
    make_measurement: Factory,
    make_counters: Factory,
    tmp_path: Path,
) -> None:
    from selenium.webdriver import ActionChains

    row, launches = point_of(
        make_measurement,
        make_counters,
        kernel=HOSTILE,
        op="<b>op</b>",
        category=HOSTILE,
        counters={"kernel_name": HOSTILE},
    )
    entry = CatalogueEntry(
        name=HOSTILE,
        source="<i>",
        category=HOSTILE,
        summary=HOSTILE,
        ops=("<b>op</b>",),
        limits=(HOSTILE,),
        reason=HOSTILE,
    )
    profile = counted_profile(make_profile, (row, launches), catalogue=(entry,))
    browser.get(write_page(profile, tmp_path / "index.html"))
    assert HOSTILE in texts(browser, "#kernel-table tbody th")
    mark = browser.find_element("css selector", "#roof-chart .points path")
    ActionChains(browser).move_to_element(mark).perform()
    hover = " ".join(texts(browser, "#roof-chart .hoverlayer text"))
    assert HOSTILE in hover
    assert "<b>op</b>" in hover
    browser.find_element("css selector", "#kernel-table tbody a").click()
    assert texts(browser, "#kernel-title") == [HOSTILE]
    assert browser.execute_script("return window.pwned") is None
    assert browser.find_elements("css selector", "main img, main b, main i") == []
    assert errors(browser) == []


def test_a_recorded_program_has_its_kernels_by_time(
    browser: "Chrome", make_profile: Factory, make_counters: Factory, tmp_path: Path
) -> None:
    profile = model_profile(make_profile, make_counters)
    browser.get(write_page(profile, tmp_path / "index.html"))
    names = texts(browser, "#program-ranges tbody th")
    assert len(names) == len(DECODE)
    assert "gemv" in names[0].lower()  # the longest of the planted kernels
    keep_screenshot(browser, "program", tmp_path)
    absent = browser.find_elements("css selector", "#layer, #what-if")
    assert absent == []
    hidden = "return document.getElementById('roof-measured').closest('label').hidden"
    assert browser.execute_script(hidden)  # no roof was measured
    assert "analytic" not in texts(browser, "#roof-count")[0]  # nor is a mark that
    links = browser.find_elements("css selector", "#program-ranges tbody a")
    links[-1].click()  # the shortest kernel, whose name has markup in it
    assert "In recorded programs" in texts(browser, "#kernel-page h2")
    assert texts(browser, "#kernel-page code") == [OWN]
    assert errors(browser) == []


def test_a_profile_of_failures_has_no_chart_and_says_why_each_point_failed(
    browser: "Chrome", make_profile: Factory, make_measurement: Factory, tmp_path: Path
) -> None:
    row = make_measurement(status=Status.FAILED, reason="out of memory")
    profile = make_profile(measurements=(row,))
    browser.get(f"{write_page(profile, tmp_path / 'index.html')}#kernel/rmsnorm")
    assert browser.find_elements("css selector", ".chart") == []
    assert "failed: out of memory" in texts(browser, "#kernel-page tbody tr")[0]
    browser.find_element("link text", "Back to the report").click()
    assert "0 of 1" in texts(browser, "#kernel-table tbody tr")[0]
    assert errors(browser) == []


@pytest.mark.parametrize("timed", [True, False])
def test_a_page_of_one_point_or_none_opens_without_an_error(
    browser: "Chrome", make_profile: Factory, tmp_path: Path, *, timed: bool
) -> None:
    profile: Profile = make_profile() if timed else make_profile(measurements=())
    browser.get(write_page(profile, tmp_path / "index.html"))
    assert errors(browser) == []
    assert bool(browser.find_elements("css selector", "#roofline")) is timed


def test_the_tab_key_reaches_every_control(browser: "Chrome", address: str) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.get(address)
    seen: list[str] = []
    focused = "const it = document.activeElement; return it.id || it.className"
    for _ in range(400):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        seen.append(str(browser.execute_script(focused)))
        if seen[-1] == "slider-latency":
            break
    assert seen[0] == "skip"
    assert set(seen) >= CONTROLS


def test_every_control_chart_and_table_has_a_name(
    browser: "Chrome", address: str
) -> None:
    browser.get(address)
    nameless = """
        const all = (css) => [...document.querySelectorAll(css)];
        const named = (one) =>
          one.labels?.length || one.ariaLabel || one.textContent.trim();
        const image = (one) => one.getAttribute("role") === "img" && one.ariaLabel;
        const headed = (one) =>
          one.caption.textContent && one.querySelector("th[scope]");
        return [
          ...all("main select, main input, main button").filter((one) => !named(one)),
          ...all(".chart").filter((one) => !image(one)),
          ...all(".sortable").filter((one) => !headed(one)),
        ].map((one) => one.outerHTML.slice(0, 200));
    """
    assert browser.execute_script(nameless) == []


def test_paper_is_white_and_has_no_controls(
    browser: "Chrome", address: str, tmp_path: Path
) -> None:
    browser.get(address)
    emulate(browser, media="print", scheme="dark")
    css = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    assert browser.execute_script(css, "nav", "display") == "none"
    assert browser.execute_script(css, ".controls", "display") == "none"
    ground = browser.execute_script(css, "body", "backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    emulate(browser)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    pdf = base64.b64decode(printed["data"])
    (tmp_path / "page.pdf").write_bytes(pdf)
    assert pdf.startswith(b"%PDF-")


@pytest.mark.parametrize("width", [1500, 800])
def test_the_page_is_no_wider_than_its_window(
    browser: "Chrome", address: str, tmp_path: Path, width: int
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(address)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    keep_screenshot(browser, f"width-{width}", tmp_path)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width
