"""A chain of clinics that is booked to a given share, and the cures that its patients ask for. Seeded.

What is booked comes in two parts: three quarters are cures as desks book them (the same time on many days, on
the hour but for one in six, as far as it is free), the rest single appointments, most of them beside another,
as they are where a desk fills its day.

"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from services.scheduler.planner.cadences import CADENCES
from services.scheduler.planner.calendar import hours, instant, moment_of
from services.scheduler.planner.problem import (
    ALL_DAYS,
    Booked,
    Device,
    Problem,
    Request,
    Site,
    Therapist,
    Week,
    Window,
    Wishes,
)

MONDAY: Final = date(2026, 2, 2)
DAYS: Final = 119  # what is booked: longer than any cure asked for may last
ASKED_DAYS: Final = 21  # within which cures are to begin
OPEN: Final[Window] = (8 * 60, 18 * 60)
EARLY: Final[Window] = (8 * 60, 13 * 60)
LATE: Final[Window] = (13 * 60, 18 * 60)
CURES_SHARE: Final = 0.75
OFF_THE_HOUR: Final = 1 / 6
# Three zones and the holidays of six regions: Good Friday, Easter, May and Corpus Christi fall into the time.
PLACES: Final = (
    ("Europe/Berlin", "DE-BE"),
    ("Europe/Berlin", "DE-BY"),
    ("Europe/Lisbon", "PT-11"),
    ("Europe/Berlin", "DE-NW"),
    ("Europe/Vienna", "AT-9"),
    ("Europe/Athens", "GR"),
)
REGIONS: Final = (("lumbar",), ("lumbar", "cervical"), ("lumbar", "cervical"))
TIMES: Final[tuple[tuple[Window, ...], ...]] = (
    (),
    (),
    (OPEN,),
    ((8 * 60, 12 * 60),),
    ((12 * 60, 18 * 60),),
    ((14 * 60, 18 * 60),),
)
SESSIONS: Final = (15, 16, 18, 18, 20)


@dataclass(slots=True)
class Clinic:
    """One site: who works there, what is booked, and which of that is a patient's series."""

    site: Site
    devices: tuple[Device, ...]
    therapists: tuple[Therapist, ...]
    days: list[date]
    booked: list[Booked] = field(default_factory=list)
    taken: dict[tuple[date, int], list[Window]] = field(default_factory=lambda: defaultdict(list))
    busy: dict[tuple[date, UUID], list[Window]] = field(default_factory=lambda: defaultdict(list))

    @property
    def capacity(self) -> int:
        """Appointments that the devices could hold in all these days."""
        whole = self.site.appointment_min + self.site.clean_up_min
        return len(self.days) * len(self.devices) * ((OPEN[1] - OPEN[0]) // whole)

    @property
    def problem(self) -> Problem:
        """As the planner is told, on the evening before everything."""
        now = datetime.combine(MONDAY - timedelta(days=1), datetime.min.time(), UTC)
        return Problem(now, {self.site.id: self.site}, self.devices, self.therapists, tuple(self.booked))


def clinics(sites: int, devices: int, utilisation: float, seed: int) -> list[Clinic]:
    """So many sites that share the devices evenly, each booked to the same share."""
    rows = []
    for n in range(sites):
        random = Random(f"{seed}/{n}")  # noqa: S311  (a demand, not a secret)
        rows.append(_clinic(n, devices // sites + (n < devices % sites), utilisation, random))
    return rows


def _clinic(n: int, devices: int, utilisation: float, random: Random) -> Clinic:
    zone, state = PLACES[n % len(PLACES)]
    name = f"site-{n + 1}"
    site = Site(name, zone, state, _weekdays(OPEN))
    regions = [frozenset(REGIONS[(k + 1) % len(REGIONS)]) for k in range(devices)]
    beds = tuple(Device(f"bed-{k + 1}", name, treats) for k, treats in enumerate(regions))
    people = tuple(
        Therapist(identity(random), name, _weekdays(shift), f"T{k + 1}")
        for k, shift in enumerate((EARLY, LATE) * devices)
    )
    dates = [MONDAY + timedelta(days=k) for k in range(DAYS)]
    clinic = Clinic(site, beds, people, [day for day in dates if hours(site, day)])
    _fill(clinic, round(clinic.capacity * utilisation), random)
    return clinic


def _weekdays(window: Window) -> Week:
    return ((window,),) * 5 + ((), ())


def _fill(clinic: Clinic, wanted: int, random: Random) -> None:
    while len(clinic.booked) < wanted * CURES_SHARE:
        first, bed = random.randrange(len(clinic.days)), random.randrange(len(clinic.devices))
        at = OPEN[0] + 60 * random.randrange(10) + (30 if random.random() < OFF_THE_HOUR else 0)
        patient = identity(random)
        for day in clinic.days[first : first + 18 * random.choice((1, 2)) : random.choice((1, 1, 2))]:
            if len(clinic.booked) < wanted:
                _book(clinic, day, bed, at, patient, random)
    tries = 0
    while len(clinic.booked) < wanted and tries < 100 * wanted:
        tries += 1
        day, bed = random.choice(clinic.days), random.randrange(len(clinic.devices))
        _book(clinic, day, bed, random.choice(_joints(clinic, day, bed)), identity(random), random)


def _joints(clinic: Clinic, day: date, bed: int) -> list[int]:
    """Starts that leave no gap on one side, and one anywhere."""
    whole = clinic.site.appointment_min + clinic.site.clean_up_min
    taken = clinic.taken[day, bed]
    return [OPEN[0], OPEN[1] - whole, *(end for _, end in taken), *(start - whole for start, _ in taken)]


def _book(clinic: Clinic, day: date, bed: int, at: int, patient: UUID, random: Random) -> bool:
    """Book one appointment where device and some therapist are free."""
    length = clinic.site.appointment_min
    whole = (at, at + length + clinic.site.clean_up_min)
    if whole[0] < OPEN[0] or whole[1] > OPEN[1] or _meets(whole, clinic.taken[day, bed]):
        return False
    free = [one for one in clinic.therapists if _is_free(clinic, one, day, (at, at + length))]
    if not free:
        return False
    therapist = random.choice(free)
    clinic.taken[day, bed].append(whole)
    clinic.busy[day, therapist.id].append((at, at + length))
    minute = instant(clinic.site.zone, day, at)
    begins, ends = moment_of(minute, clinic.site.zone), moment_of(minute + length, clinic.site.zone)
    clinic.booked.append(
        Booked(
            identity(random), patient, clinic.site.id, clinic.devices[bed].id, therapist.id, begins, ends,
            region="lumbar",
        )
    )  # fmt: skip
    return True


def _is_free(clinic: Clinic, one: Therapist, day: date, span: Window) -> bool:
    on = any(start <= span[0] and span[1] <= end for start, end in one.shifts[day.weekday()])
    return on and not _meets(span, clinic.busy[day, one.id])


def _meets(span: Window, others: list[Window]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in others)


def requests(clinic: Clinic, count: int, seed: int) -> Iterator[Request]:
    """So many patients who ask for a cure, each with a cadence, wished times and an earliest day."""
    random = Random(f"{seed}/{clinic.site.id}/requests")  # noqa: S311  (the same)
    cadences = list(CADENCES.values())
    for _ in range(count):
        yield Request(
            patient=identity(random),
            site=clinic.site.id,
            region=random.choice(("lumbar", "lumbar", "cervical")),
            sessions=random.choice(SESSIONS),
            cadence=random.choice(cadences),
            earliest=MONDAY + timedelta(days=random.randrange(ASKED_DAYS)),
            wishes=Wishes(times=random.choice(TIMES), weekdays=ALL_DAYS),
            cure=identity(random),
        )


def identity(random: Random) -> UUID:
    """A random id that the seed decides."""
    return UUID(int=random.getrandbits(128), version=4)
