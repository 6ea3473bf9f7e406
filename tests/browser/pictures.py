"""Takes the picture of every page, at a desk and on a phone, dark and light, into docs/pictures.

`make pictures`, or `python tests/browser/pictures.py NAME ...` for some of them.
"""

import contextlib
import io
import itertools
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from browser.conftest import ARGUMENTS, CHROMIUM  # noqa: E402  (found by the path above)
from browser.pages import PAGES  # noqa: E402  (the path is set first)
from browser.ward import ward  # noqa: E402  (the path is set first)
from PIL import Image  # noqa: E402  (the path is set first)
from playwright.sync_api import sync_playwright  # noqa: E402  (the path is set first)

PICTURES = ROOT / "docs" / "pictures"
SIZES = ((1440, 900, 1500), (390, 844, 1500))  # width, height of the window, most of the page that is shown
THEMES = ("dark", "light")
SETTLE_MS = 1000  # traces run a while, charts are drawn


def main(names):
    """Every page, or those named."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    rows = [row for row in PAGES if not names or row.name in names]
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="spondyl-pictures-"))
        playwright = stack.enter_context(sync_playwright())
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        stack.callback(chromium.close)
        here = stack.enter_context(ward(Path(directory), minutes=20.0))
        for row, size, theme in itertools.product(rows, SIZES, THEMES):
            _take(chromium, here, row, size, theme)
    found = list(PICTURES.iterdir())
    megabytes = sum(path.stat().st_size for path in found) / 1e6
    sys.stdout.write(f"{len(found)} pictures, {megabytes:.1f} MB\n")


def _take(chromium, here, row, size, theme):
    width, height, most = size
    context = chromium.new_context(
        viewport={"width": width, "height": height}, locale="en-GB", reduced_motion="reduce"
    )
    context.add_cookies([{"name": "theme", "value": theme, "url": here.address}, *here.cookies(row.role)])
    page = context.new_page()
    page.goto(here.fill(row.path))
    page.locator(row.wait).first.wait_for(timeout=30_000)
    page.wait_for_timeout(SETTLE_MS)
    tall = min(page.evaluate("document.documentElement.scrollHeight"), most)
    page.set_viewport_size({"width": width, "height": max(tall, height)})
    page.wait_for_timeout(SETTLE_MS // 3)
    _keep(page.screenshot(), PICTURES / f"{row.name}-{width}-{theme}.png")
    context.close()


def _keep(png, path):
    """With 256 colours: half of the bytes."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    few = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
