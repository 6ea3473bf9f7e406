"""What a service costs: points times point value times factor, rounded once, and whether that factor may be.

§ 5 Abs. 1 GOÄ: fractions of a cent below a half are cut off, others made up. Rounding the simple rate first
would give 4.19 for number 538 at 1.8 in place of 4.20.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final, Literal

from services.billing.errors import Invalid, said
from services.billing.goae.catalogue import Catalogue, Frame, Item
from services.billing.goae.figures import german
from services.billing.goae.lines import LARGEST_COUNT, LARGEST_FACTOR, Line
from services.kit.language import Text

Verdict = Literal["forbidden", "justification", "fine", "note"]
Kind = Literal["private", "self", "standard"]
Treatment = Literal["outpatient", "inpatient", "attending"]

CENT: Final = Decimal("0.01")
LOWEST_FACTOR: Final = Decimal(1)
FINEST_FACTOR: Final = Decimal("0.0001")
REDUCTIONS: Final[dict[Treatment, Decimal]] = {
    "outpatient": Decimal(0),
    "inpatient": Decimal("0.25"),  # § 6a Abs. 1 Satz 1
    "attending": Decimal("0.15"),  # § 6a Abs. 1 Satz 2: Belegärzte and doctors in their own practice
}
_TYPED: Final = re.compile(r"[0-9]{1,9}([.][0-9]{1,9})?")
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)  # whatever precision the caller's thread has


@dataclass(frozen=True, slots=True)
class Price:
    """What one service at one factor costs, and what the law says of that factor."""

    number: str
    name: str
    section: str
    points: int
    point_value_ct: Decimal
    simple: Decimal  # the simple rate, rounded: to be shown, never to be multiplied
    factor: Decimal
    threshold: Decimal
    maximum: Decimal  # of what holds here: the cap of the Standardtarif, when it is one
    count: int
    each: Decimal
    amount: Decimal  # each times count
    verdict: Verdict
    paragraph: str
    text: Text

    def body(self) -> dict[str, Any]:
        """The price as programs read it: money and factors are text, so that nobody rounds them again."""
        return {
            "number": self.number, "name": self.name, "section": self.section, "points": self.points,
            "point_value_ct": str(self.point_value_ct), "simple": str(self.simple),
            "factor": str(self.factor), "threshold": str(self.threshold), "maximum": str(self.maximum),
            "count": self.count, "each": str(self.each), "amount": str(self.amount),
            "verdict": self.verdict, "paragraph": self.paragraph,
            "text_de": self.text["de"], "text_en": self.text["en"],
        }  # fmt: skip


def amount(points: int, point_value_ct: Decimal, factor: Decimal) -> Decimal:
    """Euros of one service, rounded once, half up."""
    cents = _EXACT.multiply(_EXACT.multiply(Decimal(points), point_value_ct), factor)
    return _EXACT.quantize(_EXACT.scaleb(cents, -2), CENT)


def added(amounts: Iterable[Decimal]) -> Decimal:
    """The sum, to the cent, whatever precision the caller's thread has."""
    whole = Decimal("0.00")
    for one in amounts:
        whole = _EXACT.add(whole, one)
    return whole


def read_factor(typed: object) -> Decimal:
    """A factor from what somebody typed, "2,3" as well as "2.3". Raises Invalid."""
    found = str(typed).strip().replace(",", ".")
    if not _TYPED.fullmatch(found):
        raise _no_factor(typed)
    return checked_factor(Decimal(found))


def checked_factor(factor: Decimal) -> Decimal:
    """The factor, if one can be calculated with. Raises Invalid for 0, less, too much, NaN."""
    if not factor.is_finite() or not 0 < factor <= LARGEST_FACTOR:
        raise _no_factor(factor)
    if factor != _EXACT.quantize(factor, FINEST_FACTOR):
        raise _no_factor(factor)
    return factor


def _no_factor(typed: object) -> Invalid:
    shown = str(typed)[:20]
    words: Text = {
        "de": f"Der Faktor ist {shown!r}: eine Zahl über 0 bis {LARGEST_FACTOR}, höchstens vier Stellen nach "
        f"dem Komma; § 5 GOÄ beginnt beim Einfachen.",
        "en": f"factor is {shown!r}: a number above 0 and at most {LARGEST_FACTOR}, with at most four "
        f"decimals; § 5 GOÄ begins at 1",
    }
    return said(Invalid, words, factor=shown)


def price(
    catalogue: Catalogue,
    item: Item,
    factor: Decimal | None = None,
    kind: Kind = "private",
    *,
    count: int = 1,
    agreed: bool = False,
) -> Price:
    """What ``count`` of it cost at ``factor`` (its threshold unless told), and whether that may be.

    ``agreed``: under a fee agreement by § 2. Raises Invalid for a factor or count that is none.
    """
    if not 1 <= count <= LARGEST_COUNT:
        words: Text = {
            "de": f"Die Anzahl ist {count}: eine ganze Zahl von 1 bis {LARGEST_COUNT}.",
            "en": f"count is {count}: a whole number from 1 to {LARGEST_COUNT}",
        }
        raise said(Invalid, words, count=count)
    frame = item.frame
    highest = min(frame.maximum, frame.standard_tariff) if kind == "standard" else frame.maximum
    chosen = min(frame.threshold, highest) if factor is None else checked_factor(factor)
    verdict, paragraph, text = _judged(frame, chosen, kind, highest, agreed=agreed)
    each = amount(item.points, catalogue.point_value_ct, chosen)
    return Price(
        item.number, item.name, item.section, item.points, catalogue.point_value_ct,
        amount(item.points, catalogue.point_value_ct, LOWEST_FACTOR), chosen, frame.threshold, highest,
        count, each, _EXACT.multiply(each, Decimal(count)), verdict, paragraph, text,
    )  # fmt: skip


def of_line(catalogue: Catalogue, line: Line, kind: Kind = "private") -> Price:
    """What a line costs by the catalogue of its day. Raises Invalid for an unknown number."""
    return price(
        catalogue, catalogue.item(line.number), line.factor, kind, count=line.count, agreed=line.agreed
    )


def _judged(
    frame: Frame, factor: Decimal, kind: Kind, highest: Decimal, *, agreed: bool
) -> tuple[Verdict, str, Text]:
    """What the law says of a factor: the first row that applies."""
    outside = not LOWEST_FACTOR <= factor <= highest
    own, by_agreement = frame.paragraph, frame.agreement_paragraph
    rows: tuple[tuple[bool, Verdict, str, str], ...] = (
        (agreed and not frame.agreement, "forbidden", by_agreement, "no-agreement"),
        (kind == "standard" and factor > highest, "forbidden", "§ 5b GOÄ", "beyond-standard"),
        (agreed and (outside or factor > frame.threshold), "fine", by_agreement, "by-agreement"),
        (factor > highest and not frame.agreement, "forbidden", own, "beyond"),
        (factor > highest, "forbidden", own, "beyond-without-agreement"),
        (factor < LOWEST_FACTOR, "forbidden", own, "below"),
        (factor > frame.threshold, "justification", "§ 12 Abs. 3 GOÄ", "above"),
        (True, "fine", own, "inside"),
    )
    verdict, paragraph, saying = next(row[1:] for row in rows if row[0])
    return verdict, paragraph, _said(saying, frame, factor, highest)


def _said(saying: str, frame: Frame, factor: Decimal, highest: Decimal) -> Text:
    """The sentence in both languages, with the comma of German."""
    threshold = min(frame.threshold, highest)  # the cap of § 5b lies below it
    figures = {"factor": factor, "maximum": frame.maximum, "threshold": threshold, "highest": highest}
    texts = {"own": frame.paragraph, "by": frame.agreement_paragraph}
    words = _SAYINGS[saying]
    return {
        "de": words["de"].format(
            section=frame.name["de"], **texts, **{name: german(value) for name, value in figures.items()}
        ),
        "en": words["en"].format(section=frame.name["en"], **texts, **figures),
    }


_SAYINGS: Final[dict[str, Text]] = {
    "no-agreement": {
        "de": "Faktor {factor}: Für {section} ist eine Honorarvereinbarung unzulässig; 1 bis {maximum}.",
        "en": "factor {factor}: no fee agreement is allowed for {section}; 1 to {maximum}",
    },
    "beyond-standard": {
        "de": "Faktor {factor}: im Standardtarif höchstens {highest} ({section}).",
        "en": "factor {factor}: at most {highest} in the Standardtarif ({section})",
    },
    "by-agreement": {
        "de": "Faktor {factor} nach schriftlicher Vereinbarung vor der Leistung.",
        "en": "factor {factor} by a written agreement made before the service",
    },
    "beyond": {
        "de": "Faktor {factor}: höchstens {maximum} ({section}); eine Vereinbarung darüber ist "
        "unzulässig ({by}).",
        "en": "factor {factor}: at most {maximum} ({section}); no agreement may go beyond ({by})",
    },
    "beyond-without-agreement": {
        "de": "Faktor {factor}: höchstens {maximum} ({section}); darüber nur nach schriftlicher "
        "Vereinbarung vor der Leistung ({by}).",
        "en": "factor {factor}: at most {maximum} ({section}); above it only by a written agreement "
        "made before the service ({by})",
    },
    "below": {
        "de": "Faktor {factor}: mindestens 1 ({own}); darunter nur nach schriftlicher Vereinbarung, wo "
        "§ 2 GOÄ eine zulässt.",
        "en": "factor {factor}: at least 1 ({own}); below it only by a written agreement, where § 2 GOÄ "
        "allows one",
    },
    "above": {
        "de": "Faktor {factor} über {threshold} ({section}): für diese Leistung schriftlich und verständlich "
        "zu begründen.",
        "en": "factor {factor} above {threshold} ({section}): a written reason for this service that whoever "
        "pays can follow",
    },
    "inside": {
        "de": "Faktor {factor}, bis {threshold} ohne Begründung ({section}).",
        "en": "factor {factor}, up to {threshold} without a reason ({section})",
    },
}


@dataclass(frozen=True, slots=True)
class Reduction:
    """What § 6a takes off, to be shown on the invoice (§ 12 Abs. 2 Nr. 3)."""

    share: Decimal
    fees: Decimal
    taken_off: Decimal
    left: Decimal


def reduced(fees: Sequence[Decimal], treatment: Treatment, printed: Decimal | None = None) -> Reduction:
    """The fees of an invoice less § 6a; outlays by § 10 are not among them (§ 6a Abs. 2).

    The law does not say whether each fee or their sum is reduced: what is printed may be rounded either way.
    """
    whole = added(fees)
    share = REDUCTIONS[treatment]
    taken_off = _cents(whole, share)
    by_line = added(_cents(fee, share) for fee in fees)
    if printed == by_line:
        taken_off = by_line
    return Reduction(share, whole, taken_off, _EXACT.subtract(whole, taken_off))


def _cents(fee: Decimal, share: Decimal) -> Decimal:
    return _EXACT.quantize(_EXACT.multiply(fee, share), CENT)
