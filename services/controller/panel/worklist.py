"""Today's list at a bed: who comes when, by name, and whether they may be treated; confirming one of them.

Names are unsealed for whoever is signed in at the bed, in this process's memory: they are in no file, log or
answer to anybody else.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from broker.messages import WorklistEntry
from services.controller.bedside.admission import Admission, suspended_words
from services.controller.centre.worklists import Listed
from services.controller.errors import SessionRefused
from services.controller.models import Confirm, ConfirmListed
from services.controller.rows import Session
from services.controller.store import Store
from services.controller.words import Words
from services.kit.clearance import Clearance, Clocks, read, require_in_time
from services.kit.errors import ClearanceError
from services.kit.sealed import Person, SealedRefused, unseal_person
from services.kit.therapy.at_segment import FIELD, arrives

log = structlog.get_logger(__name__)
Json = dict[str, Any]

STALE: Final = timedelta(hours=12)  # after its end an appointment is no longer one of today
_NO_PRESCRIPTION: Final = Words(
    "no prescription yet: a clinician confirms the next one",
    "noch keine Verordnung: die nächste wird ärztlich bestätigt",
)
_NO_CLEARANCE: Final = Words(
    "no clearance in force: screening gives one", "keine gültige Freigabe: die Aufnahme erteilt sie"
)
_ENDED: Final = Words(
    "the clearance ended {until}: screening gives a new one",
    "die Freigabe endete {until}: die Aufnahme erteilt eine neue",
)
_CLEARED: Final = Words("cleared until {until}", "freigegeben bis {until}")
_CLEARED_IF: Final = Words(
    "cleared until {until}, with conditions: {conditions}",
    "freigegeben bis {until}, mit Auflagen: {conditions}",
)
_UNKNOWN: Final = Words(
    "there is no appointment {appointment} on this gateway's worklists",
    "es gibt keinen Termin {appointment} auf den Terminlisten dieses Gateways",
)
_OVER: Final = Words(
    "the appointment ended {at}: it is not one of today", "der Termin endete {at}: er ist keiner von heute"
)
_ELSEWHERE: Final = Words(
    "this appointment's session is under way at {device}: close it there first",
    "die Sitzung dieses Termins läuft an {device}: erst dort abschließen",
)


class TodaysList:
    """What the panel's routes ask; safe from any thread."""

    def __init__(
        self,
        admission: Admission,
        store: Store,
        clocks: Clocks,
        public_key: bytes | None,
        sealing_key: X25519PrivateKey | None,
    ) -> None:
        self._admission = admission
        self._store = store
        self._clocks = clocks
        self._public_key = public_key
        self._sealing_key = sealing_key

    def view(self, device: str) -> Json:
        """The appointments of today, this bed's first: the others' when their bed fails."""
        self._admission.worklists.refresh()
        rows = [row for row in self._admission.worklists.listed() if not self._is_over(row.entry)]
        treated = self._store.of_appointments([row.entry.appointment for row in rows])
        rows.sort(key=lambda row: (row.device != device, row.entry.starts_at, row.device))
        heard_at, silence = self._admission.heard_at(), self._admission.silence()
        return {
            "device": device,
            "heard_at": heard_at.isoformat() if heard_at else None,
            "silent": silence.as_json() if silence else None,
            "appointments": [self._row(row, treated.get(row.entry.appointment)) for row in rows],
        }

    def request(self, body: ConfirmListed) -> Confirm:
        """The confirmation that an appointment stands for. Raises SessionRefused when it cannot be given."""
        self._admission.worklists.refresh()
        found = self._admission.worklists.entry(body.appointment)
        if found is None:
            raise _refused(_UNKNOWN.format(appointment=body.appointment))
        entry = found.entry
        if self._is_over(entry):
            raise _refused(_OVER.format(at=_clock(entry.ends_at)))
        if (against := self._against(entry)) is not None:
            raise _refused(against)
        session = self._store.of_appointments([entry.appointment]).get(entry.appointment)
        if session is not None and session.state == "open":
            raise _refused(_ELSEWHERE.format(device=session.device))
        return Confirm(
            patient=entry.patient,
            prescription=dict(entry.prescription or {}),
            clearance=entry.clearance or "",
            cure=entry.cure,
            appointment=entry.appointment,
            pain_before=body.pain_before,
            note=body.note,
        )

    def _row(self, row: Listed, session: Session | None) -> Json:
        entry = row.entry
        person, prescription = self._person(entry), entry.prescription or {}
        clear, words = self._state(entry)
        return {
            "appointment": str(entry.appointment),
            "patient": str(entry.patient),
            "device": row.device,
            "starts_at": entry.starts_at.isoformat(),
            "ends_at": entry.ends_at.isoformat(),
            "name": person.name if person else None,
            "birth_date": person.birth_date.isoformat() if person else None,
            "session_number": entry.session_number,
            "region": prescription.get("region"),
            "segment": prescription.get("segment"),
            "peak_n": prescription.get("peak_n"),
            "segment_peak": _at_segment(prescription),
            "clear": clear,
            **self._validity(entry, clear=clear),
            "state": words.as_json(),
            "session": _treated(session) if session else None,
        }

    def _state(self, entry: WorklistEntry) -> tuple[bool, Words]:
        """Whether it may be confirmed as far as is known here, and why (not)."""
        against = self._against(entry)
        if against is not None:
            return False, against
        clearance = self._clearance(entry)
        until = _clock(clearance.valid_until)
        if clearance.conditions:
            return True, _CLEARED_IF.format(until=until, conditions=", ".join(clearance.conditions))
        return True, _CLEARED.format(until=until)

    def _validity(self, entry: WorklistEntry, *, clear: bool) -> Json:
        clearance = self._clearance(entry) if clear else None
        return {
            "cleared_until": clearance.valid_until.isoformat() if clearance else None,
            "conditions": list(clearance.conditions) if clearance else [],
        }

    def _against(self, entry: WorklistEntry) -> Words | None:
        region = (entry.prescription or {}).get("region")
        suspension = self._admission.worklists.suspension(entry.patient, str(region))
        if suspension is not None:
            return suspended_words(suspension)
        if entry.prescription is None:
            return _NO_PRESCRIPTION
        if entry.clearance is None:
            return _NO_CLEARANCE
        try:
            clearance = self._clearance(entry)
            if self._clocks.now()[0] >= clearance.valid_until.timestamp():
                return _ENDED.format(until=_clock(clearance.valid_until))
            require_in_time(clearance, self._clocks)
        except ClearanceError as error:
            return Words(error.message, error.german)
        return None

    def _clearance(self, entry: WorklistEntry) -> Clearance:
        if self._public_key is None:
            raise ClearanceError("this gateway has no clearance key", "dieses Gateway hat keinen Schlüssel")
        return read(entry.clearance or "", self._public_key)

    def _person(self, entry: WorklistEntry) -> Person | None:
        if entry.patient_sealed is None or self._sealing_key is None:
            return None
        try:
            return unseal_person(self._sealing_key, entry.patient_sealed, entry.appointment, entry.patient)
        except SealedRefused as error:
            log.warning("a name does not open", appointment=str(entry.appointment), why=error.message)
            return None

    def _is_over(self, entry: WorklistEntry) -> bool:
        return self._clocks.now()[0] >= (entry.ends_at + STALE).timestamp()


def _at_segment(prescription: Mapping[str, Any]) -> Json | None:
    """The model's force and interval where the peak was prescribed at the segment; never measured."""
    found = arrives(prescription) if prescription.get(FIELD) is not None else None
    if found is None:
        return None
    low_n, high_n = round(found.axial_low_n, 1), round(found.axial_high_n, 1)
    return {"model": True, "axial_n": round(found.axial_n, 1), "axial_low_n": low_n, "axial_high_n": high_n}


def _treated(session: Session) -> Json:
    return {
        "session": str(session.session),
        "device": session.device,
        "under_way": session.state == "open",
        "started_at": session.started_at.isoformat() if session.started_at else None,
        "ended_at": session.ended_at.isoformat() if session.ended_at else None,
    }


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _refused(words: Words) -> SessionRefused:
    return SessionRefused(words.en, words.de)
