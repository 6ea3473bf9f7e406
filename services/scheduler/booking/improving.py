"""Better series for what is planned and not confirmed: looked for in the background, applied by the desk."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from services.kit.errors import SpondylError
from services.scheduler.booking import changes, reckon, replanning, store
from services.scheduler.booking.desk import SYSTEM, Desk
from services.scheduler.booking.models import HELD, Appointment
from services.scheduler.planner.batch import Better, improve
from services.scheduler.planner.problem import Effort, Placed, Problem, Request
from services.scheduler.resources import store as resources

log = structlog.get_logger(__name__)

Row = dict[str, Any]
SOON: Final = timedelta(days=3)  # nobody is sent to another time from today to tomorrow
BATCH_S: Final = 20.0
ENDING_S: Final = BATCH_S + 5.0


def propose(
    desk: Desk, site: str, by: str, stop: Callable[[], bool] = lambda: False, batch_s: float = BATCH_S
) -> Row | None:
    """What would be moved to make series better, to be applied like a replanning; none: nothing better."""
    with desk.reading() as connection:
        rows = store.cures(connection, frozenset({site}), None, is_open=True)
        whole = reckon.problem(connection, site, desk.now(), {UUID(row["patient"]) for row in rows})
        held = {row["cure"]: _held(connection, row) for row in rows}
    series = [(_request(desk, whole, row, held[row["cure"]]), _placed(held[row["cure"]])) for row in rows
              if _is_plain(held[row["cure"]])]  # fmt: skip
    found = improve(whole, series, Effort(batch_s=batch_s), stop)
    last = {better.request.cure: better for better in found}
    moved = [row for better in last.values() for row in _moved(held[str(better.request.cure)], better)]
    if not moved:
        return None
    result = {
        "moved": moved, "patients_moved": len({row["patient"] for row in moved if row["changes_time"]}),
        "lower_bound": 0, "proven": False, "gap": 0, "unplaced": [],
        "better": [
            {"cure": str(better.request.cure), "was": asdict(better.was), "is": asdict(better.plan.figures)}
            for better in last.values()
        ],
    }  # fmt: skip
    return replanning.keep(desk, site, {"site": site, "improve": True}, result, by)


def _held(connection: Connection, row: Row) -> list[Appointment]:
    return [one for one in store.of_cure(connection, UUID(row["cure"])) if one.state in HELD]


def _is_plain(held: Sequence[Appointment]) -> bool:
    """The planner counts sessions from 1 without a gap: a cure that lost one is left as it is."""
    return [one.number for one in held] == list(range(1, len(held) + 1))


def _placed(held: Sequence[Appointment]) -> list[Placed]:
    return [reckon.placed_of(one, one.number) for one in held]


def _request(desk: Desk, whole: Problem, row: Row, held: Sequence[Appointment]) -> Request:
    """The cure with everything fixed that was, that is soon, or that the patient knows of."""
    soon = desk.now() + SOON
    stays = [one for one in held if one.confirmed or one.state != "booked" or one.starts_at <= soon]
    return changes.Course(row, list(held), whole).request(len(held), _placed(stays))


def _moved(held: Sequence[Appointment], better: Better) -> list[Row]:
    known = {one.number: one for one in held}
    pairs = [(known[placed.number], placed) for placed in better.plan.appointments]
    return [
        replanning.shown_move(one, placed)
        for one, placed in pairs
        if (one.starts_at, one.device, one.therapist) != (placed.starts_at, placed.device, placed.therapist)
    ]


def begin(desk: Desk, every_h: float) -> Callable[[], None]:
    """Look for better series every so many hours, in the background; 0: never. Gives its end."""
    ending = threading.Event()
    thread = threading.Thread(target=_run, args=(desk, every_h, ending), name="improving", daemon=True)
    if every_h > 0:
        thread.start()

    def end() -> None:
        ending.set()
        if every_h > 0:
            thread.join(ENDING_S)

    return end


def _run(desk: Desk, every_h: float, ending: threading.Event) -> None:
    while not ending.wait(every_h * 3600):
        try:
            with desk.reading() as connection:
                sites = resources.sites(connection)
            for site in sites:
                propose(desk, site, SYSTEM, ending.is_set)
        except (SQLAlchemyError, SpondylError) as error:
            log.warning("better series could not be looked for", why=str(error)[:300])
