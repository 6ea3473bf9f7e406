"""A table as a file that a spreadsheet opens: as German or English ones read it."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from fastapi import Response

from services.kit.language import Language

DELIMITERS: Final[dict[Language, str]] = {"de": ";", "en": ","}
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would reckon with
Cell = str | int | Decimal | None


def answer(name: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], language: Language) -> Response:
    """The file, to be downloaded."""
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(text(head, rows, language), media_type="text/csv; charset=utf-8", headers=headers)


def text(head: Sequence[str], rows: Iterable[Sequence[Cell]], language: Language) -> str:
    """The same as a text; an amount has the reader's decimal sign, a text is never a formula."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=DELIMITERS[language])
    writer.writerows([head, *([_cell(value, language) for value in row] for row in rows)])
    return "\ufeff" + out.getvalue()


def _cell(value: Cell, language: Language) -> str:
    if isinstance(value, Decimal):
        return str(value).replace(".", ",") if language == "de" else str(value)
    said = "" if value is None else str(value)
    return f"'{said}" if isinstance(value, str) and said.startswith(FORMULAS) else said
