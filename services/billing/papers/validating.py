"""Whether an invoice holds: marks of the file, its XML against schema and rules, sums, what is printed."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from lxml import etree

from services.billing.papers import archival, arithmetic, schematron
from services.billing.papers.schematron import (
    SCHEMATRON,
    XML,
    XSD,
    Problem,
    against_xsd,
    parsed,
    versions,
)
from services.billing.papers.wording import MINUS, money

__all__ = ["Finding", "Problem", "Report", "problems_of_xml", "report"]

PAGE: Final = "Factur-X 1.0 / ZUGFeRD 2: page and XML are one invoice"
_LONGEST_PRINTED: Final = 200  # of a number or a sum: it becomes a pattern to search with
_NUMBER: Final = "{*}ExchangedDocument/{*}ID"
# What may stand neither before nor after it: 0,68 is no part of 70,68, nor is 2026 one of HH2026-00001.
_PART_OF_SUM: Final = (r"(?<!\d)(?<!\d[.,])", r"(?![.,]?\d)")
_PART_OF_NUMBER: Final = (r"(?<!\d)(?<!\d\.)(?<!\w[-/])", r"(?![-/]?\w)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked, by which standard, and whether it holds."""

    standard: str
    rule: str
    ok: bool
    message: str
    location: str = ""

    def body(self) -> dict[str, Any]:
        """The finding as programs read it."""
        return {
            "standard": self.standard, "rule": self.rule, "ok": self.ok, "message": self.message,
            **({"location": self.location} if self.location else {}),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found of one file."""

    findings: tuple[Finding, ...]
    number: str | None = None
    total: Decimal | None = None
    pages: int = 0
    xml: bytes | None = None

    @property
    def ok(self) -> bool:
        """Whether all holds; a file of which nothing was checked does not."""
        return bool(self.findings) and all(finding.ok for finding in self.findings)

    def body(self) -> dict[str, Any]:
        """The report as programs read it."""
        return {
            "ok": self.ok, "number": self.number, "pages": self.pages,
            "total": None if self.total is None else str(self.total),
            "findings": [finding.body() for finding in self.findings], "checked_with": versions(),
        }  # fmt: skip


def problems_of_xml(xml: bytes) -> list[Problem]:
    """What does not hold, each with its standard; beyond a broken schema nothing more is asked."""
    return begun(xml)()


def begun(xml: bytes) -> Callable[[], list[Problem]]:
    """The same, asked for later: the rules run while the caller sets the page."""
    try:
        root = parsed(xml)
    except etree.XMLSyntaxError as error:
        problem = Problem(XML, "well-formed", str(error))
        return lambda: [problem]
    broken = against_xsd(root)
    if broken:
        return lambda: broken
    rules = schematron.begun(root)
    return lambda: rules.result() + arithmetic.problems(root)


def report(pdf: bytes) -> Report:
    """Everything that can be said of an invoice as a file; never raises for what the file holds."""
    try:
        told = archival.opened(pdf)
    except ValueError as error:
        return Report((Finding(archival.PDF, "readable", ok=False, message=str(error)),))
    found = [_of_mark(mark) for mark in archival.marks(told)]
    try:
        pages = archival.pages_of(told)
    except ValueError as error:
        found.append(Finding(archival.PDF, "pages", ok=False, message=str(error)))
        pages = []
    if told.xml is None:
        return Report(tuple(found), pages=len(pages))
    problems = problems_of_xml(told.xml)
    found.extend(_of_problems(problems))
    if any(problem.standard in (XML, XSD) for problem in problems):
        return Report(tuple(found), pages=len(pages), xml=told.xml)
    root = parsed(told.xml)
    number, total = (root.findtext(_NUMBER) or "").strip(), _total(root)
    found.extend(_printed("\n".join(pages), number, total))
    return Report(tuple(found), number, total, len(pages), told.xml)


def _of_mark(mark: archival.Mark) -> Finding:
    message = mark.wanted if mark.fault is None else f"{mark.wanted}: {mark.fault}"
    return Finding(mark.standard, mark.rule, mark.fault is None, message)


def _of_problems(problems: list[Problem]) -> Iterator[Finding]:
    """Each fatal problem; a standard without one holds, unless an earlier one kept it from being asked."""
    for standard in (XML, XSD, SCHEMATRON, arithmetic.STANDARD):
        mine = [one for one in problems if one.standard == standard]
        fatal = [one for one in mine if one.fatal]
        for one in mine:
            yield Finding(standard, one.rule, not one.fatal, one.message, one.location)
        if not fatal:
            yield Finding(standard, "all", ok=True, message="holds")
        elif standard in (XML, XSD):
            return


def _total(root: etree._Element) -> Decimal | None:
    try:
        return arithmetic.due(root)
    except InvalidOperation:
        return None


def _printed(pages: str, number: str, total: Decimal | None) -> Iterator[Finding]:
    """The page shows the same number and sum: nobody can be sent one and book another."""
    there = _stands(number, pages, _PART_OF_NUMBER)
    message = f"prints the invoice number {number}" if there else f"does not print the number {number}"
    yield Finding(PAGE, "BT-1", there, message)
    if total is not None:
        forms = {money(total, "de"), money(total, "en"), f"{total:.2f}", f"{total:.2f}".replace(".", ",")}
        shown = any(_stands(form.replace(MINUS, "-"), pages, _PART_OF_SUM) for form in forms)
        message = f"prints the sum {total}" if shown else f"does not print the sum {total}"
        yield Finding(PAGE, "BT-115", shown, message)


def _stands(words: str, pages: str, part_of: tuple[str, str]) -> bool:
    """Whether it is printed, broken anywhere, and not as a part of something longer."""
    if len(words) > _LONGEST_PRINTED:
        return False
    before, after = part_of
    wanted = r"\s*".join(re.escape(sign) for sign in "".join(words.split()))
    return bool(re.search(before + wanted + after, pages.replace(MINUS, "-")))
