"""Papers as PDF: a text of headings, lists and paragraphs, set by typst with the font that it brings along.

PDF/A-2a where the font has every letter; names in other scripts take a font of this machine, and where that
lacks a letter, too, the paper is a plain PDF rather than none.
"""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.kit.language import Language

TEMPLATE: Final = Path(__file__).with_name("paper.typ")
ARCHIVAL: Final = "a-2a"
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")
Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing (SVG) with what it shows beside it."""

    svg: str
    title: str
    body: str  # in blocks, as a paper's


@dataclass(frozen=True, slots=True)
class Paper:
    """What stands on it. ``drawn`` is the signature as PNG; ``under`` what stands under the line."""

    title: str
    body: str
    language: Language
    footer: str
    facts: Rows = ()
    parts: Sequence[tuple[str, Rows]] = ()
    under: str = ""
    drawn: bytes | None = None
    alt: str = ""
    author: str = field(default="Spondyl")
    drawings: Sequence[Drawing] = ()
    closing: str = ""  # a text in blocks, behind everything


def pdf(paper: Paper) -> bytes:
    """The paper as PDF."""
    import typst

    with tempfile.TemporaryDirectory(prefix="spondyl-paper-") as name:
        directory = Path(name)
        (directory / "paper.typ").write_bytes(TEMPLATE.read_bytes())
        (directory / "told.json").write_text(json.dumps(_told(paper), ensure_ascii=False), encoding="utf-8")
        for at, drawing in enumerate(paper.drawings):
            (directory / f"drawing-{at}.svg").write_text(drawing.svg, encoding="utf-8")
        if paper.drawn is not None:
            (directory / "signature.png").write_bytes(paper.drawn)
        source = str(directory / "paper.typ")
        try:
            made = typst.compile(source, root=name, pdf_standards=[ARCHIVAL])
        except typst.TypstError:
            made = typst.compile(source, root=name)
    return bytes(made)


def blocks(body: str) -> list[dict[str, Any]]:
    """The text in blocks: `## ` a heading, `- ` an item, `**` bold; lines that touch are one paragraph."""
    found: list[dict[str, Any]] = []
    lines: list[str] = []

    def flush() -> None:
        if lines:
            found.append({"kind": "paragraph", "runs": runs(" ".join(lines))})
            lines.clear()

    for line in (*body.split("\n"), ""):
        text = line.strip()
        kind, mark = next(((kind, mark) for mark, kind in _MARKS.items() if text.startswith(mark)), ("", ""))
        if kind or not text:
            flush()
        if kind:
            found.append({"kind": kind, "runs": runs(text.removeprefix(mark).strip())})
        elif text:
            lines.append(text)
    return found


def runs(text: str) -> list[dict[str, Any]]:
    """A line in pieces, bold or not."""
    pieces = _BOLD.split(text)
    return [{"text": piece, "bold": bool(at % 2)} for at, piece in enumerate(pieces) if piece]


_MARKS: Final[Mapping[str, str]] = {"## ": "heading", "# ": "heading", "- ": "item", "* ": "item"}


def _told(paper: Paper) -> dict[str, Any]:
    signature = {"drawn": paper.drawn is not None, "under": paper.under, "alt": paper.alt}
    return {
        "title": paper.title, "author": paper.author, "language": paper.language, "footer": paper.footer,
        "facts": [list(row) for row in paper.facts], "blocks": blocks(paper.body),
        "parts": [
            {"title": title, "rows": [list(row) for row in rows]} for title, rows in paper.parts
        ],
        "drawings": [{"title": one.title, "blocks": blocks(one.body)} for one in paper.drawings],
        "closing": blocks(paper.closing),
        "signature": signature if paper.under else None,
    }  # fmt: skip
