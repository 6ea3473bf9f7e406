"""Takes the papers' pictures into docs/papers, with an invoice as a file: run it, it takes no arguments."""

import io
import json
import sys
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from billing.papers_rig import (  # noqa: E402  (found by the path above)
    CLINIC,
    FIRST,
    cancelled,
    paper,
    priced,
    session,
)
from PIL import Image  # noqa: E402  (the same)

from services.billing.models import Outlay  # noqa: E402  (the same)
from services.billing.papers import content, issuing, letters, rendering  # noqa: E402  (the same)

FOLDER = ROOT / "docs" / "papers"
PIXELS_PER_INCH = 84
REASON = "Überdurchschnittlicher Zeitaufwand wegen umfangreicher Vorbefunde"


def main():
    """One page of each, and the whole invoice."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    talk = priced("1", FIRST, "3.0", justification=REASON)
    look = priced("5", FIRST, "2.3")
    bought = (Outlay(date=FIRST, text="Lagerungskissen", amount=Decimal("39.90"), receipt="Nr. 4711"),)
    invoice = paper((talk, look, *session(FIRST)), outlays=bought)
    (FOLDER / "invoice.pdf").write_bytes(issuing.document(invoice).pdf)
    for name, told in (("invoice", invoice), ("cancellation", cancelled(paper()))):
        _draw(name, "invoice", content.invoice(told, language="de", is_copy=False))
    for name, values in (("estimate", _estimate(invoice)), ("reminder", _reminder(invoice))):
        form, letter = letters.read(name, values)
        _draw(name, "letter", letters.values_of(form, letter, "de"))


def _estimate(invoice):
    rows = [letters.row_of(line, "de", times=18) for line in session(FIRST)]
    total = sum((row.amount for row in rows), Decimal(0))
    talk = letters.row_of(priced("5", FIRST, "2.3"), "de")
    return {
        "clinic": CLINIC, "recipient": invoice.recipient, "patient": invoice.patient,
        "issued_on": invoice.issued_on, "facts": [("Nummer", "KV-2026-0007"), ("Gültig bis", "22.02.2027")],
        "diagnosis": invoice.diagnosis,
        "sections": [
            {"title": "Sicher: 18 Sitzungen", "rows": rows, "total": total},
            {"title": "Je nach Verlauf", "rows": [talk], "total": talk.amount},
        ],
        "total": total + talk.amount, "total_label": "Voraussichtlich höchstens",
    }  # fmt: skip


def _reminder(invoice):
    row = {"date": invoice.issued_on, "number": invoice.number, "name": "fällig am 22.12.2026"}
    return {
        "clinic": CLINIC, "recipient": invoice.recipient, "issued_on": "2027-01-07",
        "paragraphs": ["sicher ist es Ihrer Aufmerksamkeit entgangen, dass diese Rechnung noch offen ist."],
        "sections": [{"rows": [{**row, "amount": invoice.total}]}],
        "total": invoice.total, "total_label": "Offener Betrag",
        "payment": {"amount": invoice.total, "due_on": "2027-01-21", "reference": invoice.number},
    }  # fmt: skip


def _draw(name, template, values):
    compiler = rendering._compiler(template)
    told = {"told": json.dumps(values)}
    made = compiler.compile(format="png", ppi=PIXELS_PER_INCH, sys_inputs=told, timestamp=0)
    first = made[0] if isinstance(made, list) else made
    few = Image.open(io.BytesIO(first)).convert("RGB").quantize(64, method=Image.Quantize.MEDIANCUT)
    few.save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
