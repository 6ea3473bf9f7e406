"""A device fails or a therapist is ill: move the fewest patients. Shown before anything is applied.

Only what the outage hits is moved, and what is not yet confirmed where that makes room on its own day; a
confirmed appointment elsewhere is never touched. The objective is lexicographic: none left without a place,
none sent to another site, fewest patients whose time changes (another device or therapist at the same time
moves nobody), least shift and fewest changes of device and therapist. The bound is proven.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.scheduler.planner.cadences import CADENCES
from services.scheduler.planner.calendar import minute_of, moment_of
from services.scheduler.planner.free import Start, free_starts
from services.scheduler.planner.problem import (
    Booked,
    Device,
    Effort,
    Outage,
    Placed,
    Problem,
    Request,
    Therapist,
)

NORMAL: Final = Effort()
PARTS: Final = 6  # questions that share the time: two small ones, two of the same day, two of all days


@dataclass(frozen=True, slots=True)
class Failure:
    """What is out, and for how long. ``elsewhere`` are other sites that patients may be sent to."""

    site: str
    starts_at: datetime
    ends_at: datetime
    device: str | None = None
    therapist: UUID | None = None
    reason: str = ""
    elsewhere: tuple[str, ...] = ()
    within_days: int = 7  # a moved appointment stays this near

    @property
    def outage(self) -> Outage:
        """As a span of the device or therapist."""
        return Outage(self.starts_at, self.ends_at, self.reason)

    def hits(self, one: Booked) -> bool:
        """Whether an appointment cannot take place as it is."""
        if one.site != self.site or one.ends_at <= self.starts_at or one.starts_at >= self.ends_at:
            return False
        return (self.device is not None and one.device == self.device) or (
            self.therapist is not None and one.therapist == self.therapist
        )


@dataclass(frozen=True, slots=True)
class Move:
    """An appointment and where it goes."""

    was: Booked
    to: Placed
    site: str

    @property
    def changes_time(self) -> bool:
        """Whether the patient has to come at another time or to another place."""
        return self.to.starts_at != self.was.starts_at or self.site != self.was.site


@dataclass(frozen=True, slots=True)
class Replan:
    """A proposal. ``proven``: neither fewer left over nor fewer patients moved is possible."""

    moves: tuple[Move, ...]
    unplaced: tuple[Booked, ...]
    patients_moved: int  # patients whose time changes, or who are left without a place
    lower_bound: int  # no proposal that leaves no more without a place moves fewer
    unplaced_lower_bound: int
    proven: bool

    @property
    def cost(self) -> tuple[int, int, int]:
        """What is minimised, in this order: left over, sent elsewhere, moved."""
        elsewhere = sum(move.site != move.was.site for move in self.moves)
        return len(self.unplaced), elsewhere, self.patients_moved

    @property
    def gap(self) -> int:
        """Patients moved beyond the bound."""
        return self.patients_moved - self.lower_bound


def replan(problem: Problem, failure: Failure, effort: Effort = NORMAL) -> Replan:
    """Where everything goes that the failure hits."""
    from services.scheduler.planner.moving import Moving

    hit = sorted(
        (one for one in problem.booked if failure.hits(one) and one.starts_at > problem.now),
        key=lambda one: (one.starts_at, str(one.id)),
    )
    if not hit:
        return Replan((), (), 0, 0, 0, proven=True)
    rows = tuple(_candidates(problem, failure, hit))
    kept = tuple(row.at_its_time() for row in rows)
    share = replace(effort, replan_s=effort.replan_s / PARTS)
    known = Moving(kept, problem).solve(share)
    if not known.unplaced:
        return replace(known, lower_bound=0, unplaced_lower_bound=0, proven=True)  # nobody moved: none fewer
    # Whoever is moved in any proposal leaves a place at the old time: that question is small and bounds all.
    bound = Moving(kept, problem, all_may_leave=True).fewest_moved(share)
    struck = tuple(row if row.hit else row.staying() for row in rows)
    near = best = found = Moving(_same_day(problem, struck), problem, bound).solve(share)
    for part, is_near in ((_same_day(problem, rows), True), (struck, True), (rows, False)):
        if best.cost <= (0, 0, bound):
            return replace(best, lower_bound=bound, unplaced_lower_bound=0, proven=True)
        found = Moving(part, problem, bound).solve(share, near if is_near else best)
        best = min(found, best, key=lambda one: one.cost)
    return replace(
        best,
        lower_bound=found.lower_bound,
        unplaced_lower_bound=found.unplaced_lower_bound,
        proven=found.proven and found.cost == best.cost,
    )


def _same_day(problem: Problem, rows: Iterable["Movable"]) -> tuple["Movable", ...]:
    """With the places of their own day and site alone: a small question, and often all that is needed."""
    return tuple(
        replace(
            row,
            places=tuple(
                at for at in row.places if at.site == row.booked.site and at.day == _day(problem, row.booked)
            ),
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that an appointment could have."""

    site: str
    day: date
    start: Start


@dataclass(frozen=True, slots=True)
class Movable:
    """An appointment that may be moved, and all its places."""

    booked: Booked
    places: tuple[Candidate, ...]
    hit: bool

    @property
    def stays(self) -> int | None:
        """Which of the places it has now."""
        one = self.booked
        return next(
            (
                k
                for k, place in enumerate(self.places)
                if is_kept(one, place)
                and one.device in place.start.devices
                and one.therapist in place.start.therapists
            ),
            None,
        )

    def staying(self) -> "Movable":
        """Only where it is, on the same device with the same therapist."""
        one, k = self.booked, self.stays
        if k is None or one.device is None or one.therapist is None:
            return self
        start = replace(self.places[k].start, devices=(one.device,), therapists=(one.therapist,))
        return replace(self, places=(replace(self.places[k], start=start),))

    def at_its_time(self) -> "Movable":
        """Only the places at which the patient notices nothing but another bed or therapist."""
        return replace(self, places=tuple(at for at in self.places if is_kept(self.booked, at)))

    def place_of(self, move: Move) -> int | None:
        """Which of the places a move leads to."""
        wanted = (move.site, minute_of(move.to.starts_at))
        return next((k for k, at in enumerate(self.places) if (at.site, at.start.minute) == wanted), None)


def _candidates(problem: Problem, failure: Failure, hit: list[Booked]) -> Iterator[Movable]:
    struck = _struck(problem, failure)
    spared = {one.id for one in hit}
    days = {_day(problem, one) for one in hit}
    loose = [
        one
        for one in problem.booked
        if not one.confirmed and one.site == failure.site and one.id not in spared
        and one.starts_at > problem.now
        and min(abs((_day(problem, one) - day).days) for day in days) <= failure.within_days
    ]  # fmt: skip
    rows, fixed = _loose(struck, hit, loose)
    for one in hit:
        sites = (failure.site, *failure.elsewhere)
        places = [place for site in sites for place in _places(fixed, one, site, failure.within_days)]
        yield Movable(one, tuple(places), hit=True)
    yield from rows


def _loose(struck: Problem, hit: list[Booked], loose: list[Booked]) -> tuple[list[Movable], Problem]:
    """What is not confirmed and may stay where it is; what breaks a rule already is left alone."""
    while True:
        moving = {one.id for one in (*hit, *loose)}
        fixed = replace(struck, booked=tuple(one for one in struck.booked if one.id not in moving))
        rows = [Movable(one, tuple(_places(fixed, one, one.site, 0)), hit=False) for one in loose]
        staying = [row.booked for row in rows if row.stays is not None]
        if len(staying) == len(loose):
            return rows, fixed
        loose = staying


def _struck(problem: Problem, failure: Failure) -> Problem:
    def device(one: Device) -> Device:
        out = one.site == failure.site and one.id == failure.device
        return replace(one, outages=(*one.outages, failure.outage)) if out else one

    def therapist(one: Therapist) -> Therapist:
        return replace(one, away=(*one.away, failure.outage)) if one.id == failure.therapist else one

    return replace(
        problem,
        devices=tuple(map(device, problem.devices)),
        therapists=tuple(map(therapist, problem.therapists)),
    )


def _places(fixed: Problem, one: Booked, site: str, within_days: int) -> Iterator[Candidate]:
    """Free starts near the appointment's day, after its predecessor of the cure and before its successor."""
    day = _day(fixed, one)
    first, last = day - timedelta(days=within_days), day + timedelta(days=within_days)
    for other in fixed.booked:
        if one.cure is not None and other.cure == one.cure:
            at = _day(fixed, other)
            if other.number < one.number:
                first = max(first, at + timedelta(days=1))
            else:
                last = min(last, at - timedelta(days=1))
    if first > last:
        return
    beds = _capable(fixed, one, site)
    request = Request(one.patient, site, ANY, 1, CADENCES["daily"], first)
    rows = free_starts(replace(fixed, devices=beds), request, first, last)
    yield from (Candidate(site, day, start) for day, starts in rows.days.items() for start in starts)


ANY: Final = "any"  # the region that stands for whatever the appointment needs, on devices that can


def _capable(fixed: Problem, one: Booked, site: str) -> tuple[Device, ...]:
    had = next((d.regions for d in fixed.devices if d.site == one.site and d.id == one.device), frozenset())
    needs = frozenset({one.region}) if one.region else had
    able = [device for device in fixed.devices if device.site == site and needs <= device.regions]
    return tuple(replace(device, regions=frozenset({ANY})) for device in able)


def _day(problem: Problem, one: Booked) -> date:
    return one.starts_at.astimezone(ZoneInfo(problem.sites[one.site].zone)).date()


def placed_at(problem: Problem, one: Booked, at: Candidate, device: str, therapist: UUID) -> Placed:
    """The appointment at that place."""
    site = problem.sites[at.site]
    minutes = (at.start.minute, at.start.minute + site.appointment_min)
    begins, ends = (moment_of(minute, site.zone) for minute in minutes)
    return Placed(one.number, begins, ends, device, therapist)


def is_kept(one: Booked, at: Candidate) -> bool:
    """Whether the patient comes at the same time to the same site."""
    return at.site == one.site and at.start.minute == minute_of(one.starts_at)
