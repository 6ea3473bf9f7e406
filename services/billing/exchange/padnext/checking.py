"""A delivery held against itself: what the order says of the invoices, and what they say of their positions.

Made and checked in the same run: nothing goes out whose counts, sums, length or checksum disagree.
"""

import hashlib
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from lxml import etree

from services.billing.errors import Invalid, said
from services.billing.exchange.padnext.building import Delivery
from services.billing.exchange.padnext.elements import NAMESPACE, Node
from services.billing.models import CENT

_PAD = {"p": NAMESPACE}


def require_sound(delivery: Delivery, total: Decimal) -> None:
    """Raises Invalid with everything that does not match; ``total``: what the invoices come to."""
    found = [*_order(delivery), *_invoices(delivery, total)]
    if found:
        told = "; ".join(found[:5])
        raise said(
            Invalid,
            {
                "de": f"PADneXt-Lieferung {delivery.name} stimmt mit sich nicht überein: {told}",
                "en": f"PADneXt delivery {delivery.name} disagrees with itself: {told}",
            },
            problems=found,
        )


def _order(delivery: Delivery) -> Iterator[str]:
    order = _parsed(delivery.order)
    files = order.findall("p:datei", _PAD)
    if int(order.get("dateianzahl", "-1")) != len(files):
        yield f"dateianzahl {order.get('dateianzahl')}, {len(files)} x datei"
    for file in files:
        name, length = file.findtext("p:name", "", _PAD), file.find("p:dateilaenge", _PAD)
        if name != delivery.invoices_name:
            yield f"datei {name}, {delivery.invoices_name}"
        checksum = hashlib.sha1(delivery.invoices, usedforsecurity=False).hexdigest()
        stated = [None if length is None else length.get(one) for one in ("laenge", "pruefsumme")]
        wanted = [str(len(delivery.invoices)), checksum]
        if stated != wanted:
            yield f"dateilaenge {stated}, {wanted}"


def _invoices(delivery: Delivery, total: Decimal) -> Iterator[str]:
    invoices = _parsed(delivery.invoices)
    each = invoices.findall("p:rechnung", _PAD)
    if int(invoices.get("anzahl", "-1")) != len(each):
        yield f"anzahl {invoices.get('anzahl')}, {len(each)} x rechnung"
    stated = sum((Decimal(one.get("aisendbetrag", "0")) for one in each), Decimal(0))
    if stated != total:
        yield f"aisendbetrag {stated}, {total}"
    for one in each:
        yield from _positions(one)


def _positions(invoice: Node) -> Iterator[str]:
    """How many positions there are, and whether they come to the invoice's sum."""
    name = invoice.get("aisaktenzeichen") or invoice.get("id")
    holder = invoice.find(".//p:positionen", _PAD)
    positions = [] if holder is None else list(holder)
    counted = None if holder is None else holder.get("posanzahl")
    if counted != str(len(positions)):
        yield f"{name}: posanzahl {counted}, {len(positions)}"
    worked_out = sum((_amount(one) for one in positions), Decimal(0))
    stated = Decimal(invoice.get("aisendbetrag", "0"))
    reduced = sum(one.find("p:minderungssatz", _PAD) is not None for one in positions)
    if abs(worked_out - stated) > reduced * CENT:  # a share of each is rounded, of all of them once
        yield f"{name}: aisendbetrag {stated}, {worked_out}"


def _amount(position: Node) -> Decimal:
    whole = Decimal(position.findtext("p:gesamtbetrag", "0", _PAD))
    share = Decimal(position.findtext("p:minderungssatz", "0", _PAD))
    return whole - (whole * share / 100).quantize(CENT, ROUND_HALF_UP)


def _parsed(data: bytes) -> Node:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
