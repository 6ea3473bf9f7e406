"""How fast invoices are issued: words, XML, schema, rules and sums, page and metadata.

Issuing lets rules and page overlap; the share of each step is timed apart, one after the other, on a sample.
The page is measured beside WeasyPrint, which sets the same page from the same values with the same fonts, in
turns. Every file is then opened again and looked at as a recipient would.
"""

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from statistics import median
from typing import Any, Final

from services.billing.benches import cures, peer
from services.billing.errors import Invalid
from services.billing.models import Paper
from services.billing.papers import (
    arithmetic,
    content,
    einvoice,
    issuing,
    rendering,
    schematron,
    validating,
    xmp,
)

GOAL_RATIO: Final = 0.5
PEER_ROUNDS: Final = 7
STEPPED: Final = 50  # invoices whose steps are timed one by one
_NAMED: Final = ("typst", "factur-x", "saxonche", "lxml", "segno", "pypdf", "weasyprint")


def measure(count: int, verified: int, rounds: int = PEER_ROUNDS) -> dict[str, Any]:
    """Issue so many invoices, open ``verified`` of them again, and set one page beside WeasyPrint's."""
    papers = list(cures.papers(count))
    _stepped(papers[0], {})  # (compiles the rules and reads the fonts: once in the life of a process)
    files: list[bytes] = []
    refusals: list[str] = []
    begun = time.perf_counter()
    for paper in papers:
        try:
            files.append(issuing.document(paper).pdf)
        except Invalid as error:
            refusals.append(str(error))
    took = time.perf_counter() - begun
    again = files[:: max(1, count // verified)] if verified else []
    refused = sum(not validating.report(pdf).ok for pdf in again)
    steps: dict[str, float] = {}
    for paper in papers[:: max(1, count // STEPPED)]:
        _stepped(paper, steps)
    whole = sum(steps.values())
    ratio = _beside_peer(papers[0], rounds) if rounds and find_spec("weasyprint") else None
    invalid = len(refusals) + refused
    return {
        "invoices": count,
        "lines": sum(len(paper.lines) for paper in papers),
        "invoices_per_s": round(count / took, 2),
        "invalid": invalid,
        "verified_again": len(again),
        "refusals": refusals[:5],
        "mb": round(sum(len(pdf) for pdf in files) / 1e6, 2),
        "share_of_time": {name: round(spent / whole, 3) for name, spent in steps.items()},
        "ratio_to_weasyprint": ratio and ratio["ratio"],
        "page": ratio,
        "goal_ratio": GOAL_RATIO,
        "versions": _versions(),
        "ok": invalid == 0 and (ratio is None or ratio["ratio"] <= GOAL_RATIO),
    }


def words(result: dict[str, Any]) -> str:
    """The same for a person."""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in result["share_of_time"].items())
    page = result["page"]
    beside = (
        f"page {page['ours_ms']} ms, WeasyPrint {page['weasyprint_ms']} ms: "
        f"ratio {page['ratio']} (goal <= {GOAL_RATIO})"
        if page
        else "WeasyPrint is not installed: no ratio"
    )
    return (
        f"{result['invoices']} invoices, {result['lines']} lines: {result['invoices_per_s']} a second, "
        f"{result['mb']} MB, {result['invalid']} invalid ({result['verified_again']} opened again)\n"
        f"  {shares}\n  {beside}"
    )


def _stepped(paper: Paper, steps: dict[str, float]) -> None:
    """What issuing does, one step after the other with a clock; issuing lets rules and page overlap."""

    def timed(name: str, step: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        made = step()
        steps[name] = steps.get(name, 0.0) + time.perf_counter() - begun
        return made

    values = timed("words", lambda: content.invoice(paper, language="de", is_copy=False))
    xml = timed("xml", lambda: einvoice.xml(paper))
    root = timed("parse", lambda: schematron.parsed(xml))
    timed("xsd", lambda: schematron.against_xsd(root))
    timed("schematron", lambda: schematron.against_schematron(root))
    timed("sums", lambda: arithmetic.problems(root))
    page = timed("page", lambda: rendering.page("invoice", values, paper.issued_on, xml=xml.decode()))
    timed("metadata", lambda: xmp.with_invoice_properties(page))


def _beside_peer(paper: Paper, rounds: int) -> dict[str, Any]:
    """The median time of one page, ours and WeasyPrint's in turns; each page has another number."""
    values = content.invoice(paper, language="de", is_copy=False)
    ours: list[float] = []
    theirs: list[float] = []
    for at in range(rounds + 1):
        told = {**values, "title": f"{values['title']}-{at}"}
        ours.append(_took(partial(rendering.page, "invoice", told, paper.issued_on)))
        theirs.append(_took(partial(peer.pdf, told)))
    page, other = median(ours[1:]), median(theirs[1:])  # the first of each reads its fonts
    return {
        "ours_ms": round(page * 1e3, 2), "weasyprint_ms": round(other * 1e3, 2), "rounds": rounds,
        "ratio": round(page / other, 3), "same": "text, table, code, fonts, PDF/A-3b, no XML",
    }  # fmt: skip


def _took(step: Callable[[], object]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def _versions() -> dict[str, str]:
    found = {}
    for name in _NAMED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
