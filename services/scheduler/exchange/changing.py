"""An Appointment that is sent, done the way that a desk does it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.fhir import FhirInvalid, FhirStale, Resource, checked, version_of
from services.scheduler.booking import acting, store
from services.scheduler.booking.acting import appointment_seen
from services.scheduler.booking.changes import Still
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import Appointment
from services.scheduler.errors import Conflict
from services.scheduler.exchange.appointments import resource
from services.scheduler.exchange.store import versions
from services.scheduler.exchange.wishing import Wish, refused, wish_of
from services.scheduler.resources.store import site_of


def shown(connection: Connection, one: Appointment) -> Resource:
    """One as it is now."""
    (full,) = store.with_prescriptions(connection, [one])
    return resource(full, versions(connection, [full])[full.appointment])


def change(
    desk: Desk, who: Principal, appointment: UUID, body: Mapping[str, Any], if_match: str | None
) -> Resource:
    """Move it, call it off, or say that nobody came. Raises NotFound, FhirInvalid, FhirStale."""
    with desk.reading() as connection:
        one = appointment_seen(connection, appointment, who, "appointments.write", "exchange.use")
        now = shown(connection, one)
        length = timedelta(minutes=site_of(connection, one.site).appointment_min)
        still = _unchanged_since(appointment, if_match)
        still(connection)
    wish = wish_of(_sent(appointment, body), now, length)
    if wish.what == "nothing":
        desk.office.seen(who, "fhir.read", f"appointment {appointment}", one.site, kind="Appointment")
        return now
    try:
        _do(desk, who, appointment, wish, still)
    except Conflict as error:
        raise _said(error, one) from error
    with desk.reading() as connection:
        return shown(connection, store.appointment_of(connection, appointment))


def _sent(appointment: UUID, body: Mapping[str, Any]) -> Resource:
    sent = checked("Appointment", dict(body))
    if sent.get("id") != str(appointment):
        given = repr(sent.get("id"))[:60]
        raise refused(
            ("id", {"de": f"ist {given}: die Adresse sagt {appointment}",
                    "en": f"is {given}: the address says {appointment}"})
        )  # fmt: skip
    return sent


def _do(desk: Desk, who: Principal, appointment: UUID, wish: Wish, still: Still) -> None:
    if wish.moved:
        acting.move(desk, who, appointment, wish.moved, still)
    elif wish.changed:
        act = acting.cancel if wish.what == "cancel" else acting.miss
        act(desk, who, appointment, wish.changed, still)


def _unchanged_since(appointment: UUID, if_match: str | None) -> Still:
    """Asked inside the change's own transaction: two who read the same version cannot both change it."""
    asked = version_of(if_match) if if_match else None

    def still(connection: Connection) -> None:
        newest = versions(connection, [store.appointment_of(connection, appointment)])[appointment].number
        if asked is not None and asked != newest:
            raise FhirStale(asked, newest)

    return still


def _said(error: Conflict, one: Appointment) -> FhirInvalid:
    """Every rule against it as an issue, and what would work as hints."""
    rules = error.more.get("rules") or []
    issues = [("", str(rule["text_en"])) for rule in rules] or [("", error.message)]
    found = [it["appointments"] for it in error.more.get("alternatives") or []]
    hints = [_hint(places[0], one) for places in found if places and not _is_there(places[0], one)]
    return FhirInvalid(issues, error.words, status=409, hints=hints)


def _hint(place: Mapping[str, Any], one: Appointment) -> str:
    at = f"this works: start {place['starts_at']}, end {place['ends_at']}"
    if _is_like(place, one):
        return at
    return (
        f"{at}, device {place['device']}, therapist {place['therapist']}, by POST /appointments/ID/move: "
        "bed and therapist are not changed in FHIR"
    )


def _is_like(place: Mapping[str, Any], one: Appointment) -> bool:
    return (place["device"], str(place["therapist"])) == (one.device, str(one.therapist))


def _is_there(place: Mapping[str, Any], one: Appointment) -> bool:
    return _is_like(place, one) and datetime.fromisoformat(place["starts_at"]) == one.starts_at
