"""A bed fails or somebody is ill: what would be moved, shown first; applied only as it was shown."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, insert, select, update

from services.scheduler.booking import care, changes, fitting, reckon, store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import Appointment, ReplanAsked
from services.scheduler.booking.series import require_rest
from services.scheduler.booking.shown import shown as on_wire
from services.scheduler.booking.tables import REPLANS
from services.scheduler.clock import us_of
from services.scheduler.errors import Conflict, Invalid, said
from services.scheduler.planner.problem import Booked, Placed
from services.scheduler.planner.replan import Failure, replan
from services.scheduler.resources import store as resources
from services.scheduler.resources.models import Outage
from services.scheduler.resources.store import no_such, site_of

Row = dict[str, Any]
REASON: Final = "replanned"
MOST_SHOWN: Final = 20


def propose(desk: Desk, asked: ReplanAsked, by: str) -> Row:
    """Fewest patients moved, kept so that it can be applied as it was seen. Nothing is moved yet."""
    with desk.reading() as connection:
        _require_known(desk, connection, asked)
        first = reckon.problem(connection, asked.site, desk.now())
        failure = Failure(asked.site, asked.from_, asked.to, asked.device, asked.therapist)
        hit = [one for one in first.booked if failure.hits(one)]
        whole = reckon.problem(connection, asked.site, desk.now(), {one.patient for one in hit})
    found = replan(whole, failure, desk.effort)
    moved = [shown_move(move.was, move.to) for move in found.moves]
    result = {
        "moved": moved, "patients_moved": found.patients_moved, "lower_bound": found.lower_bound,
        "proven": found.proven, "gap": found.gap,
        "unplaced": [
            {
                "appointment": str(one.id), "patient": str(one.patient), "cure": str(one.cure),
                "number": one.number, "from": _place(one),
            }
            for one in found.unplaced
        ],
    }  # fmt: skip
    return keep(desk, asked.site, asked.model_dump(mode="json", by_alias=True), result, by)


def _require_known(desk: Desk, connection: Connection, asked: ReplanAsked) -> None:
    """The site has what is out, or had it when something was planned there; and it is not over yet."""
    site_of(connection, asked.site)
    known = {bed.device for bed in resources.devices(connection, asked.site)}
    known |= {row["therapist"] for row in resources.therapists(connection, asked.site)}
    name = asked.device or str(asked.therapist)
    if name not in known:
        raise no_such("device or therapist", "Liege oder Behandelnde", f"{asked.site}/{name}")
    if asked.to <= desk.now():
        over = asked.to.isoformat()
        raise said(
            Invalid,
            {"de": f"Der Ausfall endet {over}: das ist vorbei", "en": f"it ends at {over}: that is over"},
        )


def keep(desk: Desk, site: str, asked: Row, result: Row, by: str) -> Row:
    """Write a proposal down, so that it can be applied as it was seen."""
    values = {
        "replan": str(uuid4()), "site": site, "asked": asked, "result": result, "by": by,
        "at_us": desk.at_us,
    }  # fmt: skip
    with desk.writing() as connection:
        connection.execute(insert(REPLANS).values(values))
    return shown(values)


def shown_move(was: Booked | Appointment, to: Placed) -> Row:
    """One appointment, where it is and where it would be."""
    name = was.appointment if isinstance(was, Appointment) else was.id
    return {
        "appointment": str(name), "patient": str(was.patient), "cure": str(was.cure), "number": was.number,
        "changes_time": was.starts_at != to.starts_at, "from": _place(was), "to": _place(to),
    }  # fmt: skip


def of_site(connection: Connection, site: str) -> list[Row]:
    """The newest proposals of a site."""
    query = select(REPLANS).where(REPLANS.c.site == site).order_by(REPLANS.c.at_us.desc()).limit(MOST_SHOWN)
    return [dict(row) for row in connection.execute(query).mappings()]


def _place(one: Any) -> Row:
    return {
        "starts_at": one.starts_at.isoformat(), "ends_at": one.ends_at.isoformat(), "device": one.device,
        "therapist": str(one.therapist),
    }  # fmt: skip


def row_of(connection: Connection, plan: UUID, *, lock: bool = False) -> Row:
    """One that was shown. Raises NotFound."""
    query = select(REPLANS).where(REPLANS.c.replan == str(plan))
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise no_such("replanning", "Umplanung", plan)
    return dict(row)


def shown(row: Row) -> Row:
    """As the API says it."""
    return {
        "replan": row["replan"], "site": row["site"], "asked": row["asked"],
        "applied": row.get("applied_us") is not None, "outage": row.get("outage"), **row["result"],
    }  # fmt: skip


def apply(desk: Desk, plan: UUID, by: str, *, with_outage: bool = True) -> Row:
    """Move everything as it was shown, or nothing. Raises Conflict when anything has changed since.

    ``with_outage``: what is out is entered as such with it, or the next booking would go there again.
    """
    return changes.attempt(lambda: _apply(desk, plan, by, with_outage=with_outage))


def _apply(desk: Desk, plan: UUID, by: str, *, with_outage: bool) -> Row:
    with desk.writing() as connection:
        row = row_of(connection, plan, lock=True)
        if row["applied_us"] is None:
            changed = _as_shown(desk, connection, row["site"], row["result"]["moved"])
            for one in changed:
                require_rest(connection, [one], besides=changed)
            store.put(connection, "replanned", changed, by, REASON, desk.at_us)
            desk.tell_all(connection, "moved", changed, REASON)
            row["outage"] = _enter_outage(desk, connection, row["asked"], by) if with_outage else None
            done = update(REPLANS).where(REPLANS.c.replan == row["replan"])
            connection.execute(done.values(applied_us=desk.at_us, outage=row["outage"]))
            row["applied_us"] = desk.at_us
        left = _left(connection, row["asked"])
    return shown(row) | {"left": [on_wire(one) for one in left]}


def _enter_outage(desk: Desk, connection: Connection, asked: Row, by: str) -> str | None:
    """The id of the outage that the replanning was for; none where it was for none, or all of it is known."""
    if not (asked.get("device") or asked.get("therapist")):
        return None
    given = {name: asked.get(name) for name in ("site", "device", "therapist", "from", "to")}
    outage = Outage.model_validate(given | {"reason": asked.get("reason") or REASON})
    begins, ends = us_of(outage.from_), us_of(outage.to)
    for row in resources.outages(connection, outage.site, begins, ends):
        is_same = row["device"] == outage.device and row["therapist"] == asked.get("therapist")
        if is_same and row["from_us"] <= begins and row["to_us"] >= ends:
            return None
    return str(resources.add_outage(connection, outage, by, desk.at_us))


def _left(connection: Connection, asked: Row) -> list[Appointment]:
    """What still stands where somebody or something is out: nobody found a place, or it was booked since."""
    if not (asked.get("device") or asked.get("therapist")):
        return []
    span = [us_of(datetime.fromisoformat(asked[name])) for name in ("from", "to")]
    return [
        one
        for one in store.of_site(connection, asked["site"], *span)
        if one.state == "booked"
        and (one.device == asked.get("device") or str(one.therapist) == asked.get("therapist"))
    ]


def _as_shown(desk: Desk, connection: Connection, site: str, moved: Sequence[Row]) -> list[Appointment]:
    for patient in sorted({move["patient"] for move in moved}):
        care.hold_patient(connection, UUID(patient), site)
    site_of(connection, site, lock=True)
    changed = []
    for move in sorted(moved, key=lambda move: str(move["appointment"])):
        one = store.appointment_of(connection, UUID(move["appointment"]), lock=True)
        here = (one.starts_at, one.device, str(one.therapist))
        if one.state != "booked" or one.starts_at <= desk.now() or here != _where(move["from"]):
            raise said(
                Conflict,
                {
                    "de": f"Termin {one.number} hat sich seit dieser Umplanung geändert: bitte neu planen",
                    "en": f"appointment {one.number} has changed since this was planned: plan it anew",
                },
            )
        changed.append(_moved(one, move["to"]))
    bad = fitting.unfit(reckon.places(connection, site, desk.now()), changed)
    if bad or any(one.starts_at <= desk.now() for one in changed):
        raise said(
            Conflict,
            {
                "de": "Die neuen Plätze gibt es so nicht mehr (Ausfall, Zeiten, vorbei): bitte neu planen",
                "en": "the new places are no longer there (an outage, hours, gone by): plan it anew",
            },
        )
    return changed


def _where(place: Row) -> tuple[datetime, str, str]:
    return datetime.fromisoformat(place["starts_at"]), place["device"], place["therapist"]


def _moved(one: Appointment, place: Row) -> Appointment:
    starts_at, device, therapist = _where(place)
    ends_at = datetime.fromisoformat(place["ends_at"])
    clean_up: timedelta = one.free_at - one.ends_at
    return replace(
        one, starts_at=starts_at, ends_at=ends_at, free_at=ends_at + clean_up, device=device,
        therapist=UUID(therapist), confirmed=one.confirmed and starts_at == one.starts_at,
    )  # fmt: skip
