"""Takes what practice systems write: each record once, into a patient's file, the list of doubts, or back."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.language import Text
from services.kit.moments import now_us
from services.screening.errors import Conflict, NotFound
from services.screening.exchange import store
from services.screening.exchange.errors import GdtUnreadable
from services.screening.exchange.gdt.folders import Claimed, Folder, read_claimed
from services.screening.exchange.gdt.people import Person, person_of
from services.screening.exchange.gdt.reading import Record, read
from services.screening.exchange.matching import Decision, decide, merged
from services.screening.patients import keeping, parts
from services.screening.patients.models import Content, File
from services.screening.patients.models import read as read_content
from services.screening.patients.store import change_row, current, family, lock, put_version

log = structlog.get_logger(__name__)

EXCHANGE: Final = Principal("gdt", "GDT", ())  # who opens and changes files by itself
TAKEN_KINDS: Final = frozenset({"6301", "6302"})
REASON: Final = "GDT"


def take(office: Office, folder: Folder, site: str, claimed: Claimed) -> None:
    """Settle one file: every record of it, then the file itself; after a crash again, to the same end."""
    content = read_claimed(claimed)
    if content is None:
        return  # somebody still writes to it
    try:
        found = read(content)
    except GdtUnreadable as error:
        words = error.words or {"de": error.message, "en": error.message}
        _put(office, claimed, 0, site, "", {"state": "rejected", **_why(words)})
        folder.settle(claimed, _said(words))
        return
    refusals = [
        why
        for place, record in enumerate(found.records)
        if (why := _record(office, claimed, place, site, record, found.warnings if place == 0 else []))
    ]
    folder.settle(claimed, "\n".join(map(_said, refusals)) if refusals else None)


def put_aside(office: Office, folder: Folder, site: str, claimed: Claimed) -> None:
    """Reject a file that nobody foresaw, or it would keep all others waiting."""
    _put(office, claimed, 0, site, "", {"state": "rejected", **_why(_UNFORESEEN)})
    folder.settle(claimed, _said(_UNFORESEEN))


def _record(
    office: Office, claimed: Claimed, place: int, site: str, record: Record, warnings: list[str]
) -> Text | None:
    """Take one record; why not, where it is rejected."""
    person = person_of(record)
    row: dict[str, Any] = {
        "number": (person.number or "")[:200] or None,
        "request": (record.first("8402") or record.first("8410") or "")[:200] or None,
        "warnings": [*warnings, *person.warnings],
    }
    if record.kind not in TAKEN_KINDS:
        why = _not_taken(record.kind)
        _put(office, claimed, place, site, record.kind, {**row, "state": "rejected", **_why(why)})
        return why
    with reading(office.engine) as connection:
        planned = decide(connection, site, store.GDT, row["number"], person.fields)
    patient = planned.file.patient if planned.file else uuid4() if planned.do == "open" else None
    if planned.do in ("open", "change"):
        action = "patient.opened" if planned.do == "open" else "patient.changed"
        office.seen(EXCHANGE, action, str(patient), site, file=str(claimed.id))
    with writing(office.engine) as connection:
        if store.taken(connection, claimed.id, place) is not None:
            return None  # before a crash
        decision = decide(connection, site, store.GDT, row["number"], person.fields)
        done = _apply(office, connection, site, decision, person, patient)
        store.put_taken(connection, {**_head(claimed, place, site, record.kind), **row, **done})
    office.outbox.woken.set()
    return decision.why if decision.do == "reject" else None


def _apply(
    office: Office, connection: Connection, site: str, decision: Decision, person: Person, fresh: UUID | None
) -> dict[str, Any]:
    """Do it; gives what the row says of it."""
    if decision.do == "reject":
        return {"state": "rejected", **_why(decision.why)}
    if decision.do == "wait" or decision.content is None:
        return {"state": "waiting", "fields": person.fields, **_why(decision.why)}
    if decision.do == "open":
        patient = fresh or uuid4()
        keeping.add_file(office, connection, EXCHANGE, patient, site, decision.content)
        effect = "opened"
    else:
        assert decision.file is not None  # noqa: S101  (a change has its file)
        patient, effect = decision.file.patient, "known"
        if decision.do == "change":
            change(office, connection, EXCHANGE, decision.file, decision.content, REASON)
            effect = "changed"
    number(connection, EXCHANGE, site, store.GDT, person.number, patient)
    return {"state": "taken", "effect": effect, "patient": str(patient), "settled_us": now_us()}


def change(
    office: Office, connection: Connection, who: Principal, file: File, content: Content, reason: str
) -> None:
    """A new version of a file inside the caller's transaction. Raises Conflict when another was quicker."""
    held = lock(connection, file.patient)
    if held is None or held["version"] != file.version:
        raise Conflict(
            f"the file of {file.patient} was changed meanwhile",
            {"de": "Die Akte wurde inzwischen geändert.", "en": "The file was changed meanwhile."},
        )
    put_version(connection, who, file.patient, file.version + 1, content, reason)
    change_row(connection, held, file.version + 1, content)
    keeping.tell(office, connection, file.site, "changed", patient=str(file.patient))
    parts.changed(office, connection, file.patient, who)


def number(
    connection: Connection, who: Principal, site: str, system: str, value: str | None, patient: UUID
) -> None:
    """Remember what this one is called elsewhere; results that waited for it are due."""
    if value and store.patient_of(connection, site, system, value) != patient:
        store.link(connection, who, site, system, value, patient)
        if system == store.GDT:
            store.due_again(connection, family(connection, patient))


# --- what a person decides --------------------------------------------------------------------------------
def assign(office: Office, who: Principal, file: UUID, place: int, patient: UUID | None) -> UUID:
    """A doubtful record is this one's, or a new patient's; the number stays with them. Gives the patient."""
    with reading(office.engine) as connection:
        row = _waiting(connection, who, file, place)
        if patient is not None:
            head = keeping.find_head(connection, who, "exchange.use", patient)
            patient = UUID(head["id"])
            if head["site"] != row["site"]:
                raise keeping.unknown(patient)
    chosen = patient or uuid4()
    office.seen(
        who, "exchange.assigned", str(chosen), row["site"], file=str(file), new=patient is None or None
    )
    with writing(office.engine) as connection:
        row = _waiting(connection, who, file, place)
        fields: dict[str, Any] = row["said"]
        known = current(connection, chosen) if patient else None
        if known is None:
            keeping.add_file(office, connection, who, chosen, row["site"], read_content(fields))
        else:
            content = merged(known.content, fields)
            if content != known.content:
                change(office, connection, who, known, content, REASON)
        number(connection, who, row["site"], store.GDT, row["number"], chosen)
        effect = "changed" if known else "opened"
        store.settle(connection, file, place, state="taken", effect=effect, patient=str(chosen))
    office.outbox.woken.set()
    return chosen


def dismiss(office: Office, who: Principal, file: UUID, place: int) -> None:
    """A doubtful record is nobody's here."""
    with reading(office.engine) as connection:
        row = _waiting(connection, who, file, place)
    office.seen(who, "exchange.dismissed", f"{file}/{place}", row["site"])
    with writing(office.engine) as connection:
        _waiting(connection, who, file, place)
        store.settle(connection, file, place, state="dismissed")


def candidates(connection: Connection, site: str, fields: Mapping[str, Any], value: str | None) -> list[File]:
    """Who could be meant: whoever has the number, and those alike."""
    named = [fields.get(name, "") for name in ("family_name", "given_name", "birth_date")]
    ids = store.alike(connection, site, *named)
    owner = store.patient_of(connection, site, store.GDT, value) if value else None
    files = (current(connection, one) for one in ([owner] if owner else []) + ids)
    found = {file.patient: file for file in files if file}
    return list(found.values())


def _waiting(connection: Connection, who: Principal, file: UUID, place: int) -> dict[str, Any]:
    """The row of a record that waits, where this one may decide. Raises NotFound, Conflict."""
    row = store.taken(connection, file, place)
    if row is None or not who.may("exchange.use", row["site"]):
        raise NotFound(
            f"no record {file}/{place} is known here",
            {"de": "Dieser Datensatz ist hier nicht bekannt.", "en": "This record is not known here."},
        )
    if row["state"] != "waiting":
        raise Conflict(
            f"record {file}/{place} is settled: {row['state']}",
            {"de": "Über diesen Datensatz ist schon entschieden.", "en": "This record is settled already."},
        )
    return {**row, "said": json.loads(row["fields"] or "{}")}


# --- words ------------------------------------------------------------------------------------------------
_UNFORESEEN: Final[Text] = {
    "de": "Die Datei kann nicht übernommen werden; der Grund steht im Protokoll von screening.",
    "en": "The file cannot be taken; screening's log says why.",
}


def _not_taken(kind: str) -> Text:
    return {
        "de": f"Satzart {kind[:8]!r} wird nicht übernommen, nur 6301 und 6302.",
        "en": f"record {kind[:8]!r} is not taken, only 6301 and 6302",
    }


def _why(words: Text) -> dict[str, str | None]:
    return {"why_de": words.get("de"), "why_en": words.get("en")}


def _said(words: Text) -> str:
    """For the file beside a rejected one, in both languages."""
    return f"{words['de']}\n{words['en']}\n"


def _head(claimed: Claimed, place: int, site: str, kind: str) -> dict[str, Any]:
    return {
        "file": str(claimed.id), "place": place, "site": site, "filename": claimed.name[:200],
        "record": kind[:8],
    }  # fmt: skip


def _put(office: Office, claimed: Claimed, place: int, site: str, kind: str, row: dict[str, Any]) -> None:
    with writing(office.engine) as connection:
        if store.taken(connection, claimed.id, place) is None:
            store.put_taken(connection, {**_head(claimed, place, site, kind), **row})
