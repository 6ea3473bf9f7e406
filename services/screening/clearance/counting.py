"""Sessions that came to their end at a bed: each counts once, and may suspend."""

from sqlalchemy import Connection

from broker.messages import Event, SessionSummary
from services.kit.business.inbox import Handler, Heard
from services.kit.business.service import Office
from services.screening import zones
from services.screening.clearance import people, store
from services.screening.clearance.gates import suspend_by_gates
from services.screening.clearance.models import Held
from services.screening.clearance.suspension import suspend
from services.screening.patients import store as patients
from services.screening.settings import ScreeningSettings

COMPLETED = "session.completed"


def hear_sessions(office: Office) -> Handler:
    """The handler of beds' events; of sessions of patients that nobody knows here it hears nothing."""
    settings = office.settings
    most = settings.suspend_guardings if isinstance(settings, ScreeningSettings) else 0

    def hear(connection: Connection, heard: Heard) -> None:
        event = heard.message
        if not isinstance(event, Event) or event.summary is None:
            return
        summary = event.summary
        file = people.find(connection, summary.patient)
        if file is None or store.knows_session(connection, summary.session):
            return
        held = _held(heard, summary, is_completed=event.type == COMPLETED)
        store.add_session(connection, summary.patient, summary.appointment, held)
        ended_on = zones.local(connection, heard.site, summary.ended_at).date()
        patients.treated(connection, file.patient, ended_on)
        _suspend(office, connection, summary, held, most)

    return hear


def _suspend(office: Office, connection: Connection, summary: SessionSummary, held: Held, most: int) -> None:
    found = []
    if not held.completed:
        found.append(("aborted", held.reason))
    if held.guardings >= most:
        found.append(("guardings", f"{held.guardings} / {most}"))
    for reason, detail in found:
        suspend(
            office, connection, patient=summary.patient, region=held.region, reason=reason, detail=detail
        )  # fmt: skip
    suspend_by_gates(office, connection, summary.patient)


def _held(heard: Heard, summary: SessionSummary, *, is_completed: bool) -> Held:
    return Held(
        summary.session, heard.site, heard.device or "", summary.cure, summary.region, is_completed,
        summary.reason, summary.guardings, summary.peak_n, summary.traction_s, summary.pain_before,
        summary.pain_after, summary.started_at, summary.ended_at,
    )  # fmt: skip
