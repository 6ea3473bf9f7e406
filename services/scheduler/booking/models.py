"""Cures and appointments, as they are kept, sent and shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from broker.fields import Data, Region, Slug
from services.kit.moments import instant_of
from services.scheduler.resources.models import Day, Moment, Parts, Reason, Sent, Weekday, Written

State = Literal["booked", "completed", "missed", "cancelled", "undecided", "aborted"]
OPEN: Final = ("booked",)  # still to come
HELD: Final = ("booked", "completed", "undecided")  # what keeps its bed, its therapist and its patient
Scope = Literal["this", "following"]
FEWEST_SESSIONS, MOST_SESSIONS = 15, 20  # of a cure: the clinic page


@dataclass(frozen=True, slots=True)
class Appointment:
    """One session that is planned, with its place in its cure."""

    appointment: UUID
    cure: UUID
    patient: UUID
    site: str
    device: str
    therapist: UUID
    region: Region
    number: int
    starts_at: datetime
    ends_at: datetime
    free_at: datetime  # when the bed is clean again
    state: State
    confirmed: bool
    session: UUID | None = None
    prescription: Mapping[str, Any] | None = None  # of its number; none until it is given
    segment: str = ""
    sessions: int = 0  # of its cure; as the segment, where prescriptions were asked for too

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From a row of the table."""
        return cls(
            UUID(row["appointment"]), UUID(row["cure"]), UUID(row["patient"]), row["site"], row["device"],
            UUID(row["therapist"]), row["region"], row["number"], instant_of(row["starts_us"]),
            instant_of(row["ends_us"]), instant_of(row["free_us"]), row["state"], row["confirmed"],
            UUID(row["session"]) if row["session"] else None,
        )  # fmt: skip


class PlanAsked(Sent):
    """A cure to be placed whole, or not at all."""

    patient: UUID
    site: Slug
    region: Region
    segment: Annotated[Written, Field(min_length=1, max_length=40)]
    sessions: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]  # the desk says what a cure may have
    cadence: Slug
    earliest: Day
    times: Parts = Field(default_factory=list)
    weekdays: Annotated[list[Weekday], Field(max_length=7)] = Field(default_factory=list)
    device: Slug | None = None
    therapist: UUID | None = None


class PreviewAsked(PlanAsked):
    """The same with its first prescription, to be looked at before anything is booked."""

    prescription: Data | None = None


class Chosen(Sent):
    """One appointment of a preview that is to be booked as it was shown."""

    number: Annotated[int, Field(ge=1, le=MOST_SESSIONS)]
    starts_at: Moment
    device: Slug
    therapist: UUID


class CureAsked(PlanAsked):
    """The same, to be booked; ``request`` makes asking twice harmless."""

    request: UUID
    prescription: Data | None = None  # of the first session
    appointments: Annotated[list[Chosen], Field(max_length=MOST_SESSIONS)] | None = None  # of the preview

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.appointments is None:
            return self
        numbers = [chosen.number for chosen in self.appointments]
        if numbers != list(range(1, self.sessions + 1)):
            raise ValueError(f"appointments 1 to {self.sessions} in order are expected: the whole series")
        return self


class Ended(Sent):
    """Why a cure ends early."""

    reason: Reason


class Moved(Sent):
    """Where an appointment goes; what is not said stays."""

    starts_at: Moment
    device: Slug | None = None
    therapist: UUID | None = None
    scope: Scope = "this"
    reason: Annotated[Written, Field(max_length=500)] = ""


class Changed(Sent):
    """A change of an appointment's state."""

    scope: Scope = "this"
    reason: Annotated[Written, Field(max_length=500)] = ""


class Decided(Sent):
    """What an aborted session counts as."""

    decision: Literal["counts", "repeat", "end"]
    reason: Reason


class WaitingAsked(Sent):
    """Somebody who wants to come sooner, or a cure that found no place; ``request`` as of a cure."""

    request: UUID
    appointment: UUID | None = None
    cure: PlanAsked | None = None
    times: Parts = Field(default_factory=list)
    weekdays: Annotated[list[Weekday], Field(max_length=7)] = Field(default_factory=list)
    automatic: bool = False
    note: Annotated[Written, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.appointment is None) == (self.cure is None):
            raise ValueError("what waits is an appointment that should come sooner, or a cure: name one")
        return self


class ReplanAsked(Sent):
    """What is out, and when."""

    site: Slug
    device: Slug | None = None
    therapist: UUID | None = None
    from_: Annotated[Moment, Field(alias="from")]
    to: Moment
    reason: Annotated[Written, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _one_for_a_time(self) -> Self:
        if (self.device is None) == (self.therapist is None):
            raise ValueError("a device or a therapist is out: name one")
        if self.from_ >= self.to:
            raise ValueError(f"it ends at {self.to.isoformat()}, before it begins")
        return self


class Applied(Sent):
    """How a replanning is done: with the outage that it is for, unless somebody says otherwise."""

    outage: bool = True


class Improved(Sent):
    """Where better series are looked for."""

    site: Slug
