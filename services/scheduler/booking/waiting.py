"""The waiting list: who wants to come sooner, and cures that found no place; freed places go to them.

An entry that says `automatic` is moved at once, any other gets an offer that the desk accepts. Both are told.
"""

import tomllib
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, and_, insert, or_, select, update

from services.kit.moments import instant_of
from services.scheduler.booking import ask, care, changes, reckon, series, standing, store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import Appointment, CureAsked, Moved, PlanAsked, WaitingAsked
from services.scheduler.booking.tables import WAITING
from services.scheduler.errors import Conflict, NotFound, said
from services.scheduler.planner.problem import ALL_DAYS, Placed, Refused
from services.scheduler.resources.models import WEEKDAYS
from services.scheduler.resources.store import no_such

Row = dict[str, Any]
REASON: Final = "waiting-list"
SAME_CURE: Final = UUID("3f1d6c7a-6c5e-4f57-9a53-0f3a0d7f6b11")  # an entry is booked once: its request's name


class Rules(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    notice_h: float
    offer_h: float
    most_looked_at: int
    most_cures: int


@cache
def rules() -> Rules:
    """How the list is worked through."""
    return Rules.model_validate(
        tomllib.loads((files("services.scheduler.booking") / "waiting.toml").read_text())
    )


# --- the list -------------------------------------------------------------------------------------------
def of_site(connection: Connection, site: str) -> list[Row]:
    """Who waits there, in their order."""
    query = select(WAITING).where(WAITING.c.site == site, WAITING.c.state.in_(("waiting", "offered")))
    return [dict(row) for row in connection.execute(query.order_by(WAITING.c.since_us)).mappings()]


def row_of(connection: Connection, waiting: UUID) -> Row:
    """One entry. Raises NotFound."""
    row = connection.execute(select(WAITING).where(WAITING.c.waiting == str(waiting))).mappings().first()
    if row is None:
        raise no_such("entry", "Eintrag", waiting)
    return dict(row)


def add_sooner(desk: Desk, connection: Connection, one: Appointment, asked: WaitingAsked, by: str) -> Row:
    """An appointment that should come sooner. Raises Conflict for what is over, or waits for other times."""
    values = {
        "patient": str(one.patient), "site": one.site, "region": one.region,
        "appointment": str(one.appointment),
        "wishes": to_jsonable_python({"times": asked.times, "weekdays": asked.weekdays}),
    }  # fmt: skip
    if (known := _known(connection, asked, values)) is not None:
        return known
    changes.require_open(desk, one)
    return _add(desk, connection, asked, by, values)


def add_cure(desk: Desk, connection: Connection, asked: WaitingAsked, by: str) -> Row:
    """A cure that found no place."""
    cure = asked.cure
    if cure is None:
        raise no_such("cure", "Kur", "-")
    series.request_of(cure)
    values = {
        "patient": str(cure.patient), "site": cure.site, "region": cure.region, "appointment": None,
        "wishes": cure.model_dump(mode="json"),
    }  # fmt: skip
    known = _known(connection, asked, values)
    return _add(desk, connection, asked, by, values) if known is None else known


def _known(connection: Connection, asked: WaitingAsked, values: Row) -> Row | None:
    """With the patient held: the entry of this request, or one that waits for the same. Raises Conflict."""
    care.hold_patient(connection, UUID(values["patient"]), values["site"])
    waits = [WAITING.c[name] == values[name] for name in ("patient", "site", "region", "appointment")]
    alike = and_(*waits, WAITING.c.state.in_(("waiting", "offered")))
    query = select(WAITING).where(or_(WAITING.c.request == str(asked.request), alike))
    rows = [dict(row) for row in connection.execute(query.order_by(WAITING.c.since_us)).mappings()]
    if not rows:
        return None
    row = next((one for one in rows if one["request"] == str(asked.request)), rows[0])
    if all(row[name] == value for name, value in {**values, "automatic": asked.automatic}.items()):
        return row
    since = f"{instant_of(row['since_us']):%Y-%m-%d %H:%M} UTC"
    raise said(
        Conflict,
        {
            "de": f"Seit {since} steht dafür schon ein Eintrag mit anderen Wünschen auf der Liste "
            f"({row['by']}): diesen zuerst beenden",
            "en": f"an entry with other wishes is on the list for this since {since} ({row['by']}): "
            "end that one first",
        },
    )


def _add(desk: Desk, connection: Connection, asked: WaitingAsked, by: str, values: Row) -> Row:
    row = {
        "waiting": str(uuid4()), "automatic": asked.automatic, "note": asked.note, "offer": None,
        "offered_us": None, "state": "waiting", "by": by, "since_us": desk.at_us,
        "request": str(asked.request), **values,
    }  # fmt: skip
    connection.execute(insert(WAITING).values(row))
    return row


def _set(connection: Connection, row: Row, **values: Any) -> Row:
    connection.execute(update(WAITING).where(WAITING.c.waiting == row["waiting"]).values(values))
    return row | values


def remove(desk: Desk, waiting: UUID) -> Row:
    """They wait no more."""
    with desk.writing() as connection:
        row = row_of(connection, waiting)
        return row if row["state"] == "filled" else _set(connection, row, state="removed", offer=None)


def forget(connection: Connection, patient: UUID) -> None:
    """Whose file is erased waits for nothing."""
    row = (WAITING.c.patient == str(patient), WAITING.c.state.in_(("waiting", "offered")))
    connection.execute(update(WAITING).where(*row).values(state="removed", offer=None, note=""))


def shown_row(row: Row) -> Row:
    """As the API says it."""
    names = ("waiting", "patient", "site", "region", "appointment", "wishes", "automatic", "note", "offer",
             "state", "by")  # fmt: skip
    return {name: row[name] for name in names} | {
        "since": instant_of(row["since_us"]),
        "offered_at": instant_of(row["offered_us"]) if row["offered_us"] else None,
    }


# --- filling --------------------------------------------------------------------------------------------
def fill(desk: Desk, freed: Iterable[Appointment]) -> None:
    """Give freed places to who waits, in the order of the list; a place that is freed so is given on."""
    places, given = list(freed), 0
    while places and given < rules().most_looked_at:
        place = places.pop(0)
        if place.starts_at <= desk.now() + timedelta(hours=rules().notice_h):
            continue
        given += 1
        if (left := _give(desk, place)) is not None:
            places.append(left)


def _give(desk: Desk, place: Appointment) -> Appointment | None:
    """The first of the list for whom it is good gets it; what they leave."""
    with desk.writing() as connection:
        rows = [_without_stale_offer(desk, connection, row) for row in of_site(connection, place.site)]
    cures = 0
    for row in [row for row in rows if row["state"] == "waiting"][: rules().most_looked_at]:
        if row["appointment"] is None:
            cures += 1
            if cures <= rules().most_cures and row["region"] == place.region and _cure(desk, row):
                return None
            continue
        was, is_done = _sooner(desk, row, place)
        if is_done:
            return was
    return None


def _without_stale_offer(desk: Desk, connection: Connection, row: Row) -> Row:
    """An offer that nobody took in time is over; so is a wish whose appointment is gone."""
    if row["appointment"] is not None:
        one = store.appointment_of(connection, UUID(row["appointment"]))
        if one.state != "booked" or one.starts_at <= desk.now():
            return _set(connection, row, state="removed", offer=None)
    if row["state"] != "offered":
        return row
    ends = instant_of(row["offered_us"]) + timedelta(hours=rules().offer_h)
    first = min(datetime.fromisoformat(place["starts_at"]) for place in row["offer"]["appointments"])
    if desk.now() < min(ends, first):
        return row
    return _set(connection, row, state="waiting", offer=None, offered_us=None)


def _sooner(desk: Desk, row: Row, place: Appointment) -> tuple[Appointment | None, bool]:
    """Move or offer, when it is sooner, wished and allowed: what it had before, and whether it was done."""
    with desk.reading() as connection:
        one = store.appointment_of(connection, UUID(row["appointment"]))
        zone = reckon.places(connection, place.site, desk.now()).site.zone
    if place.starts_at >= one.starts_at or not _wished(row["wishes"], place, zone):
        return None, False
    wanted = Moved(starts_at=place.starts_at, device=place.device, therapist=place.therapist, reason=REASON)
    try:
        if changes.check_move(desk, one.appointment, wanted):
            return None, False
        if not row["automatic"]:
            _offer(desk, row, one, place)
            return None, True
        changes.move(desk, one.appointment, wanted, REASON)
    except Conflict:
        return None, False  # somebody was quicker
    with desk.writing() as connection:
        _set(connection, row, state="filled", offer=None)
    return one, True


def _wished(wishes: Row, place: Appointment, zone: str) -> bool:
    from zoneinfo import ZoneInfo

    local = place.starts_at.astimezone(ZoneInfo(zone))
    start = local.hour * 60 + local.minute
    end = start + round((place.ends_at - place.starts_at).total_seconds() / 60)
    windows = reckon.windows_of(wishes["times"])
    days = {WEEKDAYS.index(day) for day in wishes["weekdays"]} or ALL_DAYS
    return local.weekday() in days and (
        not windows or any(first <= start and end <= last for first, last in windows)
    )


def _offer(desk: Desk, row: Row, one: Appointment, place: Appointment) -> None:
    offered = Placed(one.number, place.starts_at, place.ends_at, place.device, place.therapist)
    with desk.writing() as connection:
        _set(
            connection, row, state="offered", offered_us=desk.at_us,
            offer={"appointments": [_plain(offered)]},
        )  # fmt: skip
        desk.tell(
            connection, "appointment.offered", one.site, appointment=one.appointment, cure=one.cure,
            patient=one.patient, device=place.device, starts_at=place.starts_at, number=one.number,
            waiting=row["waiting"],
        )  # fmt: skip


def _cure(desk: Desk, row: Row) -> bool:
    """A whole cure that fits by now: booked, or offered."""
    asked = _still_sensible(desk, row)
    request = series.request_of(asked)
    with desk.reading() as connection:
        try:
            whole = reckon.problem(connection, asked.site, desk.now(), [asked.patient])
        except NotFound:
            return False
        if standing.of(connection, asked.patient, asked.region, desk.now()).state == "refused":
            return False
    plan = ask.place(whole, request, desk.effort)
    if isinstance(plan, Refused):
        return False
    if row["automatic"]:
        return _book(desk, row, asked)
    with desk.writing() as connection:
        _set(
            connection, row, state="offered", offered_us=desk.at_us,
            offer={"appointments": [_plain(one) for one in plan.appointments]},
        )  # fmt: skip
        desk.tell(
            connection, "cure.offered", asked.site, waiting=row["waiting"], patient=asked.patient,
            region=asked.region, sessions=asked.sessions,
        )  # fmt: skip
    return True


def _book(desk: Desk, row: Row, asked: PlanAsked, chosen: list[Row] | None = None) -> bool:
    request = uuid5(SAME_CURE, row["waiting"])
    said_ = {**asked.model_dump(), "request": request, "appointments": chosen}
    try:
        series.plan_cure(desk, CureAsked.model_validate(said_), row["by"])
    except (Conflict, NotFound):
        if chosen is not None:
            raise
        return False
    with desk.writing() as connection:
        _set(connection, row, state="filled", offer=None)
    return True


def _still_sensible(desk: Desk, row: Row) -> PlanAsked:
    """What was asked for, beginning today when its day has gone by."""
    asked = PlanAsked.model_validate(row["wishes"])
    today: date = desk.now().date()
    return asked if asked.earliest >= today else asked.model_copy(update={"earliest": today})


def accept(desk: Desk, waiting: UUID, by: str) -> Row:
    """Take what was offered. Raises Conflict: nothing is offered, or somebody was quicker."""
    with desk.writing() as connection:
        row = _without_stale_offer(desk, connection, row_of(connection, waiting))
    if row["state"] != "offered":
        words = {"de": "Es ist nichts (mehr) angeboten", "en": "nothing is offered (any more)"}
        raise Conflict(words["en"], {"de": words["de"], "en": words["en"]})
    chosen = row["offer"]["appointments"]
    if row["appointment"] is None:
        keys = ("number", "starts_at", "device", "therapist")
        places = [{key: place[key] for key in keys} for place in chosen]
        _book(desk, row, _still_sensible(desk, row), places)
    else:
        with desk.reading() as connection:
            before = store.appointment_of(connection, UUID(row["appointment"]))
        place = chosen[0]
        wanted = Moved(
            starts_at=place["starts_at"], device=place["device"], therapist=place["therapist"], reason=REASON
        )
        changes.move(desk, before.appointment, wanted, by)
        with desk.writing() as connection:
            _set(connection, row, state="filled", offer=None)
        fill(desk, [before])
    with desk.reading() as connection:
        return row_of(connection, waiting)


def _plain(one: Placed) -> Row:
    return {
        "number": one.number, "starts_at": one.starts_at.isoformat(), "ends_at": one.ends_at.isoformat(),
        "device": one.device, "therapist": str(one.therapist),
    }  # fmt: skip
