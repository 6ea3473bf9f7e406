"""Finding a patient as somebody types: candidates from an index of letters, ranked by how alike they are.

A name may hold typing errors, lack its umlauts, be turned round or be half typed; a birth date may be written
any way. The database narrows 50 000 files to a few hundred by shared groups of three letters (as pg_trgm
does, on SQLite too); only those are compared letter by letter.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, and_, func, or_, select

from services.kit.auth.principal import Sites
from services.screening.errors import Invalid
from services.screening.patients import store
from services.screening.patients.folding import dates_in, fold, grams
from services.screening.patients.tables import GRAM, PATIENT

MOST_QUERY: Final = 200
CANDIDATES: Final = 300
LEAST_SHARE: Final = 0.3  # of the query's groups of letters that a candidate has
LEAST_ALIKE: Final = 65.0  # of 100: Meyer and Maier are 80
LEAST_BEGUN: Final = 3  # letters of a beginning that may have an error
MOST_ROWS: Final = 100
_NUMBERED: Final = 4  # digits that an insurance number has at least


@dataclass(frozen=True, slots=True)
class Hit:
    """A file that was found; ``through`` is the merged file's name that it was found by."""

    row: RowMapping
    score: float
    through: str | None = None


def page(
    connection: Connection, sites: Sites, *, site: str, after: str, count: int
) -> tuple[list[RowMapping], str]:
    """Files in the order of their names, and the cursor of the next page (empty: none)."""
    query = select(PATIENT).where(PATIENT.c.merged_into.is_(None), *_at(sites, site))
    if after:
        name, number = _cursor(after)
        behind = or_(PATIENT.c.folded > name, and_(PATIENT.c.folded == name, PATIENT.c.number > number))
        query = query.where(behind)
    query = query.order_by(PATIENT.c.folded, PATIENT.c.number).limit(count + 1)
    rows = list(connection.execute(query).mappings())
    return rows[:count], _cursor_at(rows[count - 1]) if len(rows) > count else ""


def _cursor_at(row: RowMapping) -> str:
    """For a header, which takes no other letters than Latin ones."""
    return f"{row['number']}.{urlsafe_b64encode(row['folded'].encode()).decode()}"


def _cursor(text: str) -> tuple[str, int]:
    number, _, name = text.partition(".")
    try:
        if not number.isascii() or len(number) > len("9" * 18):
            raise ValueError  # noqa: TRY301  (as the decoding does)
        return urlsafe_b64decode(name.encode("ascii")).decode(), int(number)
    except ValueError:
        english = f"the cursor is {text[:40]!r}: take it from the header spondyl-next-cursor of a list"
        raise Invalid(english, {"de": "Diese Seite der Liste gibt es nicht.", "en": english}) from None


def _at(sites: Sites, site: str) -> list[Any]:
    """Conditions that keep to where one may see, and to the site that was asked for."""
    found: list[Any] = [] if sites is None else [PATIENT.c.site.in_(sorted(sites))]
    return [*found, PATIENT.c.site == site] if site else found


def search(connection: Connection, sites: Sites, query: str, *, site: str = "", most: int = 20) -> list[Hit]:
    """The files that are meant, the likeliest first; by the id of one that one alone."""
    text = query[:MOST_QUERY].replace("\0", " ").strip()
    if not text:
        return []
    if found := _by_id(connection, sites, text):
        return [found]
    days, rest = dates_in(text)
    folded = fold(rest)
    rows = _candidates(connection, sites, site, folded, days, text)
    return _resolved(connection, sites, _ranked(rows, folded, days, text), most)


def _by_id(connection: Connection, sites: Sites, text: str) -> Hit | None:
    with suppress(ValueError):
        row = store.row_of(connection, UUID(text))
        if row is not None and (sites is None or row["site"] in sites):
            head = store.survivor(connection, UUID(row["id"]))
            return Hit(head, 100.0) if head is not None else None
    return None


def _candidates(
    connection: Connection, sites: Sites, site: str, folded: str, days: Iterable[date], text: str
) -> list[RowMapping]:
    """Rows worth comparing: by birth date, by insurance number, by letters."""
    found: dict[int, RowMapping] = {}
    texts = [day.isoformat() for day in days]
    questions: list[Select[Any]] = []
    if texts:
        questions.append(select(PATIENT).where(PATIENT.c.birth_date.in_(texts)))
    if sum(letter.isdigit() for letter in text) >= _NUMBERED:
        questions.append(select(PATIENT).where(PATIENT.c.insurance_number == text))
    if folded:
        alike = _alike(sites, site, folded)
        questions.append(select(PATIENT).join(alike, alike.c.number == PATIENT.c.number))
    for question in questions:
        narrowed = question.where(*_at(sites, site)).limit(CANDIDATES)
        found |= {row["number"]: row for row in connection.execute(narrowed).mappings()}
    return list(found.values())


def _alike(sites: Sites, site: str, folded: str) -> Any:
    """The numbers of those that share most groups of letters with what was typed."""
    asked = grams(folded, ending=False) | grams(folded)
    shared = func.count().label("shared")
    query = select(GRAM.c.number, shared).where(GRAM.c.gram.in_(sorted(asked)))
    wanted = {site} if site else None if sites is None else sites
    if wanted is not None:
        query = query.where(GRAM.c.site.in_(sorted(wanted)))
    least = max(1, int(len(grams(folded, ending=False)) * LEAST_SHARE))
    grouped = query.group_by(GRAM.c.number).having(func.count() >= least)
    return grouped.order_by(shared.desc(), GRAM.c.number).limit(CANDIDATES).subquery()


def _ranked(rows: Sequence[RowMapping], folded: str, days: Iterable[date], text: str) -> list[Hit]:
    """The rows that are alike enough, by likeness and then by name."""
    born = {day.isoformat() for day in days}
    hits = []
    for row in rows:
        score = 100.0 if row["insurance_number"] == text else alike(folded, row["folded"])
        if born:
            on_that_day = row["birth_date"] in born
            score = (score + 100.0) / 2 if on_that_day else score - 20.0
            score = max(score, 70.0) if on_that_day and not folded else score
        if score >= LEAST_ALIKE:
            hits.append(Hit(row, score))
    first = folded.partition(" ")[0]

    def order(hit: Hit) -> tuple[float, bool, str, int]:
        name = hit.row["folded"]
        return -hit.score, not name.startswith(first), name, hit.row["number"]  # family names come first

    return sorted(hits, key=order)


def alike(asked: str, name: str) -> float:
    """How well what was typed fits a folded name, 0 to 100: each typed word by its best word of the name.

    A word may be the beginning of a name's; first the whole names count, for `hans peter` and `hanspeter`.
    """
    from rapidfuzz import fuzz

    words, parts = asked.split(), name.split()
    if not words or not parts:
        return 0.0
    each = [max(_word(word, part) for part in parts) for word in words]
    weight = sum(map(len, words))
    by_word = sum(score * len(word) for score, word in zip(each, words, strict=True)) / weight
    whole = fuzz.ratio(asked.replace(" ", ""), name.replace(" ", ""))
    return max(min(by_word, 55.0) if min(each) < 45.0 else by_word, whole)  # noqa: PLR2004  (one word is another's)


def _word(word: str, part: str) -> float:
    """A typed word against a word of a name: the same, its beginning, or nearly so."""
    from rapidfuzz import fuzz
    from rapidfuzz.distance import DamerauLevenshtein

    if part == word:
        return 100.0
    if part.startswith(word):
        return 97.0
    edits = 100.0 * DamerauLevenshtein.normalized_similarity(word, part)
    is_longer = len(part) > len(word) >= LEAST_BEGUN
    return max(edits, 0.95 * fuzz.ratio(word, part[: len(word)]) if is_longer else 0.0)


def _resolved(connection: Connection, sites: Sites, hits: Sequence[Hit], most: int) -> list[Hit]:
    """Each file once: what was merged stands for the file that it was merged into."""
    found: dict[str, Hit] = {}
    for hit in hits:
        row, through = hit.row, None
        if row["merged_into"] is not None:
            head = store.survivor(connection, UUID(row["id"]))
            if head is None or (sites is not None and head["site"] not in sites):
                continue
            through = f"{row['family_name']}, {row['given_name']}"
            row = head
        found.setdefault(row["id"], Hit(row, hit.score, through))
        if len(found) >= most:
            break
    return list(found.values())
