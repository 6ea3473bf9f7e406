"""The wishes of a patient one by one: what each is called, and the request without it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from services.kit.language import LANGUAGES, Text
from services.scheduler.planner.problem import ALL_DAYS, Problem, Request
from services.scheduler.planner.rules import weekday, windows


@dataclass(frozen=True, slots=True)
class Wish:
    """One field of the wishes."""

    id: str
    anything: Any  # the field's value when nothing is wished
    words: Callable[[Problem, Request], Mapping[str, Any]]
    without: Text

    @property
    def field(self) -> str:
        """The field's name."""
        return self.id

    def is_made(self, request: Request) -> bool:
        """Whether the request has this wish."""
        return bool(getattr(request.wishes, self.field) != self.anything)

    def dropped(self, request: Request) -> Request:
        """The request without this wish."""
        return replace(request, wishes=replace(request.wishes, **{self.field: self.anything}))


def _weekdays(_: Problem, request: Request) -> Mapping[str, Any]:
    days = sorted(request.wishes.weekdays)
    return {"weekdays": {language: ", ".join(weekday(d)[language] for d in days) for language in LANGUAGES}}


def _therapist(problem: Problem, request: Request) -> Mapping[str, Any]:
    names = {one.id: one.name for one in problem.therapists}
    wished = request.wishes.therapist
    return {"therapist": (names.get(wished) if wished else None) or str(wished)}


WISHES: Final = (
    Wish(
        "times",
        (),
        lambda _, request: {"times": windows(request.wishes.times)},
        {"de": "Zu anderen Uhrzeiten", "en": "At other times of day"},
    ),
    Wish("weekdays", ALL_DAYS, _weekdays, {"de": "An anderen Wochentagen", "en": "On other weekdays"}),
    Wish(
        "device",
        None,
        lambda _, request: {"device": request.wishes.device},
        {"de": "Auf einem anderen Gerät", "en": "On another device"},
    ),
    Wish("therapist", None, _therapist, {"de": "Mit einer anderen Person", "en": "With somebody else"}),
)
