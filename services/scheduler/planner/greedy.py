"""First fit: what a desk does that looks for the next free place, appointment by appointment.

It keeps every hard rule and the same wishes, aims at the day that its cadence names and takes the first free
time of that day on the first free device with the first free therapist. It looks neither back nor ahead;
where a session finds no place at all, the patient is refused. `spondyl bench plan` measures it beside ours.
"""

from datetime import date, timedelta
from math import ceil

from services.scheduler.planner.calendar import moment_of
from services.scheduler.planner.figures import figures_of
from services.scheduler.planner.free import Start, free_starts
from services.scheduler.planner.problem import Placed, Plan, Problem, Refused, Request
from services.scheduler.planner.rules import reason
from services.scheduler.planner.series import horizon_of, pairs_of
from services.scheduler.planner.sound import unsound


def first_fit(problem: Problem, request: Request) -> Plan | Refused:
    """Each session at the first free place from the day on that the cadence names."""
    refused = unsound(problem, request)
    if refused:
        return Refused(tuple(refused))
    site = problem.sites[request.site]
    horizon = horizon_of(site, request, [])
    free = free_starts(problem, request, horizon.first, horizon.last).days
    pairs, weeks = pairs_of(request), request.cadence.weeks_of(request.sessions)
    taken: list[tuple[date, Start]] = []
    for number in range(request.sessions):
        if not taken:
            first, last, ready = request.earliest, horizon.latest_start, 0
        else:
            day, before = taken[-1]
            due = taken[0][0] + timedelta(days=7 * weeks[number][0])
            first = max(day + timedelta(days=pairs[number - 1].fewest_days), due)
            last = day + timedelta(days=request.longest_pause_days)
            ready = before.minute + site.appointment_min + ceil(site.rest_h * 60)
        found = _first(free, first, last, ready)
        if found is None:
            latest = horizon.latest_start
            return Refused((reason("series", sessions=request.sessions, latest=latest, reached=number),))
        taken.append(found)
    appointments = tuple(
        Placed(
            number,
            moment_of(start.minute, site.zone),
            moment_of(start.minute + site.appointment_min, site.zone),
            start.devices[0],
            start.therapists[0],
        )
        for number, (_, start) in enumerate(taken, 1)
    )
    return Plan(appointments, figures_of(problem, request, appointments), proven=False)


def _first(
    free: dict[date, tuple[Start, ...]], first: date, last: date, ready: int
) -> tuple[date, Start] | None:
    day = first
    while day <= last:
        for start in free.get(day, ()):
            if start.minute >= ready:
                return day, start
        day += timedelta(days=1)
    return None
