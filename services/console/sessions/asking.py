"""What somebody looks for among past sessions, as typed, and as telemetry is asked."""

import contextlib
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID

from broker.fields import Region
from services.console.archive import Archive
from services.console.errors import BadSearch, HistoryNotFound
from services.console.sessions.models import OUTCOMES, Session
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.principal import Principal

PAGE_ROWS: Final = 25
SPANS: Final = ("today", "week", "month", "dates")
REGIONS: Final[tuple[str, ...]] = get_args(Region)
MOST_CHARACTERS: Final = 80  # of what is typed; more is no id and no name
SHOWN_CHARACTERS: Final = 40
_CHOICES: Final = {"region": REGIONS, "outcome": OUTCOMES, "span": SPANS}
IDS: Final = ("patient", "cure")


@dataclass(frozen=True, slots=True)
class Asked:
    """The search form as it was sent; every field may be empty."""

    q: str = ""
    site: str = ""
    bed: str = ""
    cure: str = ""
    patient: str = ""
    region: str = ""
    outcome: str = ""
    span: str = ""
    since: str = ""
    until: str = ""
    cursor: str = ""

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the page is asked for."""
        return any(value for name, value in asdict(self).items() if name != "cursor")

    def told(self) -> dict[str, Any]:
        """What was asked, for the audit trail: the fields that say something, and whether it was page one."""
        fields = {name: str(value).strip()[:MOST_CHARACTERS] for name, value in asdict(self).items()}
        said = {name: text for name, text in fields.items() if text and name not in ("q", "cursor")}
        return said | ({"further": True} if self.cursor else {})

    def query(self, now: datetime) -> dict[str, Any]:
        """As telemetry is asked. Raises BadSearch that names the field, the value and what would do."""
        for name, choices in _CHOICES.items():
            _check_choice(name, getattr(self, name), choices)
        for name in IDS:
            if getattr(self, name):
                session_id(getattr(self, name), name)
        since, until = self._edges(now)
        return {
            "site": self.site[:SHOWN_CHARACTERS],
            "device": self.bed.strip()[:SHOWN_CHARACTERS],
            "cure": self.cure.strip(),
            "patient": self.patient.strip(),
            "region": self.region,
            "state": self.outcome,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "cursor": self.cursor[:MOST_CHARACTERS],
            "limit": PAGE_ROWS,
        }

    def _edges(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """From when on and before when, by the clock that the page goes by."""
        today = formats.local(now).date()
        begins = {
            "today": today,
            "week": today - timedelta(days=today.weekday()),
            "month": today.replace(day=1),
        }
        if self.span in begins:
            return _midnight(begins[self.span]), None
        if not (self.since or self.until):
            return None, None
        first = _day("since", self.since) if self.since else None
        last = _day("until", self.until) if self.until else None
        if first and last and last < first:
            raise refusal("bad_order", "until", since=self.since, until=self.until)
        return _midnight(first) if first else None, _midnight(last + timedelta(days=1)) if last else None


def session_id(text: str, field: str = "q") -> UUID:
    """The id that was typed or pasted. Raises BadSearch."""
    with contextlib.suppress(ValueError):
        return UUID(text.strip())
    raise refusal("bad_id", field, value=text.strip()[:SHOWN_CHARACTERS])


async def find(archive: Archive, caller: Principal, wanted: UUID) -> tuple[str, str] | None:
    """What has this id, a session, a cure, an appointment's session, a patient's sessions: address and site.

    None when nothing that the caller may see has it.
    """
    with contextlib.suppress(HistoryNotFound):
        row = await archive.ask(caller, f"/sessions/{wanted}")
        return f"/sessions/{wanted}", str(row["site"])
    for name in ("cure", "appointment", "patient"):
        rows, _ = await archive.page(caller, "/sessions", {name: str(wanted), "limit": 1})
        if rows:
            address = {"cure": f"/cures/{wanted}/sessions", "patient": f"/sessions?patient={wanted}"}
            session = Session.of(rows[0])
            return address.get(name, session.path), session.site
    return None


def refusal(text: str, field: str, **values: str) -> BadSearch:
    """A refusal in both languages."""
    words = {language: words.format(**values) for language, words in TEXTS[text].items()}
    return BadSearch(words, field)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value and value not in choices:
        raise refusal("bad_choice", name, value=value[:SHOWN_CHARACTERS], choices=", ".join(choices))


def _day(field: str, text: str) -> date:
    with contextlib.suppress(ValueError):
        found = date.fromisoformat(text)
        if 1970 <= found.year <= 2999:  # noqa: PLR2004  (what telemetry takes)
            return found
    raise refusal("bad_day", field, value=text[:SHOWN_CHARACTERS])


def _midnight(day: date) -> datetime:
    return formats.midnight(day)
