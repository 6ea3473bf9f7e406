"""What is read in FHIR: found in the rooms of screening, as resources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from services.kit.auth.principal import Principal, Sites
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.fhir import FhirInvalid, Resource
from services.kit.moments import instant_of
from services.screening.errors import NotFound
from services.screening.exchange import store
from services.screening.exchange.fhir import consents, elsewhere, people, questionnaires, treatments
from services.screening.exchange.tables import IDENTIFIER
from services.screening.outcomes import store as outcomes
from services.screening.patients import keeping
from services.screening.patients.folding import fold
from services.screening.patients.models import File
from services.screening.patients.store import current, family
from services.screening.patients.tables import PATIENT
from services.screening.rules import store as rules
from services.screening.rules import taking

_URN: Final = "urn:uuid:"
UUID_CHARACTERS: Final = 36


@dataclass(frozen=True, slots=True)
class Asked:
    """What patients are searched by; what is empty does not matter."""

    identifier: str
    name: str
    family: str
    given: str
    birthdate: str
    count: int


# --- patients ---------------------------------------------------------------------------------------------
def file(connection: Connection, who: Principal, patient: UUID) -> File:
    """The file that counts, where this one may. Raises NotFound."""
    head = keeping.find_head(connection, who, "exchange.use", patient)
    found = current(connection, UUID(head["id"]))
    if found is None:
        raise keeping.unknown(patient)
    return found


def require(who: Principal, permission: Permission, found: File) -> None:
    """Another site's record does not exist. Raises NotFound."""
    if not who.may(permission, found.site):
        raise keeping.unknown(found.patient)


def patient(connection: Connection, found: File) -> Resource:
    """A file as a Patient."""
    return people.resource(found, store.numbers_of(connection, found.patient))


def patients(connection: Connection, sites: Sites, asked: Asked) -> list[Resource]:
    """Those for whom all that is asked holds. Raises FhirInvalid where nothing is asked."""
    if not any((asked.identifier, asked.name, asked.family, asked.given, asked.birthdate)):
        raise FhirInvalid([("", "a search needs identifier, name, family, given or birthdate")])
    query = (
        select(PATIENT).where(PATIENT.c.merged_into.is_(None)).order_by(PATIENT.c.folded, PATIENT.c.number)
    )
    if sites is not None:
        query = query.where(PATIENT.c.site.in_(sites))
    if asked.birthdate:
        query = query.where(PATIENT.c.birth_date == _day(asked.birthdate))
    if asked.identifier:
        query = query.where(PATIENT.c.id.in_(_owners(connection, asked.identifier)))
    for text in (asked.name, asked.family, asked.given):
        for word in fold(text).split():
            query = query.where((" " + PATIENT.c.folded).contains(f" {word}", autoescape=True))
    found = []
    for row in connection.execute(query.limit(2000)).mappings():
        if _starts(row["family_name"], asked.family) and _starts(row["given_name"], asked.given):
            shown = current(connection, UUID(row["id"]))
            found += [patient(connection, shown)] if shown else []
        if len(found) >= asked.count:
            break
    return found


def _starts(name: str, asked: str) -> bool:
    """As FHIR searches strings: from the beginning, capitals and accents set aside."""
    return not asked or fold(name).startswith(fold(asked))


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text.removeprefix("eq")).isoformat()
    except ValueError:
        raise FhirInvalid([("birthdate", f"is {text[:20]!r}: a day is needed, as 1961-04-03")]) from None


def _owners(connection: Connection, identifier: str) -> list[str]:
    """Who is called so: `system|value`, or the value alone."""
    system, bar, value = identifier.rpartition("|")
    if value.startswith(_URN):
        return [value.removeprefix(_URN)]
    query = select(IDENTIFIER.c.patient).where(IDENTIFIER.c.value == value)
    if bar:
        query = query.where(IDENTIFIER.c.system == system)
    found = (current(connection, UUID(one)) for one in connection.execute(query).scalars())
    return [str(one.patient) for one in found if one]


# --- what belongs to one ----------------------------------------------------------------------------------
def questionnaire(office: Office, region: str, language: str) -> Resource:
    """The questions of a region. Raises NotFound."""
    if region not in questionnaires.REGIONS:
        english = f"no Questionnaire {region[:40]} is known here"
        raise NotFound(english, {"de": f"Questionnaire {region[:40]} ist hier nicht bekannt.", "en": english})
    ruleset = taking.rules_for(office, date.today())  # noqa: DTZ011  (the day of this place, as for a form)
    rows = [ruleset.shown(rule) for rule in ruleset.questions(taking.require_region(region), None)]
    return questionnaires.questionnaire(
        region, {"version": ruleset.version.name, "questions": rows}, language
    )


def responses(office: Office, connection: Connection, found: File) -> list[Resource]:
    """What was answered, a response a region."""
    given = rules.answers(connection, family(connection, found.patient))
    if not given:
        return []
    at = instant_of(max(row.at_us for row in given.values())).isoformat()
    return [
        questionnaires.response(taking.questionnaire(office, connection, found.patient, region), given, at)
        for region in questionnaires.REGIONS
    ]


def procedures(_office: Office, connection: Connection, found: File) -> list[Resource]:
    """Sessions, and what others did."""
    rows = store.results_of(connection, family(connection, found.patient))
    made = [treatments.procedure(row, found.patient) for row in rows]
    return made + elsewhere.procedures(connection, found)


def observations(_office: Office, connection: Connection, found: File) -> list[Resource]:
    """Of sessions, outcomes, and the file."""
    ids = family(connection, found.patient)
    made = list(treatments.of_file(found))
    for row in store.results_of(connection, ids):
        made += treatments.of_session(row, found.patient)
    for outcome in outcomes.outcomes(connection, ids):
        made += treatments.of_outcome(outcome, found.patient)
    return made


Take = Callable[[Office, Connection, File], list[Resource]]
BELONGINGS: Final[Mapping[str, Take]] = {
    "QuestionnaireResponse": responses,
    "Consent": consents.consents,
    "Procedure": procedures,
    "Observation": observations,
}


def owner(connection: Connection, who: Principal, kind: str, name: str) -> File:
    """Whose resource of this id it is, where this one may. Raises NotFound."""
    found = _OWNERS[kind](connection, name)
    shown = current(connection, found) if found else None
    if shown is None or not who.may("exchange.use", shown.site):
        english = f"no {kind} {name[:80]} is known here"
        raise NotFound(english, {"de": f"{kind} {name[:80]} ist hier nicht bekannt.", "en": english})
    return shown


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text[:UUID_CHARACTERS])
    except ValueError:
        return None


def _of_session(connection: Connection, name: str) -> UUID | None:
    key = _uuid(name)
    row = store.result_of(connection, key) if key else None
    return UUID(row["patient"]) if row else None


def _of_procedure(connection: Connection, name: str) -> UUID | None:
    key = _uuid(name)
    return _of_session(connection, name) or (elsewhere.patient_of(connection, key) if key else None)


def _of_observation(connection: Connection, name: str) -> UUID | None:
    """Its id begins with that of a session, an outcome or a patient."""
    key = _uuid(name)
    outcome = outcomes.outcome_of(connection, key) if key else None
    return outcome.patient if outcome else _of_session(connection, name) or key


_OWNERS: Final[Mapping[str, Callable[[Connection, str], UUID | None]]] = {
    "QuestionnaireResponse": lambda _connection, name: _uuid(name),
    "Consent": consents.patient_of,
    "Procedure": _of_procedure,
    "Observation": _of_observation,
}
