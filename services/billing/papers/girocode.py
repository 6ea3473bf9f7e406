"""The code that a banking app reads off an invoice: EPC069-12, in Germany called GiroCode."""

import io
from decimal import Decimal
from typing import Final

LEAST: Final = Decimal("0.01")  # EPC069-12: below, or from a thousand million on, there is no code
MOST: Final = Decimal("999999999.99")
LONGEST_NAME: Final = 70
LONGEST_TEXT: Final = 140


def svg(holder: str, iban: str, bic: str | None, amount: Decimal, text: str) -> str | None:
    """The code as SVG; none for an amount that it cannot say."""
    from segno import helpers

    if not LEAST <= amount <= MOST:
        return None
    code = helpers.make_epc_qr(
        name=holder[:LONGEST_NAME].strip(), iban=iban.replace(" ", ""), amount=amount,
        text=text[:LONGEST_TEXT], bic=bic, encoding="utf-8",
    )  # fmt: skip
    out = io.BytesIO()
    code.save(out, kind="svg", border=0, xmldecl=False, svgns=True)
    return out.getvalue().decode()
