"""What is done with a file: opened, corrected, noted in, merged and taken apart again, erased."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, RowMapping, insert, select

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.kit.auth.guard import lacking
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.language import Text
from services.kit.moments import instant_of, now_us
from services.screening.errors import Conflict, Invalid, NotFound, conflict
from services.screening.patients import duplicates, parts, store, unneeded
from services.screening.patients.models import MOST_NOTE, Content, File, plain
from services.screening.patients.tables import ATTACHMENT, DISTINCT, MERGE, NOTE

RETENTION_YEARS: Final = 10  # BGB 630f(3): after the end of the treatment
MOST_REASON: Final = 400
Ids = Sequence[UUID]


# --- finding ----------------------------------------------------------------------------------------------
def unknown(patient: UUID) -> NotFound:
    """The refusal of a patient who is not here, or at another site."""
    return NotFound(
        f"no patient {patient} is known here",
        {"de": f"Hier ist keine Akte {patient} bekannt.", "en": f"No file {patient} is known here."},
    )


def find(connection: Connection, who: Principal, permission: Permission, patient: UUID) -> RowMapping:
    """The patient's own row, where this one may. Raises NotFound."""
    row = store.row_of(connection, patient)
    if row is None or not who.may(permission, row["site"]):
        raise unknown(patient)
    return row


def find_head(connection: Connection, who: Principal, permission: Permission, patient: UUID) -> RowMapping:
    """The row of the file that counts for this patient, where this one may. Raises NotFound."""
    find(connection, who, permission, patient)
    head = store.survivor(connection, patient)
    if head is None or not who.may(permission, head["site"]):
        raise unknown(patient)
    return head


def reason_of(text: str, *, needed: bool = True) -> str:
    """The reason for the record, which is never empty where one is needed. Raises Invalid."""
    kept = checked_text(text, MOST_REASON, "reason", "Der Grund")
    if needed and not kept:
        raise Invalid(
            "a reason is needed: it stays in the file beside the change",
            {
                "de": "Ein Grund ist nötig: Er bleibt in der Akte neben der Änderung.",
                "en": "A reason is needed: it stays in the file beside the change.",
            },
            {"errors": [{"field": "reason", "de": "fehlt", "en": "is missing"}]},
        )
    return kept


def checked_text(text: str, most: int, field: str, german: str) -> str:
    """Text to keep, without control characters and of this length at most. Raises Invalid."""
    try:
        kept = str(plain(text))
    except Exception as error:
        context: dict[str, Any] = getattr(error, "context", None) or {}
        if "de" not in context:
            raise
        english = f"{field} {context['en']}"
        words = {"field": field, "de": context["de"], "en": context["en"]}
        raise Invalid(
            english, {"de": f"{german} {context['de']}.", "en": english}, {"errors": [words]}
        ) from None
    if len(kept) > most:
        german_end = f"hat {len(kept)} Zeichen, höchstens {most} werden aufgehoben"
        english_end = f"has {len(kept)} characters, at most {most} are kept"
        raise Invalid(
            f"{field} {english_end}",
            {"de": f"{german} {german_end}.", "en": f"{field} {english_end}"},
            {"errors": [{"field": field, "de": german_end, "en": english_end}]},
        )
    return kept


# --- telling ----------------------------------------------------------------------------------------------
def tell(office: Office, connection: Connection, site: str, kind: str, **data: str) -> None:
    """A past-tense event on the `patient` stream: random ids only."""
    event = ClinicEvent(id=uuid4(), type=f"patient.{kind}", time=instant_of(now_us()), data=data)
    office.outbox.add(connection, STREAMS["patient"], site, event)


# --- opening and correcting -------------------------------------------------------------------------------
def open_file(office: Office, who: Principal, site: str, content: Content, *, anyway: bool = False) -> File:
    """A new file at a site. Raises Conflict that names those it may be a duplicate of, unless ``anyway``."""
    patient = uuid4()
    if not anyway:
        with reading(office.engine) as connection:
            duplicates.require_none(connection, who, site, content)
    office.seen(who, "patient.opened", str(patient), site, anyway=anyway or None)
    with writing(office.engine) as connection:
        add_file(office, connection, who, patient, site, content)
    office.outbox.woken.set()
    return required(office, patient)


def add_file(
    office: Office, connection: Connection, who: Principal, patient: UUID, site: str, content: Content
) -> None:
    """The same inside a transaction of the caller, who has written it into the trail."""
    store.open_row(connection, patient, site, content)
    store.put_version(connection, who, patient, 1, content, "")
    tell(office, connection, site, "registered", patient=str(patient))


def required(office: Office, patient: UUID) -> File:
    """The file, which is there."""
    with reading(office.engine) as connection:
        file = store.current(connection, patient)
    if file is None:
        raise unknown(patient)
    return file


def seen_for_copy(office: Office, who: Principal, patient: UUID) -> File:
    """The file that is about to be copied out, written into the trail. Raises NotFound."""
    with reading(office.engine) as connection:
        head = find_head(connection, who, "patients.export", patient)
    office.seen(who, "patient.exported", head["id"], head["site"])
    return required(office, patient)


def correct(
    office: Office, who: Principal, patient: UUID, content: Content, version: int, reason: str
) -> File:
    """A new version; the ones before stay. Raises Conflict when another one was made meanwhile."""
    with reading(office.engine) as connection:
        head = find_head(connection, who, "patients.write", patient)
        _require_base(head, version)
        before = store.current(connection, patient)
    if before is not None and before.content == content:
        return before
    kept = reason_of(reason, needed=False)
    office.seen(who, "patient.changed", head["id"], head["site"], version=version + 1)
    with writing(office.engine) as connection:
        held = store.lock(connection, UUID(head["id"]))
        if held is None or held["merged_into"] is not None:
            raise unknown(patient)
        _require_base(held, version)
        store.put_version(connection, who, UUID(head["id"]), version + 1, content, kept)
        store.change_row(connection, held, version + 1, content)
        tell(office, connection, head["site"], "changed", patient=head["id"])
        parts.changed(office, connection, UUID(head["id"]), who)
    office.outbox.woken.set()
    return required(office, patient)


def _require_base(row: RowMapping, version: int) -> None:
    if row["version"] != version:
        now = row["version"]
        raise Conflict(
            f"the file is at version {now}, the correction is of version {version}: somebody was quicker; "
            "look at what they changed and correct again",
            {
                "de": f"Die Akte hat inzwischen Version {now}, geändert wurde Version {version}. "
                "Sehen Sie sich die neue Version an und ändern Sie erneut.",
                "en": f"The file has version {now} by now, version {version} was corrected. "
                "Look at the new version and correct again.",
            },
            {"version": now},
        )


def add_note(office: Office, who: Principal, patient: UUID, text: str) -> None:
    """A note, for good."""
    kept = checked_text(text, MOST_NOTE, "text", "Die Notiz")
    if not kept:
        row = {"field": "text", "de": "fehlt", "en": "is missing"}
        said: Text = {"de": "Die Notiz ist leer.", "en": "The note is empty."}
        raise Invalid("the note is empty", said, {"errors": [row]})
    with reading(office.engine) as connection:
        head = find_head(connection, who, "patients.write", patient)
    office.seen(who, "patient.noted", head["id"], head["site"])
    with writing(office.engine) as connection:
        row = {"patient": head["id"], "text": kept} | store.who_columns(who)
        connection.execute(insert(NOTE), row)


# --- merging ----------------------------------------------------------------------------------------------
def merge(office: Office, who: Principal, patient: UUID, into: UUID, reason: str) -> File:
    """Let one file's place be taken by another of the same person; both keep all their versions."""
    kept = reason_of(reason)
    with reading(office.engine) as connection:
        row, target = _pair(connection, who, patient, into)
    office.seen(who, "patient.merged", row["id"], row["site"], into=target["id"])
    with writing(office.engine) as connection:
        for one in sorted((UUID(row["id"]), UUID(target["id"]))):
            store.lock(connection, one)
        row, target = _pair(connection, who, patient, into)
        parts.merged(office, connection, patient, UUID(target["id"]), who)
        store.set_merged(connection, patient, UUID(target["id"]))
        _put_merge(connection, who, "merged", row["id"], target["id"], kept)
        tell(office, connection, row["site"], "merged", patient=row["id"], into=target["id"])
        parts.changed(office, connection, patient, who)
    office.outbox.woken.set()
    return required(office, into)


def _pair(connection: Connection, who: Principal, patient: UUID, into: UUID) -> tuple[RowMapping, RowMapping]:
    """The two rows of a merge. Raises NotFound, Conflict."""
    row = find(connection, who, "patients.merge", patient)
    target = find_head(connection, who, "patients.merge", into)
    if row["merged_into"] is not None:
        raise conflict(
            f"file {patient} is merged into {row['merged_into']} already",
            f"Die Akte {patient} ist schon mit {row['merged_into']} zusammengeführt.",
        )
    if target["id"] == row["id"]:
        raise conflict(
            f"file {patient} cannot be merged into itself",
            f"Die Akte {patient} kann nicht mit sich selbst zusammengeführt werden.",
        )
    if target["site"] != row["site"]:
        raise conflict(
            f"file {patient} is of site {row['site']}, the other of {target['site']}: files of one site "
            "are merged, each site answers for its own",
            f"Die Akte {patient} gehört zum Standort {row['site']}, die andere zu {target['site']}: "
            "Zusammengeführt werden Akten eines Standorts, jeder verantwortet die seinen.",
        )
    return row, target


def unmerge(office: Office, who: Principal, patient: UUID, reason: str) -> File:
    """Undo the merge of this file: it is its own again, as it was."""
    kept = reason_of(reason)
    with reading(office.engine) as connection:
        row = find(connection, who, "patients.merge", patient)
        _require_merged(row)
    office.seen(who, "patient.unmerged", row["id"], row["site"], into=row["merged_into"])
    with writing(office.engine) as connection:
        head = store.hold(connection, patient)  # (first the file that counts: nobody decides there meanwhile)
        held = store.lock(connection, patient)
        if head is None or held is None:
            raise unknown(patient)
        _require_merged(held)
        store.set_merged(connection, patient, None)
        _put_merge(connection, who, "unmerged", held["id"], held["merged_into"], kept)
        tell(office, connection, held["site"], "unmerged", patient=held["id"], into=held["merged_into"])
        parts.parted(office, connection, patient, UUID(head["id"]), who)
    office.outbox.woken.set()
    return required(office, patient)


def _require_merged(row: RowMapping) -> None:
    if row["merged_into"] is None:
        raise conflict(
            f"file {row['id']} is not merged into another: there is nothing to undo",
            f"Die Akte {row['id']} ist nicht mit einer anderen zusammengeführt.",
        )


def _put_merge(
    connection: Connection, who: Principal, action: str, patient: str, into: str, reason: str
) -> None:
    row = {"patient": patient, "into": into, "action": action, "reason": reason} | store.who_columns(who)
    connection.execute(insert(MERGE), row)


def tell_apart(office: Office, who: Principal, one: UUID, other: UUID, reason: str) -> None:
    """Write down that these two look alike and are two people: the list of duplicates leaves them out."""
    kept = reason_of(reason, needed=False)
    first, second = sorted((str(one), str(other)))
    with reading(office.engine) as connection:
        row = find(connection, who, "patients.merge", one)
        find(connection, who, "patients.merge", other)
    office.seen(who, "patient.told_apart", str(one), row["site"], other=str(other))
    with writing(office.engine) as connection:
        known = select(DISTINCT.c.one).where(DISTINCT.c.one == first, DISTINCT.c.other == second)
        if first != second and connection.execute(known).first() is None:
            values = {"one": first, "other": second, "reason": kept} | store.who_columns(who)
            connection.execute(insert(DISTINCT), values)


# --- erasing ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Retention:
    """Until when a file is kept."""

    ended_on: date  # the last day that anything was written or done
    kept_until: date  # erasable from this day on

    @property
    def is_over(self) -> bool:
        """Whether the file may be erased."""
        return store.today() >= self.kept_until


def retention(connection: Connection, ids: Ids) -> Retention:
    """By the last treatment, note, finding, or entry of another room."""
    ended_on = max([store.last_entry_on(connection, ids), *parts.last_days(connection, ids)])
    return Retention(ended_on, _years_later(ended_on, RETENTION_YEARS))


def _years_later(day: date, years: int) -> date:
    """The day after so many full years: of 29 February the 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def erase(office: Office, who: Principal, patient: UUID, reason: str) -> None:
    """Erase the file with all merged into it, once its retention is over. Raises Conflict that says when.

    What lies on the disk for it is written down as unneeded; ``unneeded.remove`` takes it away.
    """
    kept = reason_of(reason)
    with reading(office.engine) as connection:
        head = find_head(connection, who, "patients.erase", patient)
        _require_over(retention(connection, store.family(connection, UUID(head["id"]))))
    office.seen(who, "patient.erased", head["id"], head["site"])
    with writing(office.engine) as connection:
        store.lock(connection, UUID(head["id"]))
        ids = store.family(connection, UUID(head["id"]))
        until = retention(connection, ids)
        _require_over(until)
        files = _files_of(connection, ids)
        store.erase(connection, who, head, ids, kept, until.ended_on)
        parts.erase(connection, ids)
        store.erase_rows(connection, ids)
        for one in ids:
            tell(office, connection, head["site"], "erased", patient=str(one))
        unneeded.add(connection, files)
    office.outbox.woken.set()


def _require_over(until: Retention) -> None:
    if until.is_over:
        return
    ended, last = until.ended_on, until.kept_until
    raise Conflict(
        f"the file is kept until {last}: its last entry is of {ended}, and a file is kept for "
        f"{RETENTION_YEARS} years after the end of the treatment (BGB 630f(3))",
        {
            "de": f"Die Akte muss bis {last:%d.%m.%Y} aufbewahrt werden: Der letzte Eintrag ist vom "
            f"{ended:%d.%m.%Y}, und die Frist sind {RETENTION_YEARS} Jahre nach Abschluss der Behandlung "
            "(§ 630f Abs. 3 BGB).",
            "en": f"The file must be kept until {last}: its last entry is of {ended}, and the term is "
            f"{RETENTION_YEARS} years after the end of the treatment (BGB 630f(3)).",
        },
        {"kept_until": last.isoformat(), "ended_on": ended.isoformat()},
    )


def _files_of(connection: Connection, ids: Ids) -> list[str]:
    query = select(ATTACHMENT.c.sha256).where(ATTACHMENT.c.patient.in_([str(one) for one in ids])).distinct()
    return list(connection.execute(query).scalars())


def require_site(who: Principal, permission: Permission, site: str) -> None:
    """Raises NotPermitted where this one may not."""
    if not who.may(permission, site):
        raise lacking(who, permission, site)
