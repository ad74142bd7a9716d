"""Measure the explorer in a browser: from a click or a key until the change is painted.

python -m benchmarks.explorer crcns-aa1.zip [--changes 1000] [--chromium PATH]

Needs the extra explore, Playwright and Chromium. Every change is a gesture of a user; its time runs
from the event of the browser to the second frame after the last picture has new data. The memory is
that of the server, every hundred changes. A busy machine counts for nothing: the load is printed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import psutil

import aa1xr
from benchmarks.report import load

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Times of the last gesture and of the frames that showed what it changed.
_WATCH = """() => {
  window.aa1xr = {start: 0, painted: 0}
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(kind, (event) => {
      window.aa1xr = {start: event.timeStamp, painted: 0}
    }, true)
  const painted = () => requestAnimationFrame(() => requestAnimationFrame(() => {
    window.aa1xr.painted = performance.now()
  }))
  for (const document of Bokeh.documents)
    for (const model of document.all_models)
      if (model.type == "ColumnDataSource" && model.name != "player")
        model.properties.data.change.connect(painted)
}"""


def main() -> None:
    # Here, since asv imports all modules of benchmarks, where it is not installed.
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.explorer")
    parser.add_argument("source", help="an archive or a store")
    parser.add_argument("--changes", type=int, default=300)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    args = parser.parse_args()
    print(f"Load before: {load()}.", flush=True)
    explorer = aa1xr.explore(aa1xr.open(args.source))
    taken, memory = defaultdict(list), []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.goto(explorer.url)
        page.wait_for_selector(".tabulator-row")
        page.wait_for_timeout(10_000)  # what the server prepares in the background
        page.evaluate(_WATCH)
        gestures = _gestures(page)
        for k in range(args.changes):
            name = list(gestures)[k % len(gestures)]
            gestures[name](k // len(gestures))
            # Changes that are still on their way would count for the next.
            page.wait_for_timeout(700)
            times = page.evaluate("() => window.aa1xr")
            if times["painted"]:
                taken[name].append(times["painted"] - times["start"])
            if k % 100 == 0:
                memory.append(psutil.Process().memory_info().rss / 2**20)
        memory.append(psutil.Process().memory_info().rss / 2**20)
        browser.close()
    explorer.stop()
    print("| change | n | median (ms) | 95 % (ms) |\n|---|---|---|---|")
    for name, each in taken.items():
        print(f"| {name} | {len(each)} | {statistics.median(each):.0f} | {_late(each):.0f} |")
    print(f"\nMemory of the server (MiB): {', '.join(f'{each:.0f}' for each in memory)}.")
    print(f"Load after: {load()}.")


def _gestures(page: Page) -> dict[str, Any]:
    """What a user does, for the k-th time."""
    neurons, stimuli = (page.locator(".tabulator").nth(k).locator(".tabulator-row") for k in (0, 1))
    sliders = page.locator(".noUi-handle")

    def key(slider: int, k: int) -> None:
        sliders.nth(slider).focus()
        page.keyboard.press("ArrowRight" if k // 3 % 2 == 0 else "ArrowLeft")

    return {
        "neuron": lambda k: neurons.nth(k % 7 + 1).click(),
        "stimulus": lambda k: stimuli.nth(k % 4 + 1).click(),
        "bin width": lambda k: key(0, k),
        "smoothing": lambda k: key(1, k),
    }


def _late(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


if __name__ == "__main__":
    main()
