"""Setting a programme and changing it: what the gates allow, once by request, nobody overtaking another."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, select

from services.homecare.errors import Conflict, Invalid, said
from services.homecare.models import Decision, Programme, Region, Wanted
from services.homecare.programmes import course, deciding, settling, standing, states, store
from services.homecare.programmes.models import Change, NewProgramme
from services.homecare.programmes.people import person, require_patient
from services.homecare.programmes.tables import CURES
from services.homecare.progression.today import last_day
from services.homecare.tables import ZONES
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import unknown
from services.kit.database import writing_again
from services.kit.language import LANGUAGES, Text
from services.kit.moments import Now, us_of

EARLIEST: Final = timedelta(days=14)  # a programme that began last week may still be written down
LATEST: Final = timedelta(days=180)
CURE: Final[Text] = {"de": "Kur", "en": "cure"}


@dataclass(frozen=True, slots=True)
class Setting:
    """Sets programmes of one office."""

    office: Office
    now: Now

    def make(self, body: NewProgramme, who: Principal) -> UUID:
        """A new programme, or the one that this request made. Raises NotFound, Conflict, Invalid."""

        def work(connection: Connection) -> UUID:
            return _repeated(connection, body) or self._make(connection, body, who)

        made = writing_again(self.office.engine, work)
        self.office.outbox.woken.set()
        return made

    def change(self, programme: UUID, body: Change, who: Principal) -> None:
        """The next version, once by request. Raises Conflict where somebody was quicker, Invalid."""

        def work(connection: Connection) -> None:
            found = store.held(connection, programme)
            if not repeated(connection, body.request, programme, "set"):
                self._change(connection, found, body, who)

        writing_again(self.office.engine, work)
        self.office.outbox.woken.set()

    def _make(self, connection: Connection, body: NewProgramme, who: Principal) -> UUID:
        patient = require_patient(connection, body.site, body.patient, hold=True)
        _require_cure(connection, patient, body.cure)
        _require_none_before(connection, patient, body.wanted.region)
        at = self.now()
        today = ZONES.day(connection, body.site, at)
        _require_days(body.wanted, today, known=None)
        decision = _allowed(connection, patient, body.wanted)
        key, at_us = uuid4(), us_of(at)
        store.add(connection, {
            "id": str(key), "patient": patient, "site": body.site, "region": body.wanted.region,
            "cure": body.cure and str(body.cure), "language": body.language, "version": 1,
            "starts_on": body.wanted.starts_on, "last_day": last_day(body.wanted), "state": "supervised",
            "made_us": at_us, "changed_us": at_us,
        })  # fmt: skip
        store.add_version(connection, key, 1, body.request, body.wanted, decision, (), who, at_us)
        settling.settle(self.office, connection, store.programme(connection, key), at)
        return key

    def _change(self, connection: Connection, found: Programme, body: Change, who: Principal) -> None:
        states.after(found.state, "set", was_started=True)
        _require_version(connection, found, body.version)
        if body.wanted.region != found.region:
            raise _other_region(found, body.wanted.region)
        at = self.now()
        today = ZONES.day(connection, found.site, at)
        _require_days(body.wanted, today, known=found.wanted.starts_on)
        decision = _allowed(connection, str(found.patient), body.wanted)
        at_us, version = us_of(at), found.version + 1
        store.add_version(
            connection, found.id, version, body.request, body.wanted, decision, body.again, who, at_us
        )
        store.put(
            connection, found.id, version=version, starts_on=body.wanted.starts_on,
            last_day=last_day(body.wanted), changed_us=at_us,
        )  # fmt: skip
        settling.settle(self.office, connection, store.programme(connection, found.id), at)


def repeated(connection: Connection, request: UUID, programme: UUID, kind: str) -> bool:
    """Whether this request did the same here already. Raises Conflict where it did something else."""
    before = store.asked_before(connection, request)
    if before is None:
        return False
    if before != (str(programme), kind):
        raise other_request(request)
    return True


def other_request(request: UUID) -> Conflict:
    """A request's id stands for one thing."""
    return said(
        Conflict,
        {"de": f"Die Anfrage {request} hat schon etwas anderes bewirkt: jede braucht eine eigene Nummer",
         "en": f"the request {request} has already done something else: each needs an id of its own"},
    )  # fmt: skip


def _repeated(connection: Connection, body: NewProgramme) -> UUID | None:
    before = store.asked_before(connection, body.request)
    if before is None:
        return None
    made = store.programme(connection, before[0])
    same = {str(made.patient), *person(connection, made.patient).files}
    if before[1] != "set" or made.site != body.site or str(body.patient) not in same:
        raise other_request(body.request)
    return made.id


def _require_cure(connection: Connection, patient: str, cure: UUID | None) -> None:
    if cure is None:
        return
    files = person(connection, patient).files
    known = select(CURES.c.cure).where(CURES.c.cure == str(cure), CURES.c.patient.in_(files))
    if connection.execute(known).first() is None:
        raise unknown(CURE, cure)


def _require_none_before(connection: Connection, patient: str, region: Region) -> None:
    """One open programme a region; and a report of pain is answered where it was made.

    Otherwise a new programme would open what is locked in the old one.
    """
    every = store.of_person(connection, patient, tuple(states.STATES))
    mine = [one for one in every if one.region == region]
    running = next((one for one in mine if one.state in states.OPEN), None)
    if running is not None:
        raise said(
            Conflict,
            {"de": f"Für diese Region gibt es schon ein Programm ({states.STATES[running.state]['de']}): "
                   "es ändern oder zuerst beenden",
             "en": f"there is a programme for this region already ({states.STATES[running.state]['en']}): "
                   "change it, or end it first"},
            programme=running.id,
        )  # fmt: skip
    for programme, reports in course.locks(connection, mine).items():
        if reports:
            raise said(
                Conflict,
                {"de": f"{len(reports)} Schmerzmeldungen des früheren Programms sind unbeantwortet: zuerst "
                       "antworten, sonst öffnete ein neues Programm, was gesperrt ist",
                 "en": f"{len(reports)} reports of pain of the earlier programme are unanswered: answer them "
                       "first, else a new programme would open what is locked"},
                programme=programme,
            )  # fmt: skip


def _require_days(wanted: Wanted, today: date, known: date | None) -> None:
    """It begins about now, or stays as it is; and it is not over before it is set."""
    first, last = today - EARLIEST, today + LATEST
    if wanted.starts_on != known and not first <= wanted.starts_on <= last:
        raise said(
            Invalid,
            {"de": f"starts_on ist {wanted.starts_on:%d.%m.%Y}: möglich sind {first:%d.%m.%Y} bis "
                   f"{last:%d.%m.%Y} ({EARLIEST.days} Tage zurück, {LATEST.days} voraus)",
             "en": f"starts_on is {wanted.starts_on}: possible are {first} to {last} ({EARLIEST.days} days "
                   f"back, {LATEST.days} ahead)"},
            field="starts_on",
        )  # fmt: skip
    if last_day(wanted) < today:
        raise said(
            Invalid,
            {"de": f"weeks ist {wanted.weeks}: das Programm wäre seit {last_day(wanted):%d.%m.%Y} vorbei",
             "en": f"weeks is {wanted.weeks}: the programme would be over since {last_day(wanted)}"},
            field="weeks",
        )  # fmt: skip


def _allowed(connection: Connection, patient: str, wanted: Wanted) -> Decision:
    """What the gates make of it. Raises Invalid where nothing of it may be done anywhere."""
    decision = deciding.judge(wanted, standing.of(connection, patient, wanted.region))
    if decision.verdict != "refused":
        return decision
    told = [one for one in decision.reasons if one.verdict == "refused"]
    german, english = ("; ".join(f"{one.words[key]} ({one.source})" for one in told) for key in LANGUAGES)
    raise said(
        Invalid,
        {"de": f"Dieses Programm wird abgelehnt: {german}", "en": f"this programme is refused: {english}"},
        decision=decision.model_dump(mode="json"),
        reasons=[one.model_dump(mode="json") for one in decision.reasons],
    )  # fmt: skip


def _require_version(connection: Connection, found: Programme, version: int) -> None:
    if version == found.version:
        return
    last = store.versions(connection, found.id)[-1]
    raise said(
        Conflict,
        {"de": f"Inzwischen hat {last['name']} das Programm geändert: Version {found.version}, nicht "
               f"{version}. Bitte neu laden und noch einmal ändern",
         "en": f"meanwhile {last['name']} has changed the programme: version {found.version}, not {version}. "
               "Please load it again and repeat the change"},
        version=found.version,
    )  # fmt: skip


def _other_region(found: Programme, region: Region) -> Invalid:
    return said(
        Invalid,
        {"de": f"region ist {region}: das Programm ist für {found.region}; für eine andere Region "
               "ein eigenes Programm festlegen",
         "en": f"region is {region}: the programme is for {found.region}; set another programme for another "
               "region"},
        field="region",
    )  # fmt: skip
