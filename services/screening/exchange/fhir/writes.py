"""What other systems write in FHIR: through the rooms of screening, whose rules hold for them, too."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from services.kit.auth.guard import lacking
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.fhir import SITE, FhirInvalid, FhirStale, Resource, checked, version_of
from services.screening.errors import Conflict
from services.screening.exchange import store, taking
from services.screening.exchange.fhir import consents, elsewhere, people, questionnaires, reads, treatments
from services.screening.outcomes import entry
from services.screening.patients import keeping
from services.screening.patients.models import Content, File
from services.screening.patients.models import read as read_content
from services.screening.rules import taking as rules

REASON: Final = "FHIR"


# --- Patient ----------------------------------------------------------------------------------------------
def create_patient(office: Office, who: Principal, body: Mapping[str, Any]) -> Resource:
    """Open a file. Raises FhirInvalid, Invalid, Conflict for a duplicate or a number that is taken."""
    sent = checked("Patient", dict(body))
    site = _site(who, people.site_of(sent))
    content = people.content_of(sent)
    numbers = people.identifiers(sent)
    with reading(office.engine) as connection:
        for system, value in numbers:
            if owner := store.patient_of(connection, site, system, value):
                raise _taken(system, value, owner)
    file = keeping.open_file(office, who, site, content)
    _number(office, who, file, numbers)
    return _shown(office, file.patient, who)


def update_patient(
    office: Office, who: Principal, patient: UUID, body: Mapping[str, Any], if_match: str | None
) -> Resource:
    """A new version. Raises FhirInvalid, Invalid, NotFound, Conflict when another one was made meanwhile."""
    sent = checked("Patient", dict(body))
    if sent.get("id") not in (None, str(patient)):
        raise FhirInvalid([("Patient.id", f"is {sent['id']!r}: the address says {patient}")])
    with reading(office.engine) as connection:
        file = reads.file(connection, who, patient)
        reads.require(who, "patients.write", file)
        numbers = people.identifiers(sent)
        for system, value in numbers:
            owner = store.patient_of(connection, file.site, system, value)
            if owner not in (None, file.patient):
                raise _taken(system, value, owner)
    content = people.content_of(sent, file.content)
    version = version_of(if_match) if if_match else file.version
    if version != file.version:
        raise FhirStale(version, file.version)
    changed = keeping.correct(office, who, file.patient, content, version, REASON)
    _number(office, who, changed, numbers)
    return _shown(office, changed.patient, who)


def _site(who: Principal, said: str | None) -> str:
    """At which site: the one that is said, else the only one where this one may."""
    sites = who.sites("patients.write")
    if said is None and sites is not None and len(sites) == 1:
        return next(iter(sites))
    if said is None:
        raise FhirInvalid([("Patient.managingOrganization.identifier", f"is needed: a site, system {SITE}")])
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", said) or len(said) > 40:  # noqa: PLR2004  (a name in topics)
        raise FhirInvalid([("Patient.managingOrganization.identifier", f"is {said[:40]!r}: no site's name")])
    for permission in ("patients.write", "exchange.use"):
        if not who.may(permission, said):
            raise lacking(who, permission, said)
    return said


def _number(office: Office, who: Principal, file: File, numbers: list[tuple[str, str]]) -> None:
    if numbers:
        with writing(office.engine) as connection:
            for system, value in numbers:
                taking.number(connection, who, file.site, system[:200], value[:200], file.patient)


def _shown(office: Office, patient: UUID, who: Principal) -> Resource:
    with reading(office.engine) as connection:
        return reads.patient(connection, reads.file(connection, who, patient))


def _taken(system: str, value: str, owner: UUID | None) -> Conflict:
    return Conflict(
        f"identifier {system}|{value} is Patient/{owner}'s",
        {
            "de": f"Der Identifier {system}|{value} gehört zu Patient/{owner}.",
            "en": f"Identifier {system}|{value} belongs to Patient/{owner}.",
        },
    )


# --- QuestionnaireResponse --------------------------------------------------------------------------------
def answer(office: Office, who: Principal, body: Mapping[str, Any]) -> Resource:
    """Keep answers, all or none. Raises FhirInvalid, Invalid, NotFound."""
    sent = checked("QuestionnaireResponse", dict(body))
    file = _subject(office, who, sent.get("subject"), "screening.answer")
    given = questionnaires.answers_of(sent)
    by_patient = str((sent.get("source") or {}).get("reference", "")).startswith("Patient/")
    rules.answer_all(office, who, file.patient, given, "patient" if by_patient else "staff")
    region = next((it for it in questionnaires.REGIONS if it in str(sent.get("questionnaire"))), "lumbar")
    with reading(office.engine) as connection:
        found = reads.responses(office, connection, file)
    shown = next((row for row in found if row["id"].endswith(region)), None)
    if shown is None:
        raise FhirInvalid([("QuestionnaireResponse.item", "answers nothing")])
    return shown


# --- Observation ------------------------------------------------------------------------------------------
def observe(office: Office, who: Principal, body: Mapping[str, Any]) -> Resource:
    """Keep a pain score, a weight or a height. Raises FhirInvalid, Invalid, NotFound."""
    sent = checked("Observation", dict(body))
    file = _subject(office, who, sent.get("subject"), "outcomes.write")
    code, value = treatments.said_of(sent)
    if code == treatments.PAIN:
        return _pain(office, who, file, sent, value)
    reads.require(who, "patients.write", file)
    name = {treatments.WEIGHT: "body_weight_kg", treatments.HEIGHT: "body_height_cm"}[code]
    content: Content = read_content(file.content.model_dump(mode="json") | {name: value})
    changed = keeping.correct(office, who, file.patient, content, file.version, REASON)
    return next(row for row in treatments.of_file(changed) if row["code"]["coding"][0]["code"] == code)


def _pain(office: Office, who: Principal, file: File, sent: Resource, value: float) -> Resource:
    if not value.is_integer():
        raise FhirInvalid([("Observation.value", f"is {value}: pain is a whole number from 0 to 10")])
    at = str(sent.get("effectiveDateTime") or datetime.now(UTC).isoformat())
    try:
        measured = datetime.fromisoformat(at)
    except ValueError:
        measured = None
    if measured is None or measured.tzinfo is None:
        raise FhirInvalid(
            [("Observation.effectiveDateTime", f"is {at[:40]!r}: a time with its zone is needed")]
        )
    known = [row for row in sent.get("identifier") or [] if row.get("value")]
    key = uuid5(NAMESPACE_URL, f"{known[0].get('system')}|{known[0]['value']}") if known else uuid4()
    given = entry.NewOutcome(
        id=key, kind="pain", region=file.content.region or "lumbar", measured_at=measured, before=int(value)
    )
    office.seen(who, "outcome.added", str(file.patient), file.site, kind="pain", id=str(key))
    with writing(office.engine) as connection:
        made = entry.record(connection, file.patient, given, who)
    return next(treatments.of_outcome(made, file.patient))


def _subject(office: Office, who: Principal, reference: Any, permission: Any) -> File:
    """Whose it is, where this one may. Raises FhirInvalid, NotFound."""
    text = str((reference or {}).get("reference", "")) if isinstance(reference, dict) else ""
    kind, _, name = text.rpartition("/")
    try:
        patient = UUID(name)
    except ValueError:
        patient = None
    if patient is None or not kind.endswith("Patient"):
        raise FhirInvalid([("subject.reference", f"is {text[:80]!r}: Patient/ID is needed")])
    with reading(office.engine) as connection:
        file = reads.file(connection, who, patient)
    reads.require(who, permission, file)
    return file


# --- Procedure --------------------------------------------------------------------------------------------
def procedure(office: Office, who: Principal, body: Mapping[str, Any]) -> Resource:
    """Keep what was done elsewhere. Raises FhirInvalid, NotFound, Conflict."""
    sent = checked("Procedure", dict(body))
    return elsewhere.keep(office, who, _subject(office, who, sent.get("subject"), "patients.write"), sent)


# --- Consent ----------------------------------------------------------------------------------------------
def consent(office: Office, who: Principal, body: Mapping[str, Any]) -> Resource:
    """Keep a declaration with its information and its scan. Raises FhirInvalid, Invalid, NotFound."""
    sent = checked("Consent", dict(body))
    return consents.create(office, who, _subject(office, who, sent.get("patient"), "consent.record"), sent)


def withdraw(office: Office, who: Principal, name: str, body: Mapping[str, Any]) -> Resource:
    """Keep the withdrawal of a consent. Raises FhirInvalid, NotFound, Conflict."""
    sent = checked("Consent", dict(body))
    with reading(office.engine) as connection:
        file = reads.owner(connection, who, "Consent", name)
    reads.require(who, "consent.record", file)
    return consents.withdraw(office, who, file, UUID(name), sent)
