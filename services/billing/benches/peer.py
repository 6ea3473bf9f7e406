"""The same page set by WeasyPrint: letterhead, window, table, sums, code and foot, from the same values."""

from html import escape
from typing import Any, Final

from services.billing.papers.rendering import FONTS

VARIANT: Final = "pdf/a-3b"
_STYLE: Final = """
@font-face { font-family: Noto; src: url(NotoSans-Regular.ttf) }
@font-face { font-family: Noto; font-weight: bold; src: url(NotoSans-Bold.ttf) }
@page { size: A4; margin: 27mm 20mm 34mm 25mm; @bottom-right {
  content: "Seite " counter(page) " von " counter(pages); font: 7pt Noto; color: #5b6875 } }
body { font: 9.3pt Noto; color: #17212b; margin: 0 }
h1 { font-size: 13pt; margin: 40mm 0 4mm }
h2 { font-size: 15pt; color: #0b5c6b; margin: 0 }
.quiet, dt { color: #5b6875 }
.small { font-size: 7.8pt }
.head { border-bottom: .8pt solid #0b5c6b }
table { width: 100%; border-collapse: collapse }
td, th { padding: 3.8pt 2pt; vertical-align: top; text-align: left }
tr { border-bottom: .4pt solid #b9c3cc; break-inside: avoid }
th { color: #0b5c6b; font-size: 8pt }
.total { background: #e7eff0; font: bold 11pt Noto; width: 86mm; margin-left: auto }
dl { display: grid; grid-template-columns: 40mm 1fr; margin: 0 }
dd { margin: 0 }
svg { width: 26mm; height: 26mm }
"""


def html(values: dict[str, Any]) -> str:
    """The page of these values."""
    letter, pay = values["letterhead"], values["payment"]
    rows = "".join(_row(row) for row in values["rows"])
    names = ("day", "item", "service", "count", "factor", "amount")
    heads = "".join(f"<th>{escape(values['say'][name])}</th>" for name in names)
    sums = "".join(
        f"<div class=total>{escape(label)} {escape(sum_)} €</div>" for label, sum_ in values["sums"]
    )
    foot = "".join(
        f"<div class='small quiet'>{escape(' · '.join(column))}</div>" for column in letter["foot"]
    )
    return (
        f"<!doctype html><html lang=de><title>{escape(values['title'])}</title><style>{_STYLE}</style>"
        f"<div class=head><h2>{escape(letter['name'])}</h2>{escape(letter['doctor'])}</div>"
        f"{_small(letter['return_line'])}<p>{_lines(values['recipient'])}</p>"
        f"{_pairs(values['facts'])}<h1>{escape(values['title'])}</h1>{_pairs(values['about'])}"
        f"<p>{escape(values['intro'])}</p><table><thead><tr>{heads}</tr></thead>{rows}</table>{sums}"
        f"<p class=quiet>{escape(values['tax'])}</p><p>{escape(pay['text'])}</p>{_pairs(pay['facts'])}"
        f"{pay['code']}{foot}"
    )


def pdf(values: dict[str, Any]) -> bytes:
    """The page as PDF/A-3b."""
    from weasyprint import HTML  # type: ignore[import-untyped]  # (publishes no types)

    return bytes(HTML(string=html(values), base_url=str(FONTS) + "/").write_pdf(pdf_variant=VARIANT))


def _row(row: dict[str, Any]) -> str:
    notes = "".join(_small(note) for note in row["notes"])
    return (
        f"<tr>{_cell(row['day'])}{_cell(row['number'])}<td>{escape(row['name'])}{notes}</td>"
        f"{_cell(row['count'])}{_cell(row['factor'])}{_cell(row['amount'])}</tr>"
    )


def _small(text: str) -> str:
    return f"<div class='small quiet'>{escape(text)}</div>"


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _lines(lines: list[str]) -> str:
    return "<br>".join(escape(line) for line in lines)


def _pairs(facts: list[list[str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}<dd>{escape(value)}" for name, value in facts) + "</dl>"
