"""Figures in sentences: the same digits, with the comma of German."""

from decimal import Decimal


def german(figure: Decimal | str | None) -> str:
    """6.82 as 6,82; nothing as a dash."""
    return "-" if figure is None else str(figure).replace(".", ",")
