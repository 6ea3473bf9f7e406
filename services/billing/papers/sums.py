"""What a paper comes to, and whether everything that it says of money agrees."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.billing.errors import Invalid, said
from services.billing.models import Outlay, Paper, PricedLine

ZERO: Final = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Sums:
    """Each with the paper's sign: all of a cancellation is negative."""

    sign: int
    fees: Decimal
    outlays: Decimal
    total: Decimal

    def of(self, line: PricedLine) -> tuple[Decimal, Decimal, Decimal]:
        """A line's fee, reduction and amount with the paper's sign."""
        return abs(line.gross) * self.sign, abs(line.reduction) * self.sign, abs(line.amount) * self.sign

    def of_outlay(self, outlay: Outlay) -> Decimal:
        """An outlay with the paper's sign."""
        return abs(outlay.amount) * self.sign


def sums(paper: Paper) -> Sums:
    """The sums of a paper.

    The lines of a cancellation are those of the invoice that it cancels, with whichever sign; its total is
    negative. Raises Invalid when a line, the total or its sign disagrees with the rest.
    """
    sign = -1 if paper.kind == "cancellation" else 1
    for line in paper.lines:
        if abs(line.gross) - abs(line.reduction) != abs(line.amount):
            raise _broken("line", line.line.number, abs(line.amount), abs(line.gross) - abs(line.reduction))
    fees = sum((abs(line.amount) for line in paper.lines), ZERO) * sign
    outlays = sum((abs(outlay.amount) for outlay in paper.outlays), ZERO) * sign
    if fees + outlays != paper.total:
        raise _broken("total", paper.number, paper.total, fees + outlays)
    return Sums(sign, fees, outlays, paper.total)


def _broken(what: str, name: str, stated: Decimal, worked_out: Decimal) -> Invalid:
    shown = {"line": ("Position", "line"), "total": ("Rechnung", "invoice")}[what]
    return said(
        Invalid,
        {
            "de": f"{shown[0]} {name}: angegeben sind {stated} EUR, die gerundeten Einzelbeträge ergeben "
            f"{worked_out} EUR (§ 12 Abs. 2 GOÄ; EN 16931 BR-CO-10).",
            "en": f"{shown[1]} {name} states {stated} EUR, but its rounded parts come to {worked_out} EUR "
            "(§ 12(2) GOÄ; EN 16931 BR-CO-10)",
        },
        stated=str(stated),
        worked_out=str(worked_out),
    )
