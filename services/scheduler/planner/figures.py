"""What a series is worth, counted from the appointments alone: the same for whoever placed them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.scheduler.planner.calendar import is_special, minute_of, opening_spans
from services.scheduler.planner.free import span_of
from services.scheduler.planner.problem import Figures, Placed, Problem, Request, Site, Window
from services.scheduler.planner.series import late_days, miss_days, pairs_of


def figures_of(problem: Problem, request: Request, appointments: Iterable[Placed]) -> Figures:
    """The figures of a whole series, in the order in which they are minimised."""
    series = sorted(appointments, key=lambda one: one.number)
    site = problem.sites[request.site]
    local = [one.starts_at.astimezone(ZoneInfo(site.zone)) for one in series]
    misses = [
        miss_days(pair, a.date().toordinal(), b.date().toordinal(), _special(site, a, b))
        for pair, a, b in zip(pairs_of(request), local, local[1:], strict=False)
    ]
    lates = [
        late_days(week, local[0].date().toordinal(), at.date().toordinal(), _special(site, local[0], at))
        for (week, _), at in zip(request.cadence.weeks_of(len(local)), local, strict=True)
    ]
    misses += lates[1:]
    return Figures(
        cadence_violations=sum(miss > 0 for miss in misses),
        cadence_days=sum(misses),
        distinct_times=len({(at.hour, at.minute) for at in local}),
        start_days=max((local[0].date() - request.earliest).days, 0),
        devices_and_therapists=len({one.device for one in series}) + len({one.therapist for one in series}),
        gap_minutes=_gaps(problem, request, site, series),
    )


def _special(site: Site, earlier: datetime, later: datetime) -> int:
    days = (later.date() - earlier.date()).days
    return sum(is_special(site, earlier.date() + timedelta(days=n)) for n in range(1, days))


def _gaps(problem: Problem, request: Request, site: Site, series: list[Placed]) -> int:
    """What the appointments that are not fixed add to the idle minutes of their devices, each by itself."""
    fixed = {one.number for one in request.fixed}
    taken: dict[str, list[Window]] = {}
    for one in problem.booked:
        if one.site == site.id and one.device and (request.cure is None or one.cure != request.cure):
            start, end = span_of(one)
            taken.setdefault(one.device, []).append((start, end + site.clean_up_min))
    return sum(_added(site, taken.get(one.device, []), one) for one in series if one.number not in fixed)


def _added(site: Site, taken: list[Window], one: Placed) -> int:
    start = minute_of(one.starts_at)
    whole = (start, start + site.appointment_min + site.clean_up_min)
    day = one.starts_at.astimezone(ZoneInfo(site.zone)).date()
    for d in (day, day - timedelta(days=1)):
        for opened, closed in opening_spans(site, d):
            if opened <= start < closed:
                inside = [span for span in taken if opened <= span[0] < closed]
                return idle_minutes([*inside, whole]) - idle_minutes(inside)
    return 0


def idle_minutes(spans: list[Window]) -> int:
    """Minutes between the first start and the last end that belong to no span."""
    idle, reached = 0, min((start for start, _ in spans), default=0)
    for start, end in sorted(spans):
        idle += max(start - reached, 0)
        reached = max(reached, end)
    return idle
