"""Files that may be of one person: noticed when one is opened, and listed for whoever may merge them.

Looked for among files of the same birth date, of the same name, and of the same insurance number; a pair that
somebody has told apart is not shown again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, or_, select

from services.kit.auth.principal import Principal, Sites
from services.screening.errors import Conflict
from services.screening.patients.folding import name_key
from services.screening.patients.models import Content
from services.screening.patients.tables import DISTINCT, PATIENT

# How much says that two files are of one person; the sum is capped at 100.
LEAST: Final = 85.0
SAME_DAY: Final = 40.0  # what the same birth date says
NEAR_DAY: Final = 25.0  # one digit typed wrongly, or day and month turned round
SAME_NUMBER: Final = 60.0  # the same insurance number
NAME: Final = 0.6  # a name that is the same: 60
LEAST_NAME: Final = 45.0  # less alike names cannot make a pair, whatever else is the same
MOST_PAIRS: Final = 100
MOST_LOOKED_AT: Final = 200_000  # pairs of a reason: 50 000 files have about as many of one birth date
Row = Mapping[Any, Any]
COMPARED: Final = ("id", "folded", "birth_date", "insurance_number")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two files that may be of one person."""

    one: RowMapping
    other: RowMapping
    score: float


def likeness(one: Row, other: Row) -> float:
    """How much speaks for one person, 0 to 100."""
    name = NAME * _names(one["folded"], other["folded"])
    same_number = one["insurance_number"] and one["insurance_number"] == other["insurance_number"]
    return min(
        100.0, name + _day(one["birth_date"], other["birth_date"]) + (SAME_NUMBER if same_number else 0.0)
    )


def _names(one: str, other: str) -> float:
    """How alike two names are, 0 to 100: half of it is their least alike word, or twins would be one."""
    from rapidfuzz import fuzz

    whole = fuzz.token_sort_ratio(one, other)
    fewer, more = sorted((one.split(), other.split()), key=len)
    if not fewer or whole < LEAST_NAME:
        return whole
    return (whole + min(max(fuzz.ratio(word, each) for each in more) for word in fewer)) / 2


def _day(one: str, other: str) -> float:
    if one == other:
        return SAME_DAY
    turned = one[:5] + one[8:] + "-" + one[5:7] == other
    wrong = sum(first != second for first, second in zip(one, other, strict=True))
    return NEAR_DAY if turned or wrong == 1 else 0.0


def of_content(
    connection: Connection, site: str, content: Content, most: int = 5
) -> list[tuple[RowMapping, float]]:
    """The files of a site that this new one may be a duplicate of, the likeliest first."""
    folded = name_key(content.family_name, content.given_name)
    new = {
        "folded": folded, "birth_date": content.birth_date.isoformat(),
        "insurance_number": content.insurance_number or None,
    }  # fmt: skip
    reasons: list[ColumnElement[bool]] = [
        PATIENT.c.folded == folded, PATIENT.c.birth_date == new["birth_date"],
    ]  # fmt: skip
    if content.insurance_number:
        reasons.append(PATIENT.c.insurance_number == content.insurance_number)
    query = select(PATIENT).where(PATIENT.c.site == site, PATIENT.c.merged_into.is_(None), or_(*reasons))
    rows = connection.execute(query.limit(MOST_LOOKED_AT)).mappings()
    scored = [(row, likeness(new, row)) for row in rows]
    found = [(row, score) for row, score in scored if score >= LEAST]
    return sorted(found, key=lambda pair: -pair[1])[:most]


def require_none(connection: Connection, who: Principal, site: str, content: Content) -> None:
    """Raises Conflict that names them, as far as this one may see them."""
    found = of_content(connection, site, content)
    if not found or not who.may("patients.see", site):
        return
    rows = [
        {"patient": row["id"], "score": round(score), "family_name": row["family_name"],
         "given_name": row["given_name"], "birth_date": row["birth_date"]}
        for row, score in found
    ]  # fmt: skip
    first = rows[0]
    day = date.fromisoformat(first["birth_date"])
    name = f"{first['family_name']}, {first['given_name']}"
    raise Conflict(
        f"there is a file that may be of the same person: {first['patient']}",
        {
            "de": f"Es gibt eine Akte, die dieselbe Person sein kann: {name}, geboren am {day:%d.%m.%Y}.",
            "en": f"There is a file that may be of the same person: {name}, born {day}.",
        },
        {"duplicates": rows},
    )


def pairs(connection: Connection, sites: Sites, most: int = MOST_PAIRS) -> list[Pair]:
    """Pairs of one site that may be one person, the likeliest first."""
    found: dict[tuple[str, str], float] = {}
    for one, other in _looked_at(connection, sites):
        if (score := likeness(one, other)) >= LEAST:
            found[one["id"], other["id"]] = score
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
    rows = _rows(connection, sorted({each for pair, _ in ranked for each in pair}))
    return [Pair(rows[one], rows[other], score) for (one, other), score in ranked]


def _looked_at(connection: Connection, sites: Sites) -> Iterator[tuple[Row, Row]]:
    one, other = PATIENT.alias("one"), PATIENT.alias("other")
    apart = exists().where(
        or_(
            and_(DISTINCT.c.one == one.c.id, DISTINCT.c.other == other.c.id),
            and_(DISTINCT.c.one == other.c.id, DISTINCT.c.other == one.c.id),
        )
    )
    shown = [each.c[name] for each in (one, other) for name in COMPARED]
    for column in ("birth_date", "folded", "insurance_number"):
        query = (
            select(*shown)
            .join(other, and_(one.c[column] == other.c[column], one.c.site == other.c.site))
            .where(one.c.number < other.c.number, one.c.merged_into.is_(None), other.c.merged_into.is_(None))
            .where(one.c[column].is_not(None), ~apart)
            .limit(MOST_LOOKED_AT)
        )
        if sites is not None:
            query = query.where(one.c.site.in_(sorted(sites)))
        for row in connection.execute(query):
            half = len(COMPARED)
            yield dict(zip(COMPARED, row[:half], strict=True)), dict(zip(COMPARED, row[half:], strict=True))


def _rows(connection: Connection, ids: Sequence[str]) -> dict[str, RowMapping]:
    found: dict[str, RowMapping] = {}
    for at in range(0, len(ids), 500):
        query = select(PATIENT).where(PATIENT.c.id.in_(ids[at : at + 500]))
        found |= {row["id"]: row for row in connection.execute(query).mappings()}
    return found
