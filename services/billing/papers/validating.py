"""Whether an invoice holds: its XML against schema, rules and its own sums."""

from lxml import etree

from services.billing.papers import arithmetic
from services.billing.papers.schematron import (
    XML,
    Problem,
    against_schematron,
    against_xsd,
    parsed,
)

__all__ = ["Problem", "problems_of_xml"]


def problems_of_xml(xml: bytes) -> list[Problem]:
    """What does not hold, each with its standard; beyond a broken schema nothing more is asked."""
    try:
        root = parsed(xml)
    except etree.XMLSyntaxError as error:
        return [Problem(XML, "well-formed", str(error))]
    broken = against_xsd(root)
    if broken:
        return broken
    return against_schematron(xml) + arithmetic.problems(root)
