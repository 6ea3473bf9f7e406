"""What the scheduler answers, as the pages show it: by the site's clock, with names, states in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.console.planning.places import Site
from services.console.texts import TEXTS
from services.kit.language import Language

Row = Mapping[str, Any]
TONES: Final = {  # of an appointment's states
    "booked": "plain",
    "completed": "good",
    "missed": "notice",
    "cancelled": "plain",
    "undecided": "notice",
}
MOVABLE: Final = ("booked",)
UNREADY: Final = {  # how it stands with the patient's treatment: the text that says it
    "refused": "board_refused", "suspended": "board_suspended", "waiting": "board_not_cleared",
}  # fmt: skip
GONE: Final = ("cancelled",)  # takes no place in a calendar


@dataclass(frozen=True, slots=True)
class Appointment:
    """One appointment; times by the site's clock."""

    id: str
    cure: str
    patient: str
    name: str
    number: int
    sessions: int | None
    region: str
    segment: str
    starts_at: datetime
    ends_at: datetime
    device: str
    therapist: str
    therapist_name: str
    state: str
    is_known: bool  # the patient has confirmed it: no planner moves it by itself
    body: Row

    @classmethod
    def of(
        cls, row: Row, site: Site, names: Mapping[str, str], therapists: Mapping[str, str]
    ) -> "Appointment":
        """From a row of the scheduler; ``names``: of patients, ``therapists``: of therapists, by id."""
        patient, therapist = str(row.get("patient") or ""), str(row.get("therapist") or "")
        return cls(
            id=str(row["appointment"]),
            cure=str(row.get("cure") or ""),
            patient=patient,
            name=names.get(patient) or short(patient),
            number=int(row.get("number") or 0),
            sessions=row.get("sessions"),
            region=str(row.get("region") or ""),
            segment=str(row.get("segment") or ""),
            starts_at=site.local(row["starts_at"]),
            ends_at=site.local(row["ends_at"]),
            device=str(row.get("device") or ""),
            therapist=therapist,
            therapist_name=therapists.get(therapist, short(therapist)),
            state=str(row.get("state") or "booked"),
            is_known=bool(row.get("confirmed")),
            body=row,
        )

    @property
    def path(self) -> str:
        """Its page."""
        return f"/appointments/{self.id}"

    @property
    def tone(self) -> str:
        """The colour of its state's badge."""
        return "info" if self.is_known and self.is_movable else TONES.get(self.state, "plain")

    @property
    def is_movable(self) -> bool:
        """Whether it may go elsewhere at all; the scheduler checks each move."""
        return self.state in MOVABLE

    def count(self) -> str:
        """Which one of the cure: 3/18."""
        return f"{self.number}/{self.sessions}" if self.sessions else str(self.number)

    def unready(self, language: Language) -> str:
        """Why its patient may not be treated as things are; empty where nothing is against it."""
        state = str((self.body.get("care") or {}).get("state") or "cleared")
        text = UNREADY.get(state)
        return TEXTS[text][language] if text and self.is_movable else ""

    def said(self, language: Language) -> str:
        """Its state in words."""
        return state_text("confirmed" if self.is_known and self.is_movable else self.state, language)


def state_text(state: str, language: Language) -> str:
    """A state in words; a newer scheduler's as it is."""
    known = TEXTS.get(f"appointment_{'state_missed' if state == 'missed' else state}")
    return known[language] if known else state


def short(identifier: str) -> str:
    """Enough of an id to tell two apart, where nobody says a name."""
    return identifier[:8]


def rules_of(body: Row, language: Language) -> list[str]:
    """The rules that a refusal or a check names, in words, none twice."""
    rows: Sequence[Row] = body.get("rules") or ()
    texts = [str(row.get(f"text_{language}") or row.get("text_en") or row.get("id")) for row in rows]
    return list(dict.fromkeys(texts))
