"""Leaflets, the information sheet and the declaration: versions that a clinic edits, none ever changed.

A clinic's own text counts before the chain's, the chain's before the one that comes with the software.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, RowMapping, insert, select

from services.kit.auth.guard import lacking
from services.kit.auth.principal import ALL_SITES, Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import instant_of
from services.kit.seal import GENESIS
from services.screening.consent.tables import DOCUMENT
from services.screening.consent.words import KINDS
from services.screening.errors import Conflict, NotFound
from services.screening.patients import keeping
from services.screening.patients import store as patients
from services.screening.rules.answers import refused

TEXTS: Final = Path(__file__).with_name("texts")
SHIPPED: Final = "+"  # the site of what came with the software; no site is called so
LANGUAGES: Final = ("de", "en")
MOST_TITLE: Final = 200
MOST_BODY: Final = 40_000
MOST_NOTE: Final = 400


@dataclass(frozen=True, slots=True)
class Document:
    """One version. ``id`` is None for a text of the software that nothing has stood on yet."""

    id: UUID | None
    kind: str
    language: str
    site: str
    number: int
    title: str
    body: str
    note: str
    sha256: str
    at_us: int | None
    by: str

    def shown(self, *, whole: bool = True) -> dict[str, Any]:
        """As programs read it."""
        told = {
            "id": self.id and str(self.id), "kind": self.kind, "language": self.language, "site": self.site,
            "number": self.number, "title": self.title, "note": self.note, "sha256": self.sha256,
            "at": None if self.at_us is None else instant_of(self.at_us).isoformat(), "by": self.by,
        }  # fmt: skip
        return told | {"body": self.body} if whole else told


def shipped(kind: str, language: str) -> Document:
    """The text that comes with the software."""
    told = (TEXTS / f"{kind}.{language}.md").read_text(encoding="utf-8")
    first, _, body = told.partition("\n")
    title = first.removeprefix("# ").strip()
    body = body.strip()
    sha256 = _sha256(kind, language, SHIPPED, title, body)
    return Document(None, kind, language, SHIPPED, 0, title, body, "", sha256, None, "Spondyl")


def current(connection: Connection, kind: str, language: str, site: str) -> Document:
    """The version that counts at a site. Raises NotFound for a kind that there is none of."""
    require_kind(kind, language)
    for place in dict.fromkeys((site, ALL_SITES)):
        query = _of(kind, language, place).order_by(DOCUMENT.c.number.desc()).limit(1)
        if row := connection.execute(query).mappings().first():
            return _document(row)
    return shipped(kind, language)


def versions(connection: Connection, kind: str, language: str, site: str) -> list[Document]:
    """Every version of a site's own text, newest first."""
    query = _of(kind, language, site).order_by(DOCUMENT.c.number.desc())
    return [_document(row) for row in connection.execute(query).mappings()]


def by_id(connection: Connection, document: UUID) -> Document:
    """A version by its id. Raises NotFound."""
    query = select(DOCUMENT).where(DOCUMENT.c.id == str(document))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise _unknown(str(document))
    return _document(row)


def pin(connection: Connection, found: Document) -> Document:
    """The version with an id: one of the software is kept as it is today before anything stands on it."""
    if found.id is not None:
        return found
    held = _of(found.kind, found.language, SHIPPED).where(DOCUMENT.c.sha256 == found.sha256)
    row = connection.execute(held).mappings().first()
    if row is not None:
        return _document(row)
    return _add(connection, found, patients.who_columns(_SOFTWARE))


def save(
    office: Office, who: Principal, kind: str, language: str, site: str, *, title: str, body: str, note: str,
    base: str,
) -> Document:  # fmt: skip
    """A new version of a site's text, on the one that was read (``base``).

    Raises NotFound, Invalid, Conflict.
    """
    require_kind(kind, language)
    require_site(who, site)
    given = checked(title, body)
    kept = keeping.checked_text(note, MOST_NOTE, "note", "Die Bemerkung")
    office.seen(who, "document.changed", f"{kind}.{language}", None if site == ALL_SITES else site)
    with writing(office.engine) as connection:
        before = current(connection, kind, language, site)
        if base != before.sha256:
            raise Conflict(
                f"somebody has changed {kind}.{language} since it was read: version {before.number}",
                {
                    "de": "Jemand hat den Text inzwischen geändert. Laden Sie ihn neu, und tragen Sie Ihre "
                    "Änderung noch einmal ein.",
                    "en": "Somebody has changed the text meanwhile. Load it again and make your change anew.",
                },
            )
        sha256 = _sha256(kind, language, site, *given)
        new = Document(None, kind, language, site, 0, *given, kept, sha256, None, who.name)
        return _add(connection, new, patients.who_columns(who))


def checked(title: str, body: str) -> tuple[str, str]:
    """A title and a text that can be printed. Raises Invalid."""
    heading = keeping.checked_text(title, MOST_TITLE, "title", "Der Titel")
    told = keeping.checked_text(body, MOST_BODY, "body", "Der Text")
    for name, value in (("title", heading), ("body", told)):
        if not value:
            raise refused(name, value, "a document has a title and a text", "ein Dokument hat Titel und Text")
    return heading, told


def require_kind(kind: str, language: str) -> None:
    """Raise NotFound for a document that there is none of."""
    if kind not in KINDS or language not in LANGUAGES:
        raise _unknown(f"{kind[:40]}.{language[:10]}")


def require_site(who: Principal, site: str) -> None:
    """Raise NotPermitted where this one may not edit; the chain's texts are for who may everywhere."""
    sites = who.sites("documents.edit")
    if site == SHIPPED or (sites is not None and site not in sites):
        raise lacking(who, "documents.edit", site)


def overview(office: Office, site: str) -> list[dict[str, Any]]:
    """What counts at a site: a row a document and language."""
    with reading(office.engine) as connection:
        return [
            current(connection, kind, language, site).shown(whole=False)
            for kind in KINDS
            for language in LANGUAGES
        ]


def _add(connection: Connection, new: Document, who: dict[str, Any]) -> Document:
    last = _of(new.kind, new.language, new.site).order_by(DOCUMENT.c.number.desc()).limit(1)
    before = connection.execute(last).mappings().first()
    made = uuid4()
    row = {
        "id": str(made), "kind": new.kind, "language": new.language, "site": new.site,
        "number": before["number"] + 1 if before else 1, "title": new.title, "body": new.body,
        "note": new.note, "sha256": new.sha256, "previous": before["sha256"] if before else GENESIS, **who,
    }  # fmt: skip
    connection.execute(insert(DOCUMENT), row)
    return by_id(connection, made)


def _of(kind: str, language: str, site: str) -> Any:
    columns = DOCUMENT.c
    return select(DOCUMENT).where(columns.kind == kind, columns.language == language, columns.site == site)


def _document(row: RowMapping) -> Document:
    return Document(
        UUID(row["id"]), row["kind"], row["language"], row["site"], row["number"], row["title"], row["body"],
        row["note"], row["sha256"], row["at_us"], row["name"],
    )  # fmt: skip


def _sha256(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _unknown(name: str) -> NotFound:
    return NotFound(
        f"there is no document {name}",
        {"de": f"Ein Dokument {name} gibt es nicht.", "en": f"There is no document {name}."},
    )


_SOFTWARE: Final = Principal("software", "Spondyl", ())
