"""Draw the picture of the explorer, with simulated neurons: `python docs/explore.py`.

Needs the extra `explore`, Playwright, and Chromium at $AA1XR_CHROMIUM or on the path.
"""

import os
import shutil
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import aa1xr
from aa1xr.explorer.explore import start

explorer = start(aa1xr.open_sample(), source="aa1.zarr")
query = "?neuron=sim0000_3_A&neuron=sim0000_1_B&stimulus=conspecific-02&smooth_ms=21&strf=1"
with sync_playwright() as driver:
    browser = driver.chromium.launch(
        executable_path=os.environ.get("AA1XR_CHROMIUM") or shutil.which("chromium"),
        args=["--no-sandbox"],  # a container runs as root
    )
    page = browser.new_page(viewport={"width": 1400, "height": 1130})
    page.goto(explorer.url + query)
    page.get_by_text("best frequency").wait_for(timeout=60_000)
    page.wait_for_timeout(1000)
    picture = Image.open(BytesIO(page.screenshot()))
    browser.close()
explorer.stop()
path = Path(__file__).parent / "_static" / "explore.png"
picture.convert("RGB").quantize(128).save(path, optimize=True)
