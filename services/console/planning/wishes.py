"""The planner's form: what was typed, kept as typed, and as the scheduler is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from typing import Any, Final, Self
from uuid import UUID, uuid4

from starlette.datastructures import FormData

from services.console.errors import BadSearch
from services.console.planning.places import Site, day_of
from services.console.planning.week import WEEKDAYS
from services.console.refusals import said
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.therapy import dosing

REGIONS: Final = ("lumbar", "cervical")
MOST: Final = 80
LONGER: Final = {"shown": 800}  # what the preview said of itself
LARGEST: Final = 1e6
WINDOWS: Final = 2  # wished times of a day
FIELDS: Final = (
    "patient", "name", "region", "segment", "sessions", "cadence", "earliest", "from1", "to1", "from2", "to2",
    "device", "therapist", "request", "why_on", "why_at", "why_device", "body_weight_kg", "age_years", "sex",
    "peak_n", "segment_peak_n", "traction_min", "hold_s", "heat_min", "picked", "shown",
)  # fmt: skip
PEAKS: Final = ("peak_n", "segment_peak_n")  # a pull, or the force at the segment: one of the two
PRESCRIBED: Final = ("body_weight_kg", *PEAKS)  # numbers without which there is no prescription
OF_FILE: Final = ("name", "sex", "body_weight_kg", "age_years", "file_version", "file_at")  # never typed
OF_PERSON: Final = ("age_years", "sex")
OPTIONAL: Final = ("traction_min", "hold_s", "heat_min")
DEFAULTS: Final = {"region": "lumbar", "segment": "L4/5", "sessions": "18"}


@dataclass(frozen=True, slots=True)
class Wishes:
    """One form of the planner."""

    typed: Mapping[str, str]
    weekdays: tuple[str, ...] = ()
    chosen: tuple[str, ...] = field(default=())  # the appointments of the preview, as they were shown

    @classmethod
    def of(cls, form: FormData) -> Self:
        """What was sent."""
        typed = {name: str(form.get(name) or "")[: LONGER.get(name, MOST)] for name in FIELDS}
        weekdays = tuple(day for day in WEEKDAYS if day in form.getlist("weekdays"))
        return cls(typed, weekdays, tuple(str(it)[:300] for it in form.getlist("chosen")[:40]))

    @classmethod
    def new(cls, site: Site, cadence: str, given: Mapping[str, str]) -> Self:
        """A form that nobody has filled in yet, but for what is known of the patient."""
        empty = dict.fromkeys(FIELDS, "")
        first = {"earliest": site.today().isoformat(), "cadence": cadence, "request": str(uuid4())}
        return cls(empty | DEFAULTS | first | dict(given), WEEKDAYS[:5])

    def of_file(self, known: Mapping[str, str]) -> Self:
        """The same for the body that the patient's file knows, whatever a browser sent of it."""
        kept = {name: value for name, value in self.typed.items() if name not in OF_FILE[1:]}
        return replace(self, typed=kept | {name: known[name] for name in OF_FILE if name in known})

    def __getitem__(self, name: str) -> str:
        return self.typed.get(name, "")

    def body(self, site: Site) -> dict[str, Any]:
        """For ``/cures/preview``. Raises BadSearch at the field that is wrong."""
        body: dict[str, Any] = {
            "patient": str(self.patient()),
            "site": site.name,
            "region": self["region"],
            "segment": self["segment"].strip(),
            "sessions": _whole(self["sessions"], "sessions"),
            "cadence": self["cadence"],
            "earliest": self._earliest(site).isoformat(),
            "times": self.times(),
            "weekdays": list(self.weekdays),
        }
        return body | {name: self[name] for name in ("device", "therapist") if self[name]}

    def patient(self) -> UUID:
        """Whom it is for. Raises BadSearch."""
        try:
            return UUID(self["patient"])
        except ValueError:
            raise BadSearch(said("planning_no_patient"), "patient") from None

    def times(self) -> list[list[str]]:
        """The wished times of day; a window with one end is until or from the other end of the day.

        Raises BadSearch for windows that end before they begin, or overlap.
        """
        rows = [(self[f"from{number}"], self[f"to{number}"]) for number in range(1, WINDOWS + 1)]
        times = sorted([begin or "00:00", end or "24:00"] for begin, end in rows if begin or end)
        for begin, end in times:
            if begin >= end:
                raise BadSearch(said("planning_times_order", begin=begin, end=end), "times")
        for earlier, later in pairwise(times):
            if earlier[1] > later[0]:
                raise BadSearch(said("planning_times_overlap", end=earlier[1], begin=later[0]), "times")
        return times

    def _earliest(self, site: Site) -> date:
        try:
            return day_of(self["earliest"], site.today())
        except BadSearch as error:
            raise BadSearch(error.words, "earliest") from None

    def prescribes(self) -> bool:
        """Whether there is to be a first prescription: a peak was typed; the rest is of the file."""
        return any(self[name].strip() for name in PEAKS)

    def prescription(self) -> dict[str, Any] | None:
        """The first session's, as far as it was typed. Raises BadSearch at the field that is no number."""
        if not self.prescribes():
            return None
        if not self["file_at"]:
            raise BadSearch(said("planning_no_file"), "peak_n")
        if not self["body_weight_kg"]:
            raise BadSearch(said("planning_no_weight"), "body_weight_kg")
        document: dict[str, Any] = {
            "region": self["region"],
            "segment": self["segment"].strip(),
            "sex": self["sex"] or "unspecified",
            "session_number": 1,
            "age_years": _whole(self["age_years"], "age_years"),
        }
        numbers = {
            "body_weight_kg": number_of(self["body_weight_kg"], "body_weight_kg"),
            **peak_of(self.typed),
        }
        more = {name: number_of(self[name], name) for name in OPTIONAL if self[name].strip()}
        return document | numbers | more


def segments() -> dict[str, list[str]]:
    """The segments of each region, of the dosing table."""
    table = dosing.load()
    return {region: list(table.segments(region)) for region in REGIONS}


def may_prescribe(who: Principal, site: str) -> bool:
    """Whether this one may set a prescription there."""
    return who.may("prescriptions.sign", site)


def peak_of(typed: Mapping[str, str]) -> dict[str, float]:
    """The peak as it was typed: a pull or the force at the segment. Raises BadSearch where both were."""
    given = [name for name in PEAKS if typed.get(name, "").strip()]
    if len(given) > 1:
        raise BadSearch(said("planning_one_peak"), PEAKS[1])
    return {name: number_of(typed[name], name) for name in given}


def number_of(text: str, name: str) -> float:
    """A number as either language writes it. Raises BadSearch."""
    try:
        found = float(text.strip().replace(",", "."))
    except ValueError:
        found = float("nan")
    if not abs(found) < LARGEST:  # (also not what is no number)
        raise BadSearch(said("plan_bad_number", value=text.strip() or formats.NOTHING), name)
    return found


def _whole(text: str, name: str) -> int:
    found = number_of(text, name)
    if found != int(found):
        raise BadSearch(said("plan_bad_number", value=text.strip()), name)
    return int(found)
