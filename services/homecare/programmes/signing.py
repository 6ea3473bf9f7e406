"""Supervised sessions, signed by whoever stood beside; and a clinician's turns: pause, resume, end."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from services.homecare.errors import Conflict, Invalid, said
from services.homecare.exercises.library import library
from services.homecare.models import Judged, Programme
from services.homecare.programmes import course, settling, states, store
from services.homecare.programmes.models import Signing, Turning
from services.homecare.programmes.setting import repeated
from services.homecare.programmes.states import Turn
from services.homecare.progression.today import last_day
from services.homecare.tables import ZONES
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import writing_again
from services.kit.moments import Now, instant_of, us_of

RULE: Final = "docs/homecare.md"


@dataclass(frozen=True, slots=True)
class Desk:
    """Signs and turns programmes of one office."""

    office: Office
    now: Now

    def sign(self, programme: UUID, body: Signing, who: Principal) -> None:
        """A supervised session, once by request. Raises Conflict, Invalid."""

        def work(connection: Connection) -> None:
            found = store.held(connection, programme)
            if not repeated(connection, body.request, programme, "signed"):
                self._sign(connection, found, body, who)

        writing_again(self.office.engine, work)
        self.office.outbox.woken.set()

    def turn(self, programme: UUID, turn: Turn, body: Turning, who: Principal) -> None:
        """Paused, resumed or ended, once by request. Raises Conflict."""

        def work(connection: Connection) -> None:
            found, at = store.held(connection, programme), self.now()
            if repeated(connection, body.request, programme, turn):
                return
            settling.take(
                connection, found, turn, at, reason=body.reason, who=who, request=body.request
            )  # fmt: skip
            settling.settle(self.office, connection, store.programme(connection, programme), at)

        writing_again(self.office.engine, work)
        self.office.outbox.woken.set()

    def _sign(self, connection: Connection, found: Programme, body: Signing, who: Principal) -> None:
        at = self.now()
        if found.state not in ("supervised", "running"):
            raise _not_now(found)
        force_n = _require_exercise(connection, found, body.exercise).force_n
        known = store.signatures(connection, found.id)
        made_us = store.versions(connection, found.id)[0]["at_us"]
        first = ZONES.day(connection, found.site, instant_of(made_us))
        _require_day(body.day, min(first, found.wanted.starts_on), ZONES.day(connection, found.site, at))
        if any(row["exercise"] == body.exercise and row["day"] == body.day for row in known):
            raise _signed_already(body)
        store.add_signature(connection, {
            "request": str(body.request), "programme": str(found.id), "exercise": body.exercise,
            "day": body.day, "went_well": body.went_well, "force_n": force_n, "note": body.note,
            "account": who.account, "name": who.name[:80], "at_us": us_of(at),
        })  # fmt: skip
        settling.settle(self.office, connection, store.programme(connection, found.id), at)


def _require_exercise(connection: Connection, found: Programme, exercise: str) -> Judged:
    """It is of the programme, nobody refused it, and it was not taken off. Raises Invalid."""
    judged = {one.exercise: one for one in found.decision.exercises}
    if exercise not in judged:
        raise said(
            Invalid,
            {"de": f"exercise ist {exercise}: das Programm hat {', '.join(judged)}",
             "en": f"exercise is {exercise}: the programme has {', '.join(judged)}"},
            field="exercise",
        )  # fmt: skip
    name = library().of(exercise).name
    if judged[exercise].verdict == "refused":
        why = [one for one in found.decision.reasons if one.exercise in (None, exercise)]
        told = [one for one in why if one.verdict == "refused"]
        german, english = ("; ".join(one.words[key] for one in told) for key in ("de", "en"))
        raise said(
            Invalid,
            {"de": f"{name['de']} ist abgelehnt: {german}", "en": f"{name['en']} is refused: {english}"},
            field="exercise",
        )
    if exercise in course.of(connection, found).off:
        raise said(
            Invalid,
            {"de": f"{name['de']} wurde nach einer Schmerzmeldung herausgenommen",
             "en": f"{name['en']} was taken off after a report of pain"},
            field="exercise",
        )  # fmt: skip
    return judged[exercise]


def _require_day(day: date, first: date, today: date) -> None:
    if not first <= day <= today:
        raise said(
            Invalid,
            {"de": f"day ist {day:%d.%m.%Y}: unterschrieben werden Tage von {first:%d.%m.%Y} (Beginn des "
                   f"Programms) bis heute, {today:%d.%m.%Y}",
             "en": f"day is {day}: days from {first} (when the programme began) to today, {today}, can "
                   "be signed"},
            field="day",
        )  # fmt: skip


def _signed_already(body: Signing) -> Conflict:
    name = library().of(body.exercise).name
    return said(
        Conflict,
        {"de": f"{name['de']} ist für den {body.day:%d.%m.%Y} schon unterschrieben: eine Einheit am Tag",
         "en": f"{name['en']} is signed for {body.day} already: one session a day"},
    )  # fmt: skip


def _not_now(found: Programme) -> Conflict:
    state = states.STATES[found.state]
    return said(
        Conflict,
        {"de": f"Das Programm ist „{state['de']}“: unterschrieben wird, solange es läuft ({RULE})",
         "en": f"the programme is '{state['en']}': sessions are signed while it runs ({RULE})"},
        state=found.state, last_day=last_day(found.wanted),
    )  # fmt: skip
