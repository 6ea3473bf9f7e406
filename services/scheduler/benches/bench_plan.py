"""`spondyl bench plan`: cures placed one after another in houses that are full, beside a first-fit planner.

Both planners serve the same patients in the same order, each in a chain of its own that begins alike. So that
a house stays as full as asked, as many of the bookings that were there before leave as a placed cure brings.

"""

import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import zip_longest
from random import Random
from statistics import quantiles
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.scheduler.benches.demand import OPEN, Clinic, clinics, requests
from services.scheduler.planner.calendar import instant
from services.scheduler.planner.check import conflicts
from services.scheduler.planner.figures import idle_minutes
from services.scheduler.planner.free import span_of
from services.scheduler.planner.greedy import first_fit
from services.scheduler.planner.place import place, warm
from services.scheduler.planner.problem import (
    Booked,
    Effort,
    Figures,
    Placed,
    Plan,
    Problem,
    Refused,
    Request,
)

GOAL_P95_MS: Final = 200.0
GOAL_PROVEN: Final = 0.95
Planner = Callable[[Problem, Request], Plan | Refused]


@dataclass(slots=True)
class Chain:
    """One planner with its own copy of the clinics, and what came of it."""

    clinics: dict[str, Clinic]
    placed: dict[str, list[tuple[Request, tuple[Placed, ...]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    figures: dict[Any, Figures] = field(default_factory=dict)
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    proven: int = 0
    refused: int = 0
    unproven_refusals: int = 0
    fullness: list[float] = field(default_factory=list)

    def serve(self, planner: Planner, request: Request) -> None:
        """Place one cure and book it."""
        clinic = self.clinics[request.site]
        problem = clinic.problem
        self.fullness.append(len(clinic.booked) / clinic.capacity)
        wall, cpu = time.perf_counter(), time.process_time()
        plan = planner(problem, request)
        wall_ms, cpu_ms = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
        if isinstance(plan, Refused):
            self.refused += 1
            self.unproven_refusals += not plan.proven
            return
        self.wall_ms.append(wall_ms)
        self.cpu_ms.append(cpu_ms)
        self.proven += plan.proven
        self.figures[request.cure] = plan.figures
        self.placed[request.site].append((request, plan.appointments))
        _make_room(clinic, request, len(plan.appointments))
        clinic.booked.extend(_booked(request, one) for one in plan.appointments)

    def conflicts(self) -> list[str]:
        """What the independent checker finds wrong in any clinic."""
        return [
            line
            for name, clinic in self.clinics.items()
            for line in conflicts(clinic.problem, self.placed[name])
        ]


def _booked(request: Request, one: Placed) -> Booked:
    return Booked(
        request.cure or request.patient, request.patient, request.site, one.device, one.therapist,
        one.starts_at, one.ends_at, request.cure, one.number, region=request.region,
    )  # fmt: skip


def _make_room(clinic: Clinic, request: Request, count: int) -> None:
    """Let as many of the first bookings leave: which ones, the request decides."""
    random = Random(str(request.cure))  # noqa: S311  (a demand, not a secret)
    base = [one for one in clinic.booked if one.cure is None]
    leaving = {id(one) for one in random.sample(base, min(count, len(base)))}
    clinic.booked = [one for one in clinic.booked if id(one) not in leaving]


def measure(
    sites: int, devices: int, utilisation: float, cures: int, seed: int, effort: Effort
) -> dict[str, Any]:
    """Place all cures with both planners and look at what came out."""
    warm()
    tell(f"booking {sites} sites with {devices} devices to {utilisation:.0%}")
    ours, theirs = (
        Chain({c.site.id: c for c in clinics(sites, devices, utilisation, seed)}) for _ in range(2)
    )
    asked = _asked(ours, cures, seed)
    for n, request in enumerate(asked, 1):
        ours.serve(lambda problem, one: place(problem, one, effort), request)
        theirs.serve(first_fit, request)
        if n % 20 == 0 or n == len(asked):
            tell(f"{n} of {len(asked)} cures: {len(ours.wall_ms)} placed, {ours.refused} refused")
    tell("checking")
    return _result(ours, theirs, {"sites": sites, "devices": devices, "cures": cures, "seed": seed})


def _asked(chain: Chain, cures: int, seed: int) -> list[Request]:
    """The patients of all sites, taking turns."""
    names = list(chain.clinics)
    shares = [cures // len(names) + (n < cures % len(names)) for n in range(len(names))]
    rows = [requests(chain.clinics[name], share, seed) for name, share in zip(names, shares, strict=True)]
    return [one for turn in zip_longest(*rows) for one in turn if one is not None]


def _result(ours: Chain, theirs: Chain, asked: dict[str, Any]) -> dict[str, Any]:
    both = set(ours.figures) & set(theirs.figures)
    wrong, wrong_theirs = ours.conflicts(), theirs.conflicts()
    place_ms = spread(ours.wall_ms)
    share = round(ours.proven / len(ours.wall_ms), 4) if ours.wall_ms else 0.0
    result = {
        **asked,
        "utilisation_reached": round(sum(ours.fullness) / len(ours.fullness), 4),
        "placed": len(ours.wall_ms),
        "place_ms": place_ms,
        "place_cpu_ms": spread(ours.cpu_ms),
        "proven_optimal_share": share,
        "unproven_refusals": ours.unproven_refusals,
        "conflicts": len(wrong),
        "first_conflicts": wrong[:5],
        "planner": _figures(ours, both),
        "greedy": {
            **_figures(theirs, both),
            "place_ms": spread(theirs.wall_ms),
            "conflicts": len(wrong_theirs),
        },
        "placed_by_both": len(both),
        "cpu_share": round(sum(ours.cpu_ms) / sum(ours.wall_ms), 2) if ours.wall_ms else None,
        "load_average": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "versions": {"ortools": version("ortools"), "python": platform.python_version()},
        "goals": {"place_ms_p95": GOAL_P95_MS, "proven_optimal_share": GOAL_PROVEN, "conflicts": 0},
    }
    p95 = place_ms["p95"]
    result["ok"] = p95 is not None and p95 < GOAL_P95_MS and share >= GOAL_PROVEN and not wrong
    return result


def _figures(chain: Chain, both: set[Any]) -> dict[str, Any]:
    """The sums over the cures that both placed, so that refusing the hard ones does not look good."""
    rows = [chain.figures[cure] for cure in both]
    return {
        "cadence_violations": sum(row.cadence_violations for row in rows),
        "distinct_times": sum(row.distinct_times for row in rows),
        "devices_and_therapists": sum(row.devices_and_therapists for row in rows),
        "start_days": sum(row.start_days for row in rows),
        "device_idle_minutes": sum(_idle(clinic) for clinic in chain.clinics.values()),
        "patients_refused": chain.refused,
        "all_placed": {
            "cures": len(chain.figures),
            "cadence_violations": sum(row.cadence_violations for row in chain.figures.values()),
            "distinct_times": sum(row.distinct_times for row in chain.figures.values()),
        },
    }


def _idle(clinic: Clinic) -> int:
    """Minutes between the first and the last booking of every device's day in which it stands idle."""
    zone = ZoneInfo(clinic.site.zone)
    spans = defaultdict(list)
    for one in clinic.booked:
        start, end = span_of(one)
        day = one.starts_at.astimezone(zone).date()
        last = instant(clinic.site.zone, day, OPEN[1])
        spans[day, one.device].append((start, min(end + clinic.site.clean_up_min, last)))
    return sum(idle_minutes(rows) for rows in spans.values())


def spread(values: list[float]) -> dict[str, float | None]:
    """Median, 95th and 99th percentile, largest."""
    if len(values) < 2:  # noqa: PLR2004  (no percentile of fewer)
        only = round(values[0], 1) if values else None
        return dict.fromkeys(("p50", "p95", "p99", "max"), only)
    cuts = quantiles(values, n=100, method="inclusive")
    named = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(values)}
    return {name: round(value, 1) for name, value in named.items()}


def tell(words: str) -> None:
    """Progress, beside the result."""
    sys.stderr.write(words + "\n")


def words(result: dict[str, Any]) -> str:
    """The result in a few lines."""
    ours, greedy, ms = result["planner"], result["greedy"], result["place_ms"]
    return "\n".join(
        (
            f"{result['placed']} of {result['cures']} cures placed",
            f"houses booked to {result['utilisation_reached']:.1%}",
            f"p50 {ms['p50']} ms, p95 {ms['p95']} ms, p99 {ms['p99']} ms",
            f"{result['proven_optimal_share']:.1%} proven best; {result['conflicts']} conflicts",
            *(
                f"{name.replace('_', ' ')}: {ours[name]}, first fit {greedy[name]}"
                for name in (
                    "cadence_violations",
                    "distinct_times",
                    "device_idle_minutes",
                    "patients_refused",
                )
            ),
        )
    )
