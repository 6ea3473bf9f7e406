"""Whether a patient may be treated as far as the centre has told this gateway: suspensions, clearances,
silence.

Asked before a patient is confirmed, and before every start, resume and change. Words in English and German
say what is refused, since when, why, and who may restore it.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from broker.messages import Suspension
from services.controller.centre.worklists import AHEAD, Worklists
from services.controller.errors import SessionRefused
from services.controller.rows import Session
from services.controller.words import Words
from services.kit.clearance import Clearance, Clocks
from services.kit.errors import ClearanceError

HOUR_S: Final = 3600.0

REASONS: Final[dict[str, Words]] = {  # as screening names them (docs/screening.md)
    "answer": Words("a new answer in the questionnaire", "eine neue Antwort im Fragebogen"),
    "adverse": Words("an adverse event was reported", "ein unerwünschtes Ereignis wurde gemeldet"),
    "consent": Words("the consent was withdrawn", "die Einwilligung wurde widerrufen"),
    "guardings": Words("too many counter-tensions in one session", "zu häufige Abwehr in einer Sitzung"),
    "aborted": Words("a session was aborted", "eine Sitzung wurde abgebrochen"),
    "gate": Words(
        "a review is due and not signed", "eine Zwischenprüfung ist fällig und nicht unterschrieben"
    ),
    "home-pain": Words("too much pain was reported from home", "von zu Hause wurde zu viel Schmerz gemeldet"),
    "file": Words("the file does not bear the clearance any more", "die Akte trägt die Freigabe nicht mehr"),
    "clinician": Words("suspended by a clinician", "ärztlich ausgesetzt"),
}
RESTORED_BY: Final = Words(
    "a clinician restores it by signing a reason in screening",
    "aufheben kann es eine Ärztin oder ein Arzt mit unterschriebener Begründung in der Aufnahme",
)
_SUSPENDED: Final = Words(
    "{action} is refused: this patient's treatment is suspended since {since}, because {reason}; {restored}",
    "{action} ist gesperrt: die Behandlung ist ausgesetzt seit {since}, Grund: {reason}; {restored}",
)
_UNDER_WAY: Final = {  # by adverse
    True: Words(
        "Adverse event: this patient's treatment is suspended since {since}, because {reason}. A running "
        "session is paused and cannot be resumed; look after the patient and end it.",
        "Unerwünschtes Ereignis: die Behandlung ist ausgesetzt seit {since}, Grund: {reason}. Eine laufende "
        "Sitzung wird angehalten und kann nicht fortgesetzt werden; Patient ansprechen und beenden.",
    ),
    False: Words(
        "This patient's treatment is suspended since {since}, because {reason}. The session may end "
        "normally; the next one needs a clinician's signature.",
        "Die Behandlung ist ausgesetzt seit {since}, Grund: {reason}. Die Sitzung darf normal zu Ende gehen; "
        "die nächste braucht eine ärztliche Unterschrift.",
    ),
}
_TOLD_WHEN_SIGNED_IN: Final = Words("the reason is shown to who is signed in", "siehe nach Anmeldung")
_NOT_CLEARED: Final = Words(
    "{action} is refused: the worklist of {at} has no clearance in force for this appointment; screening "
    "gives "
    "one, signed by a clinician",
    "{action} ist gesperrt: die Terminliste von {at} hat keine gültige Freigabe für diesen Termin; die "
    "Aufnahme "
    "erteilt sie mit ärztlicher Unterschrift",
)
_EXPIRED: Final = Words(
    "{action} is refused: the clearance of this session was valid until {until}; screening gives a new one",
    "{action} ist gesperrt: die Freigabe dieser Sitzung galt bis {until}; die Aufnahme erteilt eine neue",
)
_OLDER: Final = Words(
    "confirm is refused: this clearance is of {issued}, and the worklist of {at} has a newer one, {newer}; "
    "take the patient from today's list, or that clearance",
    "confirm ist gesperrt: diese Freigabe ist von {issued}, und die Terminliste von {at} hat eine neuere, "
    "{newer}; den Patienten aus der heutigen Liste nehmen, oder jene Freigabe",
)
_BEFORE: Final = Words(
    "confirm is refused: this clearance is of {issued}, before the suspension of {since} that took it back; "
    "screening gave a new one when a clinician restored the treatment, or gives one",
    "confirm ist gesperrt: diese Freigabe ist von {issued}, vor der Aussetzung vom {since}, die sie "
    "zurückgenommen hat; die Aufnahme erteilte eine neue, als die Behandlung ärztlich wieder freigegeben "
    "wurde, oder erteilt sie noch",
)
_SILENT: Final = Words(
    "This gateway has not heard from the centre since {at}, {hours} h ago (limit {limit} h): suspensions "
    "and new "
    "clearances of that time are not known here. Ask the desk before you start.",
    "Dieses Gateway hat seit {at}, vor {hours} h, nichts von der Zentrale gehört (Grenze {limit} h): seither "
    "ausgesetzte Behandlungen und neue Freigaben sind hier nicht bekannt. Vor dem Start am Empfang "
    "nachfragen.",
)
_NEVER_HEARD: Final = Words(
    "This gateway has never heard from the centre: suspensions are not known here. Ask the desk before you "
    "start.",
    "Dieses Gateway hat noch nie etwas von der Zentrale gehört: ausgesetzte Behandlungen sind hier nicht "
    "bekannt. "
    "Vor dem Start am Empfang nachfragen.",
)
_CLOCK: Final = Words(
    "This gateway's clock is behind: the centre was heard at {at}, which is still to come here. How long ago "
    "that was nobody knows. Ask the desk before you start, and have the clock set.",
    "Die Uhr dieses Gateways geht nach: die Zentrale meldete sich um {at}, hier liegt das in der Zukunft. "
    "Wie lange das her ist, weiß niemand. Vor dem Start am Empfang nachfragen und die Uhr stellen lassen.",
)
_DOUBTED: Final = Words(
    "This gateway's clock is behind, or the centre's was ahead: the newest list is of {at}, which is still "
    "to come here. An older one of {older} came since and is not believed: of it only suspensions count. Ask "
    "the desk before you start, and have the clock set.",
    "Die Uhr dieses Gateways geht nach, oder die der Zentrale ging vor: die neueste Liste ist von {at}, hier "
    "liegt das in der Zukunft. Danach kam eine ältere von {older}; ihr wird nicht geglaubt, nur ihre "
    "Aussetzungen zählen. Vor dem Start am Empfang nachfragen und die Uhr stellen lassen.",
)
_DAMAGED: Final = Words(
    "The list of {devices} cannot be read: suspensions are not all known here until the centre is heard "
    "again. Ask the desk before you start.",
    "Die Terminliste von {devices} ist nicht lesbar: bis sich die Zentrale wieder meldet, sind hier nicht "
    "alle ausgesetzten Behandlungen bekannt. Vor dem Start am Empfang nachfragen.",
)
_UNSEEN: Final = Words(
    "start is refused until it was said that this was seen: {silence}",
    "Start ist gesperrt, bis bestätigt ist, dass dies gesehen wurde: {silence}",
)
_UNREAD: Final = Words(
    "{action} is refused: the session log cannot be read, so nobody can tell whether this patient is "
    "suspended",
    "{action} ist gesperrt: das Sitzungsbuch ist nicht lesbar, also ist nicht bekannt, ob dieser Patient "
    "ausgesetzt ist",
)


@dataclass(frozen=True, slots=True)
class Whom:
    """Who is to be treated, and by which clearance."""

    patient: UUID
    region: str
    appointment: UUID | None
    cleared_until: datetime | None = None

    @classmethod
    def of(cls, session: Session) -> "Whom":
        """Whoever lies on the bed."""
        return cls(session.patient, session.region, session.appointment, session.cleared_until)


class Admission:
    """Judges by the worklists that are held; safe from any thread.

    ``silent_after_h`` is how long the centre may be silent before a start asks; 0: a gateway without a
    centre.
    """

    def __init__(self, worklists: Worklists, clocks: Clocks, *, silent_after_h: float = 24.0) -> None:
        self.worklists = worklists
        self._clocks = clocks
        self._silent_after_h = silent_after_h

    def require(self, action: str, whom: Whom) -> None:
        """Raise SessionRefused with the reason why this patient must not be treated now."""
        self.worklists.refresh()
        suspension = self.worklists.suspension(whom.patient, whom.region)
        if suspension is not None:
            raise _refusal(_said(_SUSPENDED, suspension, action=action))
        self._require_cleared(action, whom)
        until = whom.cleared_until
        if until is not None and self._clocks.now()[0] >= until.timestamp():
            raise _refusal(_EXPIRED.format(action=action, until=told(until)))

    def require_newest(self, given: Clearance, read: Callable[[str], Clearance]) -> None:
        """Raise SessionRefused for a clearance that what was told since has overtaken, expired or not.

        ``read`` tells what a token of the lists says.
        """
        since = self.worklists.known.suspended_since(given.patient, given.region)
        if since is not None and given.valid_from < since.replace(microsecond=0):
            raise _refusal(_BEFORE.format(issued=told(given.valid_from), since=told(since)))
        for token in self.worklists.clearances(given.patient):
            with suppress(ClearanceError):  # a token that is none takes nothing back
                newer = read(token)
                if newer.region == given.region and newer.valid_from > given.valid_from:
                    at = self.heard_at()
                    raise _refusal(
                        _OLDER.format(
                            issued=told(given.valid_from),
                            newer=told(newer.valid_from),
                            at=told(at) if at else "-",
                        )
                    )

    def require_known(self, action: str) -> None:
        """Raise SessionRefused when nobody can tell whose session it is and somebody is suspended."""
        self.worklists.refresh()
        if self.worklists.suspended():
            raise _refusal(_UNREAD.format(action=action))

    def require_seen(self, *, seen: bool) -> None:
        """Raise SessionRefused when the centre is silent and nobody has said that they saw it.

        A gateway that never heard from one may have none: it says so and asks nothing.
        """
        silence = self.silence()
        known = self.heard_at() is not None or self.worklists.damaged
        if silence is not None and not seen and known:
            raise SessionRefused(_UNSEEN.en.format(silence=silence.en), _UNSEEN.de.format(silence=silence.de))

    def silence(self) -> Words | None:
        """That this gateway has not heard from the centre for long; None when it has."""
        if self._silent_after_h <= 0:
            return None
        if damaged := self.worklists.damaged:
            return _DAMAGED.format(devices=", ".join(sorted(damaged)))
        newest = self.worklists.newest()
        if newest is None:
            return _NEVER_HEARD
        ago_h = (self._clocks.now()[0] - newest.at.timestamp()) / HOUR_S
        if ago_h * HOUR_S < -AHEAD.total_seconds():
            return self._of_a_wrong_clock(newest.at)
        if ago_h < self._silent_after_h:
            return None
        return _SILENT.format(at=told(newest.at), hours=f"{ago_h:.0f}", limit=f"{self._silent_after_h:g}")

    def _of_a_wrong_clock(self, newest: datetime) -> Words:
        doubted = self.worklists.doubted()
        if doubted is None:
            return _CLOCK.format(at=told(newest))
        return _DOUBTED.format(at=told(newest), older=told(doubted.at))

    def heard_at(self) -> datetime | None:
        """When the centre said what is known here."""
        newest = self.worklists.newest()
        return newest.at if newest else None

    def notice(self, session: Session) -> dict[str, Any] | None:
        """What a bed tells of the suspension of whoever lies on it; None when there is none."""
        suspension = self.worklists.suspension(session.patient, session.region)
        if suspension is None:
            return None
        words = _UNDER_WAY[suspension.adverse]
        return {
            "since": suspension.since.isoformat(),
            "adverse": suspension.adverse,
            "text": _said(words, suspension).as_json(),
            "open_text": _said(words, suspension, reason=_TOLD_WHEN_SIGNED_IN).as_json(),
        }

    def _require_cleared(self, action: str, whom: Whom) -> None:
        listed = self.worklists.entry(whom.appointment) if whom.appointment else None
        entries = [listed.entry] if listed else self.worklists.of_patient(whom.patient, whom.region)
        if entries and all(entry.clearance is None for entry in entries):
            at = self.heard_at()
            raise _refusal(_NOT_CLEARED.format(action=action, at=told(at) if at else "-"))


def suspended_words(suspension: Suspension) -> Words:
    """One line for a list: since when, and why."""
    reason = reason_words(suspension.reason)
    since = told(suspension.since)
    return Words(f"suspended since {since}: {reason.en}", f"ausgesetzt seit {since}: {reason.de}")


def reason_words(code: str) -> Words:
    """A reason of screening in words; an unknown one as it is."""
    return REASONS.get(code) or Words(code[:80], code[:80])


def told(at: datetime) -> str:
    """A time in a text."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _said(words: Words, suspension: Suspension, *, reason: Words | None = None, **values: str) -> Words:
    reason, since = reason or reason_words(suspension.reason), told(suspension.since)
    return Words(
        words.en.format(reason=reason.en, since=since, restored=RESTORED_BY.en, **values),
        words.de.format(reason=reason.de, since=since, restored=RESTORED_BY.de, **values),
    )


def _refusal(words: Words) -> SessionRefused:
    return SessionRefused(words.en, words.de)
