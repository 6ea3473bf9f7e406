"""What a clearance stands on and for how long: answers and a weight that age, a consent that is outgrown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.kit.business.service import Office
from services.kit.language import Text
from services.screening import zones
from services.screening.clearance import people
from services.screening.consent import store as consents
from services.screening.patients.models import File
from services.screening.rules import store as rules
from services.screening.rules.findings import find
from services.screening.rules.models import WEIGHT
from services.screening.rules.ruleset import Ruleset, load
from services.screening.rules.weight import WEIGHED
from services.screening.settings import ScreeningSettings

CONSENT = "consent"
OWN: Text = {
    "de": "eigene Einwilligung: die der Sorgeberechtigten gilt bis zum 18. Geburtstag (§ 630d BGB)",
    "en": "their own consent: that of the guardians holds until the 18th birthday (§ 630d BGB)",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """From which day on one thing no longer holds."""

    on: date
    of: str  # the rule that asks, the weight, or the consent
    what: Text
    is_binding: bool  # a clearance ends there; else it is listed to be asked again

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "on": self.on.isoformat(), "of": self.of, "text_de": self.what["de"], "text_en": self.what["en"],
            "binding": self.is_binding,
        }  # fmt: skip


def endings(office: Office, connection: Connection, patient: UUID, region: str) -> list[Ending]:
    """Everything that treatment of this region stands on and that does not hold for ever, earliest first."""
    file = people.require(connection, patient)
    today = zones.today(connection, file.site)
    ruleset = rules.rules_of(today, disputed(office))
    found = [*_of_answers(connection, file, region, today, ruleset), *_of_weight(connection, file, ruleset)]
    consent = consents.in_force(connection, patient, region)
    if consent is not None and (day := consents.outgrown_on(connection, file, consent)):
        found.append(Ending(day, CONSENT, OWN, is_binding=True))
    return sorted(found, key=lambda one: (one.on, one.of))


def until(office: Office, connection: Connection, patient: UUID, region: str, signed: datetime) -> datetime:
    """Until when treatment may go on at the longest: what was signed, or the first thing that ages before."""
    binding = [one.on for one in endings(office, connection, patient, region) if one.is_binding]
    if not binding:
        return signed
    zone = zones.zone_of(connection, people.require(connection, patient).site)
    midnight = datetime.combine(binding[0], time())
    begins = midnight.astimezone() if zone is None else midnight.replace(tzinfo=zone)
    return min(signed, begins.astimezone(UTC))


def soon(found: list[Ending], today: date) -> list[Ending]:
    """Those that somebody has to ask about now."""
    return [one for one in found if one.on <= today + ahead()]


def ahead() -> timedelta:
    """So long before its end, something is to be asked again."""
    return timedelta(days=load().ask_ahead_days)


def disputed(office: Office) -> Mapping[str, str] | None:
    """This service's settings of what sources dispute."""
    settings = office.settings
    return settings.disputed() if isinstance(settings, ScreeningSettings) else None


def _of_answers(
    connection: Connection, file: File, region: str, today: date, ruleset: Ruleset
) -> list[Ending]:
    zone = zones.zone_of(connection, file.site)
    given = rules.answers(connection, people.ids(connection, file.patient))
    answers = {rule: row.answer for rule, row in given.items()}
    case = rules.case_of(file, region, today)
    found: dict[str, Ending] = {}
    for rule in ruleset.rules:
        asks = rule.of or rule.id
        if asks not in given or asks in found or not rule.concerns(region):
            continue
        if find(rule, case, answers).state == "not":
            what: Text = {"de": ruleset.of(asks).text_de, "en": ruleset.of(asks).text_en}
            day = ruleset.aged_from(asks, given[asks].on(zone))
            found[asks] = Ending(day, asks, what, ruleset.ends_aged)
    return list(found.values())


def _of_weight(connection: Connection, file: File, ruleset: Ruleset) -> list[Ending]:
    weighed = rules.weighed_on(connection, file, zones.zone_of(connection, file.site))
    if weighed is None:
        return []
    return [Ending(ruleset.aged_from(WEIGHT, weighed), WEIGHT, WEIGHED, ruleset.ends_aged)]
