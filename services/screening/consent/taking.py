"""What is done with a consent: begun, signed, copied, withdrawn (BGB 630d, 630e)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.language import Text
from services.screening import zones
from services.screening.clearance import suspension
from services.screening.clearance.giving import go_on
from services.screening.clearance.telling import tell_standing
from services.screening.consent import declaration, documents, store
from services.screening.consent.store import Consent
from services.screening.consent.words import COPIES, POINTS, SIGNERS, WITHDRAWALS
from services.screening.errors import Invalid, NotFound, conflict
from services.screening.patients import keeping
from services.screening.patients import store as patients
from services.screening.rules.answers import refused
from services.screening.rules.days import age_years
from services.screening.rules.models import Region
from services.screening.rules.taking import keeping_file, require_region

MOST_NAME: Final = 120
MOST_NOTE: Final = 2000
AHEAD: Final = timedelta(minutes=5)  # clocks of desks differ
EARLIEST: Final = datetime(2013, 2, 26, tzinfo=UTC)  # since when BGB 630e is in force


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signs, and by what: a drawn PNG, or a scan with the moment of its signature."""

    signer: str
    role: str
    content: bytes
    media_type: str
    at: datetime
    is_drawn: bool


def begin(
    office: Office, who: Principal, patient: UUID, region: str, *, by: str, at: str, points: Sequence[str],
    questions: str,
) -> Consent:  # fmt: skip
    """Keep the oral information, and which version of the declaration it goes with. Raises Invalid."""
    place = require_region(region)
    information = _information(by, at, points, questions)
    head = _head(office, who, patient)
    office.seen(who, "consent.begun", head["id"], head["site"], region=place)
    with writing(office.engine) as connection:
        return _begun(connection, who, head, place, information)


def sign(office: Office, who: Principal, patient: UUID, consent: UUID, signed: Signed) -> Consent:
    """Keep the signature and the declaration with it. Raises NotFound, Invalid, Conflict."""
    signer = _signer(signed)
    head = _head(office, who, patient)
    office.seen(who, "consent.signed", head["id"], head["site"], consent=str(consent))
    with writing(office.engine) as connection:
        made = _signed(connection, who, patient, consent, signed, signer)
        go_on(office, connection, patient)
        tell_standing(office, connection, patient)
    office.outbox.woken.set()
    return made


def declare(
    office: Office, who: Principal, patient: UUID, region: str, *, by: str, at: str, points: Sequence[str],
    signed: Signed,
) -> Consent:  # fmt: skip
    """Both at once, or nothing: a declaration made elsewhere. Raises NotFound, Invalid."""
    place, signer = require_region(region), _signer(signed)
    information = _information(by, at, points, "")
    head = _head(office, who, patient)
    office.seen(who, "consent.begun", head["id"], head["site"], region=place)
    office.seen(who, "consent.signed", head["id"], head["site"], region=place)
    with writing(office.engine) as connection:
        begun = _begun(connection, who, head, place, information)
        made = _signed(connection, who, patient, begun.id, signed, signer)
        go_on(office, connection, patient)
        tell_standing(office, connection, patient)
    office.outbox.woken.set()
    return made


def _information(by: str, at: str, points: Sequence[str], questions: str) -> dict[str, Any]:
    when, informed_by = moment("informed_at", at), _name("informed_by", by)
    _require_points(points)
    return {
        "by": informed_by, "at": when.isoformat(), "points": list(POINTS),
        "questions": keeping.checked_text(questions, MOST_NOTE, "questions", "Die Fragen"),
    }  # fmt: skip


def _begun(
    connection: Connection, who: Principal, head: RowMapping, region: Region, information: dict[str, Any]
) -> Consent:
    counts = UUID(head["id"])
    text = documents.pin(connection, documents.current(connection, "consent", "de", head["site"]))
    made = store.add(connection, who, counts, region, information, text)
    return _required(connection, counts, made)


def _signer(signed: Signed) -> str:
    signer = _name("signer", signed.signer)
    if signed.role not in SIGNERS:
        raise refused("role", signed.role, " or ".join(SIGNERS), " oder ".join(SIGNERS))
    return signer


def _signed(
    connection: Connection, who: Principal, patient: UUID, consent: UUID, signed: Signed, signer: str
) -> Consent:
    patients.hold(connection, patient)
    file = keeping_file(connection, patient)
    found = _required(connection, patient, consent)
    _require_state(found, "informed")
    _require_order(found, signed.at)
    zone = zones.zone_of(connection, file.site)
    signed_on = signed.at.astimezone(zone).date()
    _require_of_age(age_years(file.content.birth_date, signed_on), signed.role)
    detail: dict[str, Any] = {
        "signer": signer, "role": signed.role, "way": "drawn" if signed.is_drawn else "scanned",
    }  # fmt: skip
    kind: store.PaperKind = "signature" if signed.is_drawn else "scan"
    sha256 = store.add_paper(connection, who, found, kind, signed.media_type, signed.content)
    detail |= {"sha256": sha256, "media_type": signed.media_type}
    if signed.is_drawn:
        made = declaration.signed(file, found, signer, signed.role, signed.at, signed.content, zone)
        detail["declaration_sha256"] = store.add_paper(
            connection, who, found, "declaration", "application/pdf", made
        )
    store.add_event(connection, who, found, "signed", signed.at, detail)
    return _required(connection, patient, consent)


def copy(office: Office, who: Principal, patient: UUID, consent: UUID, *, how: str, at: str) -> Consent:
    """Keep that the patient was given what they signed (BGB 630e(2)). Raises NotFound, Invalid, Conflict."""
    when = moment("at", at)
    _one_of("how", how, COPIES)
    head = _head(office, who, patient)
    office.seen(who, "consent.copied", head["id"], head["site"], consent=str(consent))
    with writing(office.engine) as connection:
        found = _required(connection, patient, consent)
        if found.last("signed") is None:
            raise conflict("nothing has been signed yet: there is no copy to hand over",
                            "Es ist noch nichts unterschrieben: Es gibt keine Abschrift.")  # fmt: skip
        _require_order(found, when)
        store.add_event(connection, who, found, "copied", when, {"how": how})
        return _required(connection, patient, consent)


def withdraw(
    office: Office, who: Principal, patient: UUID, consent: UUID, *, how: str, at: str, note: str
) -> Consent:
    """Keep the withdrawal, which needs no reason and no form (BGB 630d(3)), and suspend at once.

    Raises NotFound, Invalid, Conflict.
    """
    when = moment("at", at)
    _one_of("how", how, WITHDRAWALS)
    kept = keeping.checked_text(note, MOST_NOTE, "note", "Die Bemerkung")
    head = _head(office, who, patient)
    office.seen(who, "consent.withdrawn", head["id"], head["site"], consent=str(consent))
    counts = UUID(head["id"])
    with writing(office.engine) as connection:
        patients.hold(connection, counts)
        found = _required(connection, patient, consent)
        if found.state == "withdrawn":
            raise conflict("this consent has been withdrawn already",
                            "Diese Einwilligung ist schon widerrufen.")  # fmt: skip
        store.add_event(connection, who, found, "withdrawn", when, {"how": how, "note": kept})
        if store.in_force(connection, counts, found.region) is None:
            suspension.suspend(
                office, connection, patient=counts, region=found.region, reason="consent", by=who
            )
        tell_standing(office, connection, counts)
        made = _required(connection, patient, consent)
    office.outbox.woken.set()
    return made


def moment(field: str, text: str) -> datetime:
    """A past moment as ISO 8601, of this machine's zone where it names none; empty: now. Raises Invalid."""
    now = datetime.now(UTC)
    if not text:
        return now
    try:
        found = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(
            field, text, "a moment is needed, like 2026-11-22T14:05:00+01:00",
            "ein Zeitpunkt wird gebraucht, wie 2026-11-22T14:05:00+01:00",
        ) from None  # fmt: skip
    if not EARLIEST <= found <= now + AHEAD:
        raise refused(
            field,
            text,
            "a moment in the past is needed, since 26 February 2013 (BGB 630e)",
            "ein vergangener Zeitpunkt wird gebraucht, seit dem 26.02.2013 (§ 630e BGB)",
        )
    return found


def found_of(office: Office, who: Principal, patient: UUID, consent: UUID) -> tuple[RowMapping, Consent]:
    """A consent and its patient's row, where this one may see them. Raises NotFound."""
    with reading(office.engine) as connection:
        head = keeping.find_head(connection, who, "patients.see", patient)
        return head, _required(connection, patient, consent)


def _head(office: Office, who: Principal, patient: UUID) -> RowMapping:
    with reading(office.engine) as connection:
        return keeping.find_head(connection, who, "consent.record", patient)


def _required(connection: Connection, patient: UUID, consent: UUID) -> Consent:
    found = store.one(connection, patients.family(connection, patient), consent)
    if found is None:
        english = f"there is no consent {consent} of this patient"
        raise NotFound(english, {"de": f"Eine Einwilligung {consent} gibt es hier nicht.", "en": english})
    return found


def _require_points(points: Sequence[str]) -> None:
    """Every point of the law was talked about; none that it does not have."""
    missing = [point for point in POINTS if point not in points]
    unknown = [point for point in points if point not in POINTS]
    if unknown:
        raise refused(
            "points", unknown[0], f"known are {', '.join(POINTS)}", f"bekannt sind {', '.join(POINTS)}"
        )
    if missing:
        names: Text = {
            "de": ", ".join(POINTS[point]["de"] for point in missing),
            "en": ", ".join(POINTS[point]["en"] for point in missing),
        }
        english = f"BGB 630e(1) asks for these points, too: {names['en']}"
        raise Invalid(
            f"points: {english}",
            {"de": f"Nach § 630e Abs. 1 BGB fehlt noch: {names['de']}.", "en": f"{english}."},
        )


def _require_of_age(years: int, role: str) -> None:
    if years < store.OF_AGE and role != "guardian":
        raise refused(
            "role",
            role,
            f"the patient is {years}: a guardian consents (BGB 630d(1))",
            f"mit {years} Jahren willigen die Sorgeberechtigten ein (§ 630d Abs. 1 BGB)",
        )


def _require_order(found: Consent, at: datetime) -> None:
    informed = datetime.fromisoformat(found.information["at"])
    if at < informed:
        raise refused(
            "at",
            at.isoformat(),
            f"the information was at {informed.isoformat()}: it comes first (BGB 630e(2))",
            f"die Aufklärung war am {informed.isoformat()}: sie kommt zuerst (§ 630e Abs. 2 BGB)",
        )


def _require_state(found: Consent, state: store.State) -> None:
    if found.state != state:
        raise conflict(f"this consent is {found.state} already", _OVER[found.state])


_OVER: Final[Mapping[store.State, str]] = {
    "informed": "Diese Einwilligung ist noch nicht unterschrieben.",
    "signed": "Diese Einwilligung ist schon unterschrieben.",
    "withdrawn": "Diese Einwilligung ist widerrufen.",
}


def _one_of(field: str, value: str, table: Mapping[str, Text]) -> None:
    if value not in table:
        raise refused(field, value, " or ".join(table), " oder ".join(table))


def _name(field: str, value: str) -> str:
    kept = keeping.checked_text(value, MOST_NAME, field, "Der Name")
    if not kept:
        raise refused(field, value, "a name is needed", "ein Name wird gebraucht")
    return kept
