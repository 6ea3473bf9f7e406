"""A telephone's entries: each kept once, judged by itself, all of a request in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid5

from sqlalchemy import Connection

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.homecare.diary import store
from services.homecare.diary.links import Opened
from services.homecare.diary.marks import Marking
from services.homecare.diary.models import Entry, PainEntry, SessionEntry, id_of, read
from services.homecare.exercises.library import library
from services.homecare.programmes import course
from services.kit.business.service import Office
from services.kit.language import Text
from services.kit.moments import instant_of

Row = dict[str, Any]
SAME: Final = ("programme", "kind", "exercise", "day", "at_us", "version", "data")
OTHER: Final[Text] = {
    "de": "Diese Kennung hat schon ein anderer Eintrag. Er bleibt, wie er ist.",
    "en": "another entry has this id already; it stays as it is",
}


@dataclass(slots=True)
class Taken:
    """What became of a request's entries, each by its id."""

    accepted: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    refused: list[Row] = field(default_factory=list)

    def body(self) -> Row:
        """As the telephone is told."""
        return {"accepted": self.accepted, "known": self.known, "refused": self.refused}

    def refuse(self, index: int, id: str | None, why: Text) -> None:  # noqa: A002  (its name in the answer)
        """This one is not kept, and why."""
        self.refused.append({"id": id, "index": index, "why": why})


def take(office: Office, connection: Connection, opened: Opened, sent: Sequence[Any], now_us: int) -> Taken:
    """Keep what is new, and tell of it; the caller holds the programme until the transaction ends."""
    taken = Taken()
    good: list[tuple[int, Entry]] = []
    for index, one in enumerate(sent):
        found = read(one)
        if isinstance(found, Mapping):
            taken.refuse(index, id_of(one), found)
        else:
            good.append((index, found))
    keeping = _Keeping(office, connection, opened, now_us)
    known = store.known(connection, [entry.id for _, entry in good])
    for index, entry in good:
        row = keeping.row(entry)
        before = known.get(row["id"])
        if before is None:
            known[row["id"]] = row
            keeping.keep(entry, row)
            taken.accepted.append(row["id"])
        elif all(before[name] == row[name] for name in SAME):
            taken.known.append(row["id"])
        else:
            taken.refuse(index, row["id"], OTHER)
    return taken


class _Keeping:
    """Keeps the entries of one request, and tells of them once."""

    def __init__(self, office: Office, connection: Connection, opened: Opened, now_us: int) -> None:
        self._office, self._connection, self._now_us = office, connection, now_us
        self._link, self._programme = opened.link, opened.programme
        since_us = store.first_made_us(connection, self._programme.id)
        self._marking = Marking(connection, self._programme, course.signed, since_us, now_us)

    def row(self, entry: Entry) -> Row:
        """As it is kept."""
        return {
            "id": str(entry.id), "programme": str(self._programme.id), "link": self._link,
            "version": entry.version, "kind": entry.kind, "exercise": entry.exercise, "day": entry.day,
            "at_us": entry.at_us, "received_us": self._now_us, "data": entry.data.model_dump(mode="json"),
            "marks": self._marking.of(entry),
        }  # fmt: skip

    def keep(self, entry: Entry, row: Row) -> None:
        """New: with its event, if its kind has one."""
        store.add_entry(self._connection, row)
        if isinstance(entry, SessionEntry):
            self._tell(entry, "session.done", session=row["id"], day=str(entry.day))
        elif isinstance(entry, PainEntry):
            self._hurt(entry, row)

    def _hurt(self, entry: PainEntry, row: Row) -> None:
        """A report locks its exercise; about one that the library does not have it locks everything."""
        said, signs = entry.data, sorted(set(entry.data.signs))
        is_above = said.pain_nrs > self._programme.wanted.pain_limit_nrs or bool(signs)
        exercise = entry.exercise if entry.exercise in library().exercises else None
        told = {"exercise": exercise, "pain_nrs": said.pain_nrs, "where": said.where, "signs": signs,
                "above": is_above}  # fmt: skip
        kept = {name: row[name] for name in ("programme", "at_us", "received_us")}
        store.add_pain(self._connection, {"entry": row["id"], **kept, **told})
        self._tell(entry, "pain.reported", region=self._programme.region, report=row["id"], **told)

    def _tell(self, entry: Entry, kind: str, **data: Any) -> None:
        programme = self._programme
        event = ClinicEvent(
            id=uuid5(entry.id, kind), type=kind, time=instant_of(self._now_us),
            data={"programme": str(programme.id), "patient": str(programme.patient), **data},
        )  # fmt: skip
        self._office.outbox.add(self._connection, STREAMS["programme"], programme.site, event)
