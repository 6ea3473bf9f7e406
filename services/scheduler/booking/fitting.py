"""Which appointments no longer fit where they are: the bed, the person or the hours have changed since."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from services.scheduler.booking import reckon, store
from services.scheduler.booking.models import Appointment
from services.scheduler.booking.reckon import Places
from services.scheduler.clock import us_of
from services.scheduler.planner.calendar import covered, minute_of, opening_spans, outage_span, overlap, spans
from services.scheduler.planner.problem import Outage, Window

NEAR = tuple(timedelta(days=n) for n in (-1, 0, 1))  # hours may pass midnight


def misfits(connection: Connection, site: str, now: datetime) -> list[Appointment]:
    """What is still to take place at a site and has to be planned anew. Raises NotFound."""
    places = reckon.places(connection, site, now)
    return unfit(places, store.to_come_at(connection, site, us_of(now)))


def unfit(places: Places, appointments: Iterable[Appointment]) -> list[Appointment]:
    """Those outside opening hours or a shift, within an outage, at a bed or with somebody that is gone."""
    site, zone = places.site, ZoneInfo(places.site.zone)
    devices = {one.id: one for one in places.devices}
    people = {one.id: one for one in places.therapists}
    out = {one.id: _spans_of(one.outages) for one in places.devices}
    away = {one.id: _spans_of(one.away) for one in places.therapists}

    @cache
    def opening(day: date) -> tuple[Window, ...]:
        return tuple(span for n in NEAR for span in opening_spans(site, day + n))

    @cache
    def shift(who: UUID, day: date) -> tuple[Window, ...]:
        return tuple(span for n in NEAR for span in spans(site.zone, people[who].shifts, day + n))

    def fits(one: Appointment) -> bool:
        bed, day = devices.get(one.device), one.starts_at.astimezone(zone).date()
        if bed is None or one.region not in bed.regions or one.therapist not in people:
            return False
        span = minute_of(one.starts_at), minute_of(one.ends_at)
        if any(overlap(span, other) for other in (*out[one.device], *away[one.therapist])):
            return False
        return covered(span, opening(day)) and covered(span, shift(one.therapist, day))

    return [one for one in appointments if not fits(one)]


def _spans_of(outages: Iterable[Outage]) -> list[Window]:
    return [outage_span(one) for one in outages]
