"""What can be measured of the look: contrast, weight, nothing from elsewhere."""

import gzip
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "services"
KIT = STATIC / "kit/static"
PAGE_BYTES = 150_000
AA = 4.5
TEXTS = (
    "--text", "--muted", "--accent", "--tension", "--target", "--counter", "--limit", "--high-text",
    "--medium-text", "--low-text", "--pull", "--calm", "--yield", "--still", "--good", "--notice",
)  # fmt: skip


def tokens(theme):
    css = (KIT / "base.css").read_text()
    blocks = re.findall(r"^(\S[^\n]*data-theme=\"\w+\"\]) \{(.*?)^\}", css, re.DOTALL | re.MULTILINE)
    found = {}
    for where, body in blocks:
        if "dark" in where or theme == "light":
            found.update(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", body))
    return found


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2.2 contrast ratio of two colours."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_text_colour_has_enough_contrast_on_every_ground(theme):
    """AA (4.5 to 1) is what tired eyes need at two metres."""
    colours = tokens(theme)
    poor = [
        (text, ground, round(contrast(colours[text], colours[ground]), 2))
        for text in TEXTS
        for ground in ("--bg", "--surface", "--raised")
        if contrast(colours[text], colours[ground]) < AA
    ]
    poor += [
        (f"--{name}", contrast(colours[f"--{name}"], colours[f"--{name}-ink"]))
        for name in ("high", "medium", "low")
        if contrast(colours[f"--{name}"], colours.get(f"--{name}-ink", "#ffffff")) < AA
    ]
    assert poor == []


@pytest.mark.parametrize(("service", "most_bytes"), [("console", 200_000), ("controller/panel", PAGE_BYTES)])
def test_all_that_pages_can_load_weighs_little(service, most_bytes):
    """A bedside computer is small, and so is a clinic's uplink; the console's is that of all its rooms."""
    files = [path for folder in (KIT, STATIC / service / "static") for path in folder.rglob("*.*")]
    sent = [path for path in files if path.suffix in (".css", ".js", ".svg", ".woff2")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in sent) < most_bytes


def test_nothing_comes_from_elsewhere():
    """With the network down a page must be whole."""
    pages = [path for ending in ("*.html", "*.css", "*.js") for path in STATIC.rglob(ending)]
    ours = [path for path in pages if "vendor" not in path.parts]
    foreign = [
        (path.name, found)
        for path in ours
        for found in re.findall(r"(?:https?:)?//[\w.-]+\.\w{2,}[^\s\"']*", path.read_text())
        if "w3.org" not in found and found.startswith(("http", "//cdn", "//www"))
    ]
    assert foreign == []


def test_no_page_needs_an_inline_script_or_style():
    """The security policy forbids both, so that no injected text can run."""
    pages = (*STATIC.rglob("templates/*.html"),)
    for path in pages:
        text = path.read_text()
        assert not re.search(r"\son\w+=", text), path
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert all(
            'src="' in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", text)
        ), path
