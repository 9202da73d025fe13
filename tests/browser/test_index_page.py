"""The interactive page as a reader uses it: charts, filters, tables, pages."""

from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.harness.profile import Profile
from dsprof.harness.records import Status
from tests.browser.conftest import emulate, errors, keep_screenshot

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

ROOFLINE_MARKS = "#roof-chart .scatterlayer .points path"


def find(browser: "Chrome", css: str) -> "WebElement":
    return browser.find_element("css selector", css)


def count(browser: "Chrome", css: str) -> int:
    return len(browser.find_elements("css selector", css))


def choose(browser: "Chrome", select: str, value: str) -> None:
    from selenium.webdriver.support.select import Select

    Select(find(browser, select)).select_by_value(value)


def column(browser: "Chrome", table: str, place: int) -> list[str]:
    cells = browser.find_elements(
        "css selector", f"{table} tbody tr > :nth-child({place})"
    )
    return [cell.text for cell in cells]


def test_the_page_opens_from_disk_and_asks_for_nothing(
    browser: "Chrome", address: str
) -> None:
    browser.get(address)
    assert errors(browser) == []
    loaded = "return performance.getEntriesByType('resource').map((one) => one.name)"
    assert browser.execute_script(loaded) == []


def test_hovering_shows_kernel_size_times_class_and_limiter(
    browser: "Chrome", address: str, profile: Profile
) -> None:
    from selenium.webdriver import ActionChains

    browser.get(address)
    choose(browser, "#roof-kernel", "flash_mla")
    choose(browser, "#roof-phase", "decode")
    mark = find(browser, ROOFLINE_MARKS)
    ActionChains(browser).move_to_element(mark).perform()
    texts = browser.find_elements("css selector", "#roof-chart .hoverlayer text")
    said = " ".join(text.text for text in texts)
    row = next(
        row
        for row in profile.measurements
        if row.point.kernel == "flash_mla" and row.status is Status.OK
    )
    assert f"flash_mla {row.point.op}" in said
    for word in (
        "decode B=",
        "kv=",
        "us warm",
        "us cold",
        "-bound",
        "limiter",
        "FLOP/",
    ):
        assert word in said


def test_filters_change_the_marks_and_say_how_many_are_shown(
    browser: "Chrome", address: str, profile: Profile
) -> None:
    browser.get(address)
    timed = [row for row in profile.measurements if row.cold and row.total_flops]
    assert count(browser, ROOFLINE_MARKS) == len(timed)
    choose(browser, "#roof-category", "GEMM")
    gemms = [row for row in timed if row.category == "GEMM"]
    assert count(browser, ROOFLINE_MARKS) == len(gemms)
    choose(browser, "#roof-phase", "decode")
    decode = [row for row in gemms if row.point.phase == "decode"]
    assert 0 < count(browser, ROOFLINE_MARKS) == len(decode) < len(gemms)
    status = find(browser, "#roof-count").text
    assert status.startswith(f"{len(decode)} marks of {len(timed)} shown")
    find(browser, "#roofline button[type=reset]").click()
    assert count(browser, ROOFLINE_MARKS) == len(timed)


def test_measured_points_are_added_level_by_level(
    browser: "Chrome", address: str
) -> None:
    browser.get(address)
    analytic = count(browser, ROOFLINE_MARKS)
    find(browser, "#level-dram").click()
    with_dram = count(browser, ROOFLINE_MARKS)
    find(browser, "#level-l2").click()
    with_l2 = count(browser, ROOFLINE_MARKS)
    find(browser, "#level-analytic").click()
    assert analytic < with_dram < with_l2
    assert count(browser, ROOFLINE_MARKS) == with_l2 - analytic


def test_a_heading_sorts_the_table_both_ways(browser: "Chrome", address: str) -> None:
    browser.get(address)
    heading = find(browser, "#kernel-table thead th:nth-child(7)")
    assert "Longest, cold" in heading.text
    heading.find_element("css selector", "button").click()
    values = column(browser, "#kernel-table", 7)
    numbers = [float(text.replace(",", "")) for text in values if text != "-"]
    assert numbers == sorted(numbers, reverse=True)
    assert values[len(numbers) :] == ["-"] * (len(values) - len(numbers))
    assert heading.get_attribute("aria-sort") == "descending"
    heading.find_element("css selector", "button").click()
    ascending = column(browser, "#kernel-table", 7)
    assert ascending[: len(numbers)] == values[: len(numbers)][::-1]
    assert heading.get_attribute("aria-sort") == "ascending"


def test_the_kernel_table_fits_its_window(browser: "Chrome", address: str) -> None:
    browser.get(address)
    css = "#kernel-table .table"
    wide = f"const it = document.querySelector('{css}'); return it.scrollWidth"
    assert browser.execute_script(f"{wide} - it.clientWidth") <= 0


def test_searching_leaves_the_rows_that_have_every_word(
    browser: "Chrome", address: str
) -> None:
    browser.get(address)
    find(browser, "#kernel-table input[type=search]").send_keys("o_proj sgl-kernel")
    rows = browser.find_elements("css selector", "#kernel-table tbody tr")
    assert rows
    assert all("o_proj" in row.text and "sgl-kernel" in row.text for row in rows)


def test_a_kernel_has_a_page_of_its_own_with_points_and_launches(
    browser: "Chrome", address: str, profile: Profile
) -> None:
    browser.get(f"{address}#kernel/rmsnorm")
    page = find(browser, "#kernel-page")
    assert page.is_displayed()
    assert not find(browser, "#report").is_displayed()
    assert find(browser, "#kernel-title").text == "rmsnorm"
    points = [row for row in profile.measurements if row.point.kernel == "rmsnorm"]
    launches = [one for one in profile.counters if one.label.startswith("rmsnorm/")]
    tables = page.find_elements("css selector", "table")
    rows = [len(one.find_elements("css selector", "tbody tr")) for one in tables]
    assert rows[0] == len(points)
    assert rows[-1] == len(launches)
    page.find_element("link text", "Back to the report").click()
    assert find(browser, "#report").is_displayed()
    assert not page.is_displayed()
    assert errors(browser) == []


def test_a_kernel_that_is_not_there_is_said_to_be_unknown(
    browser: "Chrome", address: str
) -> None:
    browser.get(f"{address}#kernel/%E0%A4%A")
    assert "no kernel of this name" in find(browser, "#kernel-page").text
    assert errors(browser) == []


def test_a_click_on_a_mark_opens_its_kernel(browser: "Chrome", address: str) -> None:
    from selenium.webdriver import ActionChains

    browser.get(address)
    choose(browser, "#roof-kernel", "flash_mla")
    ActionChains(browser).move_to_element(
        find(browser, ROOFLINE_MARKS)
    ).click().perform()
    assert browser.current_url.endswith("#kernel/flash_mla")
    assert find(browser, "#kernel-title").text == "flash_mla"


def test_the_layer_follows_its_size(browser: "Chrome", address: str) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get(f"{address}#layer")
    first = find(browser, "#layer-sum").text
    assert "cold L2:" in first
    assert "warm L2:" in first
    choose(browser, "#layer-size", "B=128")
    assert find(browser, "#layer-sum").text != first
    find(browser, "#layer-rows summary").click()
    # The table is filled by an event that comes after the click.
    cells = WebDriverWait(browser, 10).until(
        lambda page: column(page, "#layer-rows", 1)
    )
    assert cells == [str(place) for place in range(1, len(cells) + 1)]
    bars = count(browser, "#layer-chart .barlayer .point")
    assert bars == 2 * len(cells)


def test_dark_and_light_follow_the_system_and_the_switch(
    browser: "Chrome", address: str, tmp_path: Path
) -> None:
    def ground() -> str:
        css = "return getComputedStyle(document.body).backgroundColor"
        return str(browser.execute_script(css))

    browser.get(address)
    light = ground()
    keep_screenshot(browser, "light", tmp_path)
    emulate(browser, scheme="dark")
    dark = ground()
    assert dark != light
    keep_screenshot(browser, "dark", tmp_path)
    choose(browser, "#theme", "light")
    assert ground() == light
    emulate(browser)
    choose(browser, "#theme", "dark")
    assert ground() == dark
