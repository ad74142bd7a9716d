"""The page in a real browser: Chromium, driven by Playwright."""

import os
import re
import shutil
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

import aa1xr

pytest.importorskip("panel", reason="needs Panel, the extra explore")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
CHROMIUM = os.environ.get("AA1XR_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, or its path in $AA1XR_CHROMIUM"),
    # Libraries of these libraries warn each other.
    pytest.mark.filterwarnings("ignore:::bokeh", "ignore:::panel"),
]

EVIL = "<img src=x onerror=document.title='evil'>"
#: Where the pictures of responses begin and end, the cursor of the player, and a result of that.
STATE = """() => {
  const models = Bokeh.documents.flatMap((document) => [...document.all_models])
  const grid = models.find((model) => model.type == "GridPlot")
  const time = models
    .find((model) => model.type == "Figure" && model.x_range.reset_start < 0).x_range
  const cursor = models.find((model) => model.type == "Span" && model.line_width == 2)
  const rate = models.find((model) => model.name == "rate-0").data
  return {time: [time.start, time.end], cursor: cursor.location, plays: cursor.visible,
          x: [...rate.x], y: [...rate.y]}
}"""


@pytest.fixture(scope="module")
def explorer(sample_store):
    ds = aa1xr.open(sample_store)
    notes = [EVIL] * ds.sizes["neuron"]
    explorer = aa1xr.explore(ds.assign_coords({"note": ("neuron", notes), EVIL: ("neuron", notes)}))
    yield explorer
    explorer.stop()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


class Tab:
    """A page that is open, and what it asked for and complained of."""

    def __init__(self, browser, url, width=1400):
        self.page = browser.new_page(viewport={"width": width, "height": 1200})
        self.asked, self.errors = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.wait_for_selector(".tabulator-row")
        self.until("() => Bokeh.documents[0].is_idle")
        self.table, self.sounds = (self.page.locator(".tabulator").nth(k) for k in (0, 1))

    def until(self, condition):
        return self.page.wait_for_function(condition, timeout=10_000)

    @property
    def state(self):
        return self.page.evaluate(STATE)

    @property
    def rows(self):
        return self.table.locator(".tabulator-row")

    def names(self):
        return [text.split("\n")[0] for text in self.rows.all_inner_texts()]

    def query(self):
        return parse_qs(urlsplit(self.page.url).query)

    def wait_for_query(self, name, values):
        wanted = [[name, value] for value in values]
        self.page.wait_for_function(
            """([name, wanted]) => JSON.stringify([...new URLSearchParams(location.search)]
              .filter((pair) => pair[0] == name)) == JSON.stringify(wanted)""",
            arg=[name, wanted],
            timeout=10_000,
        )


@pytest.fixture
def tab(browser, explorer):
    tabs = []

    def open_tab(query="", **options):
        tabs.append(Tab(browser, explorer.url + query, **options))
        return tabs[-1]

    yield open_tab
    for each in tabs:
        each.page.close()
        assert each.errors == []


def test_page__is_what_the_package_gives_and_asks_nobody_else(tab, sample_store):
    page = tab("?neuron=sim0000_3_A&stimulus=flatrip-02&dt_ms=10")
    ds = aa1xr.open(sample_store, dt_ms=10, before_ms=250, after_ms=250)
    rate = ds.psth.sel(neuron="sim0000_3_A", stimulus="flatrip-02").dropna("time")
    np.testing.assert_allclose(page.state["x"][:-1], rate.time)
    np.testing.assert_allclose(page.state["y"][:-1], rate)
    hosts = {urlsplit(url).hostname for url in page.asked if url.startswith(("http", "ws"))}
    assert hosts == {"localhost"}
    text = page.page.inner_text("body")
    assert "sim0000_3_A MLd, 10 trials" in text
    assert "rate = ds.psth.sel(neuron=['sim0000_3_A'], stimulus='flatrip-02')" in text
    # Text of the data is text.
    assert page.page.title() == "aa1xr explore"
    assert page.page.locator("img[src=x]").count() == 0


def test_tables__sort_filter_select(tab):
    page = tab()
    page.table.locator("[tabulator-field=rate_driven] .tabulator-col-sorter").click()
    page.until("() => true")
    assert page.names()[0] == "sim0000_2_B"  # the one that hardly fires
    box = page.table.locator("[tabulator-field=area] input")
    box.click()
    box.press_sequentially("mld")
    playwright.expect(page.rows).to_have_count(6)
    names = page.names()
    page.rows.nth(0).click()
    page.wait_for_query("neuron", names[:1])
    for k in range(1, 6):
        page.rows.nth(k).click(modifiers=["Control"])
        page.wait_for_query("neuron", names[max(0, k - 3) : k + 1])
    playwright.expect(page.table.locator(".tabulator-selected")).to_have_count(4)
    page.page.get_by_role("button", name="neuron ▶").click()
    page.wait_for_query("neuron", [names[3]])
    page.sounds.locator(".tabulator-row").nth(2).click()
    page.wait_for_query("stimulus", ["conspecific-02"])
    assert re.search(rf"conspecific-02\s+■ {names[3]} MLd", page.page.inner_text("body"))


def test_pictures__zoom_and_pan(tab):
    page = tab()
    start, end = page.state["time"]
    assert start == -0.25
    box = page.page.locator(".bk-Figure").nth(3).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.page.mouse.move(x, y)
    page.page.keyboard.down("Control")
    page.page.mouse.wheel(0, -400)
    page.page.keyboard.up("Control")
    page.until(f"() => ({STATE})().time[0] > {start}")
    left, right = page.state["time"]
    assert right - left < 0.9 * (end - start)
    page.page.mouse.down()
    page.page.mouse.move(x + 60, y, steps=4)
    page.page.mouse.up()
    page.until(f"() => ({STATE})().time[0] < {left}")
    # The zoom stays while neurons change.
    kept = page.state["time"]
    page.rows.nth(3).click()
    page.wait_for_query("neuron", ["sim0000_4_B"])
    assert page.state["time"] == kept


def test_sliders__change_the_psth(tab):
    page = tab()
    first = page.state
    slider = page.page.locator(".noUi-handle").first
    slider.click()
    page.page.keyboard.press("ArrowRight")
    page.wait_for_query("dt_ms", ["10"])
    page.until(f"() => ({STATE})().x.length < {len(first['x'])}")


def test_play__moves_the_cursor(tab):
    page = tab("?neuron=sim0000_3_A")
    assert not page.state["plays"]
    page.page.get_by_role("button", name="▶ sound and spikes").click()
    page.until(f"() => {{ const s = ({STATE})(); return s.plays && s.cursor > -0.1 }}")
    earlier = page.state["cursor"]
    page.until(f"() => ({STATE})().cursor > {earlier + 0.2}")
    page.page.get_by_role("button", name="■").click()
    page.until(f"() => !({STATE})().plays")
    for kind in ("png", "svg"):
        with page.page.expect_download(timeout=10_000) as download:
            page.page.get_by_role("button", name=f"save as {kind.upper()}").click()
        data = download.value.path().read_bytes()
        assert data.startswith({"png": b"\x89PNG", "svg": b"<svg"}[kind])


def test_strf__appears_with_the_prediction(tab):
    page = tab("?neuron=sim0000_3_A&strf=1")
    page.page.get_by_text("best frequency 1.5").wait_for(timeout=30_000)
    page.page.get_by_text("STRF and prediction").click()
    page.page.get_by_text("best frequency").wait_for(state="detached")


def test_bad_url__says_so_and_shows_the_default(tab):
    page = tab(f"?neuron=nope&dt_ms=0.1&{EVIL}=1&theme=dark", width=800)
    text = page.page.locator(".aa1xr-problem").inner_text()
    assert "neuron: there is no 'nope'" in text
    assert "dt_ms='0.1' must be one of" in text
    assert "<img src=x" in text
    assert "sim0000_1_B" in page.page.inner_text("body")
    assert page.page.title() == "aa1xr explore"
    # Two users at once: the other page is as it was.
    other = tab("?neuron=sim0000_2_B")
    page.rows.nth(4).click()
    page.wait_for_query("neuron", ["sim0000_5_B"])
    assert other.query()["neuron"] == ["sim0000_2_B"]


def test_server__gone(browser, sample_store):
    explorer = aa1xr.explore(aa1xr.open(sample_store))
    page = Tab(browser, explorer.url)
    explorer.stop()
    page.page.get_by_text("The explorer has stopped").wait_for(timeout=10_000)
    page.page.close()


def test_store__gone(browser, sample_store, tmp_path):
    store = tmp_path / "aa1.zarr"
    aa1xr.copy_store(sample_store, store)
    explorer = aa1xr.explore(aa1xr.open(store))
    page = Tab(browser, explorer.url)
    shutil.rmtree(store)
    page.sounds.locator(".tabulator-row").nth(3).click()
    page.page.locator(".aa1xr-problem").wait_for(timeout=10_000)
    assert "aa1.zarr" in page.page.locator(".aa1xr-problem").inner_text()
    page.page.close()
    explorer.stop()
