"""The page in a real browser: Chromium, driven by Playwright."""

import os
import shutil
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest

import aa1xr

pytest.importorskip("panel", reason="needs Panel, the extra explore")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
playwright.expect.set_options(timeout=30_000)
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
        self.page.set_default_timeout(30_000)
        self.asked, self.errors = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.wait_for_selector(".tabulator-row")
        self.until("() => Bokeh.documents[0].is_idle")
        self.table, self.sounds = (self.page.locator(".tabulator").nth(k) for k in (0, 1))

    def until(self, condition):
        return self.page.wait_for_function(condition, timeout=30_000)

    @property
    def state(self):
        return self.page.evaluate(STATE)

    @property
    def neurons(self):
        """The cells of their names, in the order of the rows."""
        return self.table.locator(".tabulator-row [tabulator-field=neuron]")

    def query(self):
        return parse_qs(self.page.evaluate("() => location.search.slice(1)"))

    def shows(self, text):
        self.page.get_by_text(text).first.wait_for()

    def wait_for_query(self, name, values):
        for _ in range(300):
            if self.query().get(name) == values:
                return
            self.page.wait_for_timeout(100)
        assert self.query().get(name) == values


@pytest.fixture(scope="module")
def page(browser, explorer):
    """One page for most tests, since each takes seconds to load."""
    page = Tab(browser, explorer.url + "?neuron=sim0000_3_A&stimulus=conspecific-03&dt_ms=10")
    yield page
    page.page.close()
    assert page.errors == []


def test_page__is_what_the_package_gives_and_asks_nobody_else(page, sample_store):
    ds = aa1xr.open(sample_store, dt_ms=10, before_ms=250, after_ms=250)
    rate = ds.psth.sel(neuron="sim0000_3_A", stimulus="conspecific-03").dropna("time")
    np.testing.assert_allclose(page.state["x"][:-1], rate.time)
    np.testing.assert_allclose(page.state["y"][:-1], rate)
    page.shows("sim0000_3_A MLd, 10 trials")
    page.shows("rate = ds.psth.sel(neuron=['sim0000_3_A'], stimulus='conspecific-03')")
    hosts = {urlsplit(url).hostname for url in page.asked if url.startswith(("http", "ws"))}
    assert hosts == {"localhost"}
    # Text of the data is text.
    assert page.page.title() == "aa1xr explore"
    assert page.page.locator("img[src=x]").count() == 0


def test_tables__sort_filter_select(page, sample_store):
    counts = aa1xr.open(sample_store).spikes.mean(["stimulus", "trial", "time"])
    by_rate = counts.to_series().sort_values().index.tolist()
    sorter = page.table.locator("[tabulator-field=rate_driven] .tabulator-col-sorter")
    sorter.click()
    playwright.expect(page.neurons).to_have_text(by_rate)
    box = page.table.locator("[tabulator-field=area] input")
    box.click()
    box.press_sequentially("mld")
    names = [name for name in by_rate if name.endswith("_A")]
    playwright.expect(page.neurons).to_have_text(names)
    page.neurons.nth(0).click()
    page.wait_for_query("neuron", names[:1])
    for k in range(1, 6):
        page.neurons.nth(k).click(modifiers=["Control"])
        page.wait_for_query("neuron", names[max(0, k - 3) : k + 1])
    playwright.expect(page.table.locator(".tabulator-selected")).to_have_count(4)
    page.page.get_by_role("button", name="neuron ▶").click()
    page.wait_for_query("neuron", [names[3]])
    page.sounds.locator(".tabulator-row").nth(2).click()
    page.wait_for_query("stimulus", ["conspecific-02"])
    page.shows(f"{names[3]} MLd, 10 trials")


def test_pictures__zoom_and_pan(page):
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
    name = page.neurons.nth(2).inner_text()
    page.neurons.nth(2).click()
    page.wait_for_query("neuron", [name])
    assert page.state["time"] == kept


def test_population__a_click_selects_its_neuron(page, sample_store):
    counts = aa1xr.open(sample_store).spikes.mean(["stimulus", "trial", "time"])
    by_rate = counts.to_series().sort_values(ascending=False).index.tolist()
    place = page.page.evaluate(
        """(row) => {
          const figure = Bokeh.documents.flatMap((document) => [...document.all_models])
            .find((model) => model.type == "Figure" && model.y_range.end == 12)
          const view = Bokeh.index.find_one(figure)
          const box = view.canvas_view.el.getBoundingClientRect()
          return [box.x + view.frame.x_scale.compute(0.5), box.y + view.frame.y_scale.compute(row)]
        }""",
        12 - 2.5,
    )
    page.page.mouse.click(*place)
    page.wait_for_query("neuron", by_rate[2:3])


def test_sliders__change_the_psth(page):
    n_bins = len(page.state["x"])
    page.page.locator(".noUi-handle").first.focus()
    page.page.keyboard.press("ArrowRight")
    page.wait_for_query("dt_ms", ["20"])
    page.until(f"() => ({STATE})().x.length < {n_bins}")


def test_play__moves_the_cursor(page):
    assert not page.state["plays"]
    page.page.get_by_role("button", name="▶ sound and spikes").click()
    page.until(f"() => {{ const s = ({STATE})(); return s.plays && s.cursor > -0.1 }}")
    earlier = page.state["cursor"]
    page.until(f"() => ({STATE})().cursor > {earlier + 0.2}")
    page.page.get_by_role("button", name="■").click()
    page.until(f"() => !({STATE})().plays")


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_save__gives_a_picture(page, kind, magic):
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name=f"save as {kind.upper()}").click()
    assert download.value.path().read_bytes().startswith(magic)


def test_strf__appears_with_the_prediction(page):
    page.page.get_by_role("checkbox").check()
    page.page.get_by_text("best frequency").wait_for(timeout=30_000)
    page.page.get_by_role("checkbox").uncheck()
    page.page.get_by_text("best frequency").wait_for(state="detached")


def test_bad_url__says_so_and_shows_the_default(browser, explorer, page):
    before = page.query()
    bad = urlencode({"neuron": "nope", "dt_ms": "0.1", EVIL: "1", "theme": "dark"})
    other = Tab(browser, f"{explorer.url}?{bad}", width=800)
    text = other.page.locator(".aa1xr-problem").inner_text()
    assert "neuron: there is no 'nope'" in text
    assert "dt_ms='0.1' must be one of" in text
    assert EVIL[:20] in text
    other.shows("sim0000_1_B Field_L, 15 trials")
    assert other.page.title() == "aa1xr explore"
    # Two users at once: the other page is as it was.
    other.neurons.nth(4).click()
    other.wait_for_query("neuron", ["sim0000_5_B"])
    assert page.query() == before
    assert other.errors == []
    other.page.close()


def test_gone__store_and_server(browser, sample_store, tmp_path):
    store = tmp_path / "aa1.zarr"
    aa1xr.copy_store(sample_store, store)
    explorer = aa1xr.explore(aa1xr.open(store))
    page = Tab(browser, explorer.url)
    shutil.rmtree(store)
    page.page.locator(".noUi-handle").first.focus()
    page.page.keyboard.press("ArrowRight")  # bins that were not computed yet
    playwright.expect(page.page.locator(".aa1xr-problem")).to_contain_text("aa1.zarr")
    explorer.stop()
    page.shows("The explorer has stopped")
    page.page.close()
