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
from browser.pages import PAGES, SIZES, THEMES, listing  # noqa: E402  (the path is set first)
from browser.ward import ward  # noqa: E402  (the path is set first)
from PIL import Image  # noqa: E402  (the path is set first)
from playwright.sync_api import sync_playwright  # noqa: E402  (the path is set first)

PICTURES = ROOT / "docs" / "pictures"
MOST_HEIGHT = 1640  # of a page that is shown
EXACT = 128  # of the 256 colours of a picture
TALL = """Math.max(document.documentElement.scrollHeight,
  ...[...document.querySelectorAll("dialog[open]")].map((it) => it.scrollHeight + 140))"""  # STOP is below it
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
        for row in rows:
            looks = itertools.product(SIZES, THEMES)
            for (size, theme), name in zip(looks, row.pictures, strict=True):
                _take(chromium, here, row, size, theme, PICTURES / name)
    (PICTURES / "README.md").write_text(listing())
    found = list(PICTURES.glob("*.png"))
    megabytes = sum(path.stat().st_size for path in found) / 1e6
    sys.stdout.write(f"{len(found)} pictures, {megabytes:.1f} MB\n")


def _take(chromium, here, row, size, theme, path):
    width, height = size
    context = chromium.new_context(
        viewport={"width": width, "height": height}, locale="en-GB", reduced_motion="reduce"
    )
    address = here.open(row)
    context.add_cookies([{"name": "theme", "value": theme, "url": address}, *here.cookies(row)])
    page = context.new_page()
    page.goto(address)
    page.locator(row.wait).first.wait_for(timeout=30_000)
    if row.opens:
        page.locator(row.opens).first.click()
        page.locator("dialog[open]").wait_for()
    if row.then:
        page.locator(row.then).wait_for(timeout=300_000)
    page.wait_for_timeout(SETTLE_MS)
    tall = min(page.evaluate(TALL), MOST_HEIGHT)
    page.set_viewport_size({"width": width, "height": max(tall, height)})
    page.wait_for_timeout(SETTLE_MS // 3)
    _keep(page.screenshot(), path)
    context.close()


def _keep(png, path):
    """With 256 colours, half of the bytes: the commonest as they are, so that no ground is tinted."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    counted = sorted(picture.getcolors(picture.width * picture.height), reverse=True)
    kept = [colour for _, colour in counted[:EXACT]]
    rest = [colour for _, colour in counted[EXACT:]]
    if rest:
        line = Image.new("RGB", (len(rest), 1))
        line.putdata(rest)
        few = line.quantize(256 - EXACT, method=Image.Quantize.MEDIANCUT).getpalette()
        kept += list(zip(few[::3], few[1::3], few[2::3], strict=True))
    palette = Image.new("P", (1, 1))
    palette.putpalette(list(itertools.chain.from_iterable(kept)))
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
