"""The code that a banking app reads off an invoice: EPC069-12, in Germany called GiroCode."""

import io
from decimal import Decimal
from typing import Final

LEAST: Final = Decimal("0.01")  # EPC069-12: below, or from a thousand million on, there is no code
MOST: Final = Decimal("999999999.99")
LONGEST_NAME: Final = 70
LONGEST_TEXT: Final = 140
MOST_BYTES: Final = 251  # of name and text together: 331 less what all else takes at its longest


def svg(holder: str, iban: str, bic: str | None, amount: Decimal, text: str) -> str | None:
    """The code as SVG; none for an amount that it cannot say, or a text that it would have to cut."""
    from segno import helpers

    text = _line(text)
    room = MOST_BYTES - len(text.encode())
    if not LEAST <= amount <= MOST or len(text) > LONGEST_TEXT or room < LONGEST_NAME:
        return None
    name = _line(holder)[:LONGEST_NAME].encode()[:room].decode(errors="ignore")
    code = helpers.make_epc_qr(
        name=name, iban="".join(iban.split()), amount=amount, text=text, bic=bic, encoding="utf-8"
    )
    out = io.BytesIO()
    code.save(out, kind="svg", border=0, xmldecl=False, svgns=True)
    return out.getvalue().decode()


def _line(words: str) -> str:
    """In one line: the next one of the code would be another field."""
    return " ".join(words.split())
