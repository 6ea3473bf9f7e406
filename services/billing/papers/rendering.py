"""Pages as PDF/A-3b and PDF/UA-1: values into a template, set by typst with the fonts that come along."""

import datetime as dt
import json
import re
import threading
from functools import cache
from pathlib import Path
from typing import Any, Final

from services.billing.models import Paper
from services.billing.papers import content, einvoice, script, xmp

PAGES: Final = Path(__file__).with_name("pages")
FONTS: Final = Path(__file__).with_name("fonts")
STANDARDS: Final = ("a-3b", "ua-1")  # archival, and readable by whoever cannot see
_UNDRAWN: Final = re.compile(r'the text `"(.*?)"` could not be displayed', re.DOTALL)
_local = threading.local()


def pdf(paper: Paper, *, is_copy: bool = False) -> bytes:
    """The paper as PDF/A-3b; the original is German and carries its XML, the copy has the paper's language.

    A copy carries no XML: whoever reads it in would book the invoice twice. Raises Invalid when the sums
    disagree or a letter can be drawn by no font.
    """
    if is_copy:
        values = content.invoice(paper, language=paper.language, is_copy=True)
        return page("invoice", values, paper.issued_on)
    values = content.invoice(paper, language="de", is_copy=False)
    return with_xml(values, paper.issued_on, einvoice.xml(paper))


def with_xml(values: dict[str, Any], on: dt.date, data: bytes) -> bytes:
    """The invoice's page with its XML inside and the metadata that say so."""
    return xmp.with_invoice_properties(page("invoice", values, on, xml=data.decode()))


def page(template: str, values: dict[str, Any], on: dt.date, **inputs: str) -> bytes:
    """A template with its values: the same give the same bytes. Raises Invalid for a letter no font has."""
    import typst

    script.check_all(values)
    midnight = dt.datetime.combine(on, dt.time(), dt.UTC)
    told = {"told": json.dumps(values, ensure_ascii=False), **inputs}
    try:
        made = _compiler(template).compile(
            format="pdf", sys_inputs=told, pdf_standards=[*STANDARDS], timestamp=midnight
        )
    except typst.TypstError as error:
        undrawn = _UNDRAWN.search(error.message)
        if undrawn is None:
            raise
        raise script.undrawn(undrawn[1]) from None
    return bytes(made)


def _compiler(template: str) -> Any:
    """This thread's compiler of a template: it keeps parsed fonts and pages, and may not be shared."""
    import typst

    made: dict[str, Any] = _local.__dict__.setdefault("compilers", {})
    if template not in made:
        made[template] = typst.Compiler(
            input=PAGES / f"{template}.typ", root=PAGES, font_paths=_fonts(), ignore_system_fonts=True
        )
    return made[template]


@cache
def _fonts() -> Any:
    import typst

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])
