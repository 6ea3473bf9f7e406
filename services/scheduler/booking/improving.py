"""Better series for what is planned and not confirmed.

Asked for, they are proposed like a replanning and applied by the desk. By itself the scheduler books them,
one cure a turn, while the site is closed: patients of unconfirmed appointments have not been promised a time.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from services.kit.business.leading import NotLeading, Worker
from services.kit.errors import SpondylError
from services.scheduler.booking import changes, reckon, replanning, store, waiting
from services.scheduler.booking.changes import Course
from services.scheduler.booking.desk import SYSTEM, Desk
from services.scheduler.booking.models import HELD, Appointment
from services.scheduler.planner.batch import Better, better, improve
from services.scheduler.planner.calendar import DAY_MIN, minute_of, opening_spans
from services.scheduler.planner.problem import Placed, Request
from services.scheduler.resources import store as resources

log = structlog.get_logger(__name__)

Row = dict[str, Any]
REASON: Final = "improved"
TURN_S: Final = 1.0  # for one cure by itself: the process ends behind it
ENDING_S: Final = 2.5
RESTS: Final = 4  # times as long as a turn took: at most a fifth of a core, the desks have the rest
POLL_S: Final = 60.0  # how often is looked whether a site is closed by now
FIRST_S: Final = 3600.0  # after the start: a process that is started again and again has its turn as well


def propose(desk: Desk, site: str, by: str, stop: Callable[[], bool] = lambda: False) -> Row | None:
    """What would be moved to make series better, to be applied like a replanning; none: nothing better."""
    with desk.reading() as connection:
        rows = store.cures(connection, frozenset({site}), None, is_open=True)
        whole = reckon.problem(connection, site, desk.now(), {UUID(row["patient"]) for row in rows})
        held = {row["cure"]: _held(connection, row) for row in rows}
    courses = [changes.Course(row, held[row["cure"]], whole, desk.effort) for row in rows]
    series = [(_request(desk, one), _placed(one.held)) for one in courses if _is_plain(one.held)]
    found = improve(whole, series, desk.effort, stop)
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


def _request(desk: Desk, course: Course) -> Request:
    """The cure with everything fixed that was, that is soon, or that the patient knows of.

    Nothing is moved into the days that are soon either: who was told of next month does not look at tomorrow.
    """
    zone = ZoneInfo(course.whole.sites[course.site].zone)
    soon = desk.now() + _stays(desk)
    stay = [one for one in course.held if one.confirmed or one.state != "booked" or one.starts_at <= soon]
    request = course.request(len(course.held), _placed(stay))
    earliest = max(request.earliest, soon.astimezone(zone).date() + timedelta(days=1))
    latest = max(
        request.earliest + timedelta(days=request.start_within_days),
        course.held[0].starts_at.astimezone(zone).date(),
        earliest,
    )
    return replace(request, earliest=earliest, start_within_days=(latest - earliest).days)


def _stays(desk: Desk) -> timedelta:
    """For how long nothing is moved: whoever was reminded of a time comes at that time."""
    settings = desk.settings
    return max(timedelta(days=settings.improve_stays_days), timedelta(hours=settings.reminder_hours))


def _moved(held: Sequence[Appointment], better: Better) -> list[Row]:
    known = {one.number: one for one in held}
    pairs = [(known[placed.number], placed) for placed in better.plan.appointments]
    return [
        replanning.shown_move(one, placed)
        for one, placed in pairs
        if (one.starts_at, one.device, one.therapist) != (placed.starts_at, placed.device, placed.therapist)
    ]


# --- by itself ------------------------------------------------------------------------------------------
def better_series(desk: Desk, cure: UUID) -> list[Appointment]:
    """Place one cure anew and book it where that is better: what was moved; nothing when it stays.

    Planned outside a transaction and booked inside one, as a move by hand is: whoever was quicker wins.
    """
    course = changes.course_of(desk, cure)
    if course.cure["ended_us"] is not None or not course.held or not _is_plain(course.held):
        return []
    request = _request(desk, course)
    if len(request.fixed) == request.sessions:
        return []
    effort = replace(course.effort, place_s=min(course.effort.place_s, TURN_S))
    found = better(course.whole, request, _placed(course.held), effort)
    if found is None:
        return []
    pairs = list(zip(course.held, found.plan.appointments, strict=True))
    moved = [(one, changes.at_place(course, one, placed)) for one, placed in pairs]
    changed = [now for was, now in moved if now != was]
    with desk.writing() as connection:
        if not changes.unchanged(desk, connection, course):
            return []
        changes.put_moved(desk, connection, changed, SYSTEM, REASON)
    waiting.fill(desk, [was for was, now in moved if now != was])
    return changed


class Improving:
    """Goes through every site's cures now and then, while the site is closed, one cure a turn."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._worker = Worker("improving", self._run, ENDING_S)

    def start(self) -> Callable[[], None]:
        """Begin, unless it is switched off; gives the end."""
        return self._worker.start()

    def stop(self) -> None:
        """End behind the cure that is just being looked at."""
        self._worker.stop()

    def round(self, site: str) -> int:
        """Every cure of a site once, as long as it is closed; how many appointments were moved."""
        with self.desk.reading() as connection:
            cures = [
                UUID(row["cure"]) for row in store.cures(connection, frozenset({site}), None, is_open=True)
            ]
        moved = 0
        for cure in cures:
            if self._worker.ending.is_set() or not self._is_quiet(site):
                break
            began = time.monotonic()
            moved += self._turn(cure)
            self._worker.ending.wait((time.monotonic() - began) * RESTS)
        return moved

    def _turn(self, cure: UUID) -> int:
        try:
            changed = better_series(self.desk, cure)
        except (IntegrityError, SpondylError) as error:  # a desk was quicker: what it did stands
            log.info("a better series could not be booked", cure=str(cure), why=str(error)[:300])
            return 0
        if changed:
            log.info("series made better", cure=str(cure), moved=len(changed))
        return len(changed)

    def _is_quiet(self, site: str) -> bool:
        """Whether nobody works there now; a site that never closes has no quieter hour than another."""
        with self.desk.reading() as connection:
            place = reckon.places(connection, site, self.desk.now()).site
        now = minute_of(self.desk.now())
        today = self.desk.now().astimezone(ZoneInfo(place.zone)).date()
        spans = [span for n in range(-1, 2) for span in opening_spans(place, today + timedelta(days=n))]
        open_min = sum(end - start for start, end in spans)
        return open_min >= 3 * DAY_MIN or not any(start <= now < end for start, end in spans)

    def _run(self) -> None:
        every_s = self.desk.settings.improve_every_h * 3600
        begun: dict[str, float] = {}
        if every_s <= 0:
            return
        started = time.monotonic() - every_s + min(every_s, FIRST_S)
        while not self._worker.ending.wait(min(every_s, POLL_S)):
            try:
                with self.desk.reading() as connection:
                    sites = resources.sites(connection)
                for site in sites:
                    if time.monotonic() - begun.get(site, started) >= every_s and self._is_quiet(site):
                        begun[site] = time.monotonic()
                        self.round(site)
            except NotLeading as error:
                log.warning("better series wait", why=error.message)
            except Exception:
                log.exception("better series could not be looked for; trying again")
