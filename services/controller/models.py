"""What the panel's API takes."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Pain = Annotated[int, Field(strict=True, ge=0, le=10, description="numeric rating scale")]
NoteText = Annotated[str, Field(min_length=1, max_length=2000)]


class Act(BaseModel):
    """Any operator action; who does it is who is signed in."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Confirm(Act):
    """This patient lies on this bed and gets this prescription."""

    patient: UUID
    prescription: dict[str, Any]
    clearance: Annotated[str, Field(max_length=8192)]
    cure: UUID | None = None
    appointment: UUID | None = None
    pain_before: Pain | None = None
    note: NoteText | None = None


class ConfirmListed(Act):
    """The patient of this appointment of the worklist lies here: name and birth date were asked and agree."""

    appointment: UUID
    identity_asked: Literal[True]
    pain_before: Pain | None = None
    note: NoteText | None = None


class Start(Act):
    """Traction begins."""

    silence_seen: bool = False  # what the bed says of a centre that has not been heard for long


class Close(Act):
    """The session is over."""

    pain_after: Pain | None = None


class Change(Act):
    """Another prescription from the next phase boundary on."""

    prescription: dict[str, Any]


class Acknowledge(Act):
    """Somebody has seen this one occurrence of an alarm, as the state names it."""

    occurrence: Annotated[str, Field(min_length=1, max_length=80)]


class Heat(Act):
    """Switch the heat pad."""

    on: bool


class Adverse(Act):
    """Something happened to the patient of a session; ``id`` is the page's: a second try is no second report.

    Without ``session`` it is of the one on the bed, else of the last one there.
    """

    id: UUID
    kind: Literal["radiating-pain", "weakness", "dizziness", "other"]
    grade: Annotated[int, Field(strict=True, ge=1, le=5)]
    session: UUID | None = None


class PainScore(Act):
    """Pain before or after the session."""

    when: Literal["before", "after"]
    value: Pain


class NewNote(Act):
    """What an operator wants remembered."""

    text: NoteText


class Fault(Act):
    """Break or mend a simulated bed."""

    kind: Annotated[str, Field(max_length=40)]
    clear: bool = False


class SignInRequest(BaseModel):
    """A name with its PIN, or a badge's number."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(max_length=80)] = ""
    pin: Annotated[SecretStr, Field(max_length=64)] = SecretStr("")
    badge: Annotated[SecretStr, Field(max_length=200)] = SecretStr("")


class PrescriptionCheck(BaseModel):
    """A prescription to look at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prescription: dict[str, Any]
