"""Pages of a report in headless Chromium; without a browser these tests skip."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.report.index import page_data, render_index
from dsprof.analysis.report.index_points import shown_counters
from dsprof.analysis.report.model import model_pages
from dsprof.analysis.report.whatif import fitted_cache
from dsprof.analysis.whatif.fit import Fits, fit_kernels
from dsprof.harness.profile import Profile
from dsprof.harness.store import find_bundled_profile, load_profile

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SCREENSHOTS = "DSPROF_SCREENSHOTS"  # a folder to keep pictures of the pages in
SIZES = {(1, 1), (128, 1), (1, 1024)}  # batch and sequence: the reported ones
WIDTH, HEIGHT = 1500, 1000
ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--force-prefers-reduced-motion"),
    f"--window-size={WIDTH},{HEIGHT}",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and only those."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@contextmanager
def new_browser() -> Iterator["Chrome"]:
    """A browser of its own that has opened nothing yet."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    browser: Chrome = webdriver.Chrome(options=options, service=service)
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture(scope="session")
def shared_browser() -> Iterator["Chrome"]:
    with new_browser() as browser:
        yield browser


@pytest.fixture
def browser(shared_browser: "Chrome") -> "Chrome":
    """The session's browser as a new one: nothing open, nothing emulated."""
    shared_browser.get("about:blank")
    emulate(shared_browser)
    shared_browser.get_log("browser")  # type: ignore[no-untyped-call]
    return shared_browser


def emulate(browser: "Chrome", media: str = "", scheme: str = "light") -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"media": media, "features": [feature]}
    )


def errors(browser: "Chrome") -> list[Any]:
    """What the page wrote to the console; Chromium writes policy violations there."""
    log: list[Any] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return log


def keep_screenshot(browser: "Chrome", name: str, otherwise: Path) -> Path:
    """A picture of the window in the folder of DSPROF_SCREENSHOTS, or in another."""
    folder = Path(os.environ.get(SCREENSHOTS) or otherwise)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    browser.save_screenshot(str(path))
    return path


def write_page(profile: Profile, path: Path, fits: Fits | None = None) -> str:
    """The page of a profile without its documents, on disk; its address."""
    cache = fitted_cache(profile)
    if fits is None and cache is not None:
        fits = fit_kernels(profile, cache)
    page = page_data(
        profile,
        measurements_frame(profile),
        shown_counters(profile),
        model_pages(profile),
        fits,
    )
    path.write_text(render_index("A report", page, ["# Documents\n"], {}), "utf-8")
    return path.as_uri()


@pytest.fixture(scope="session")
def profile() -> Profile:
    """The bundled profile at three sizes."""
    bundled = load_profile(find_bundled_profile())
    rows = [
        row
        for row in bundled.measurements
        if (row.point.batch_size, row.point.seq_len) in SIZES
    ]
    labels = {row.point.label for row in rows}
    return replace(
        bundled,
        measurements=tuple(rows),
        counters=tuple(one for one in bundled.counters if one.label in labels),
        captures=(),
    )


@pytest.fixture(scope="session")
def fits(profile: Profile) -> Fits:
    cache = fitted_cache(profile)
    assert cache is not None
    return fit_kernels(profile, cache)


@pytest.fixture(scope="session")
def address(
    profile: Profile, fits: Fits, tmp_path_factory: pytest.TempPathFactory
) -> str:
    path = tmp_path_factory.mktemp("page") / "index.html"
    return write_page(profile, path, fits)
