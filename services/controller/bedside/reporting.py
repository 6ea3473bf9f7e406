"""An adverse event, reported at the bed: the pull pauses first, then it is written down."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from services.controller.bedside.reports import Report
from services.controller.bedside.session import Actor, Answer, Bedside
from services.controller.bedside.suspending import PAUSABLE
from services.controller.centre.worklists import Worklists
from services.controller.errors import BedUnavailable, SessionRefused, StoreUnavailable
from services.controller.kernel import layout
from services.controller.models import Adverse
from services.controller.rows import Session
from services.controller.words import Words

log = structlog.get_logger(__name__)

AFTERWARDS: Final = timedelta(hours=12)  # so long the last session of a bed is the one that is meant
_NOBODY: Final = Words(
    "there is no session here to report an adverse event of: none is on the bed, and none ended here within "
    "12 h; report it in the patient's file",
    "hier gibt es keine Sitzung, zu der ein unerwünschtes Ereignis gemeldet werden kann: keine läuft, keine "
    "endete in den letzten 12 h; in der Akte melden",
)
_TAKEN: Final = Words(
    "report {report} was made for another session: nothing was changed",
    "die Meldung {report} gehört zu einer anderen Sitzung: nichts wurde geändert",
)
_REPORTED: Final = {  # by whether it suspends
    True: Words(
        "reported: {what}. Nobody goes on before a clinician has signed a reason; screening is told.",
        "gemeldet: {what}. Weiter geht es erst mit ärztlich unterschriebener Begründung; die Aufnahme "
        "erfährt davon.",
    ),
    False: Words(
        "reported: {what}. It suspends nothing by itself; screening is told.",
        "gemeldet: {what}. Es setzt von sich aus nichts aus; die Aufnahme erfährt davon.",
    ),
}
_WAITS: Final = Words(
    " It is not on this machine's disk yet: tell the desk, too.",
    " Es steht noch nicht auf der Platte dieses Rechners: auch am Empfang melden.",
)


@dataclass(frozen=True, slots=True)
class Reporting:
    """Takes reports for the beds of a panel."""

    bedside: Bedside
    worklists: Worklists

    def report(self, device: str, given: Adverse, actor: Actor) -> Answer:
        """Pause whoever it is about, keep it, and suspend where its kind and grade say so.

        Raises SessionRefused where there is no session that it could be of; StoreUnavailable where whose it
        is cannot be read: the session on the bed is paused all the same.
        """
        here = self._pause(device, given)
        session = self._meant(device, given, here)
        known = self.worklists.reports.find(given.id)
        if known is not None and known.session != session.session:
            raise _refused(_TAKEN.format(report=given.id))
        if known is not None:
            return _answer(known)
        made = Report(
            given.id, session.session, session.device, session.patient, session.cure, session.region,
            given.kind, given.grade, self.worklists.known.serial, datetime.now(UTC), actor.name,
            actor.account or None,
        )  # fmt: skip
        is_kept = self.worklists.reports.add(made)
        log.warning("an adverse event was reported", device=device, session=str(session.session),
                    kind=made.kind, grade=made.grade)  # fmt: skip
        data: dict[str, Any] = {"report": str(made.report), "kind": made.kind, "grade": made.grade}
        self.bedside.wrote(device, session, actor.name, "adverse", made.words.en, data)
        return _answer(made, is_kept=is_kept)

    def about(self, device: str, session: Session | None) -> Session | None:
        """Whom a report at this bed would be about, as far as the log can be read."""
        if session is not None:
            return session
        try:
            last = self.bedside.store.last_treated(device)
        except StoreUnavailable:
            return None
        ended_at = last.ended_at if last else None
        if last is None or ended_at is None or datetime.now(UTC) - ended_at > AFTERWARDS:
            return None
        return last

    def _pause(self, device: str, given: Adverse) -> Session | None:
        """Hold the session on the bed, if it may be the one that is meant; asks no disk whether it may."""
        memory, bed = self.bedside.bed(device)
        sample = self.bedside.sample(memory, bed)[2]
        session = self.bedside.session_of(memory, bed)
        is_meant = session is None or given.session in (None, session.session)
        if is_meant and layout.PHASES[sample[layout.S_PHASE]] in PAUSABLE:
            try:
                self.bedside.hold(device)
            except (
                SessionRefused,
                BedUnavailable,
            ) as error:  # the recorder tries again for as long as it must
                log.warning("a report could not pause the bed yet", device=device, why=error.message)
        return session

    def _meant(self, device: str, given: Adverse, here: Session | None) -> Session:
        if given.session is not None and (here is None or here.session != given.session):
            return self.bedside.store.by_id(given.session)
        if here is None and int(self.bedside.sample(*self.bedside.bed(device))[2][layout.S_SESSION]):
            raise StoreUnavailable(
                f"{device}: the session is paused, and whose it is cannot be read: report it at the desk"
            )
        found = self.about(device, here)
        if found is None:
            raise _refused(_NOBODY)
        return found


def _answer(made: Report, *, is_kept: bool = True) -> Answer:
    what, waits = made.words, Words("", "") if is_kept else _WAITS
    said = _REPORTED[made.suspends]
    done = Words(said.en.format(what=what.en) + waits.en, said.de.format(what=what.de) + waits.de)
    return Answer("adverse", done, made.session)


def _refused(words: Words) -> SessionRefused:
    return SessionRefused(words.en, words.de)
