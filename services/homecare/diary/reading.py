"""The diary as staff read it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection

from services.homecare.diary import marks, signs, store
from services.homecare.exercises.library import library
from services.homecare.models import Programme
from services.homecare.programmes import store as programmes
from services.kit.language import Text
from services.kit.moments import instant_of

Row = dict[str, Any]


def diary(connection: Connection, programme: Programme, first: date | None, last: date | None) -> Row:
    """Entries of these days with their marks, and every report of pain with its answer."""
    rows = store.entries(connection, programme.id, first, last)
    reports = store.pains(connection, [programme.id])
    return {
        "programme": str(programme.id), "patient": str(programme.patient), "site": programme.site,
        "from": first, "to": last, "entries": [entry(row, reports) for row in rows],
        "more": len(rows) == store.MOST_SHOWN, "pains": pains(connection, reports),
    }  # fmt: skip


def entry(row: Row, reports: Sequence[Row]) -> Row:
    """One entry; ``marks``: what is remarkable of it, in words."""
    found = marks.every(row, reports)
    return {
        "id": row["id"], "link": row["link"], "version": row["version"], "kind": row["kind"],
        "exercise": row["exercise"], "name": _name(row["exercise"]), "day": row["day"],
        "at": instant_of(row["at_us"]), "received_at": instant_of(row["received_us"]), "data": row["data"],
        "marks": [{"id": mark, "words": marks.WORDS[mark]} for mark in found],
    }  # fmt: skip


def pains(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """Reports of any programmes; those of an erased person are left out."""
    found = programmes.programmes(connection, {row["programme"] for row in rows})
    by_id = {str(one.id): one for one in found.values()}
    said = store.known(connection, [row["entry"] for row in rows])
    return [
        _pain(row, by_id[row["programme"]], said[row["entry"]]) for row in rows if row["programme"] in by_id
    ]


def _pain(row: Row, programme: Programme, said: Row) -> Row:
    answer = row["answer"]
    return {
        "entry": row["entry"], "programme": row["programme"], "patient": str(programme.patient),
        "site": programme.site, "region": programme.region, "exercise": row["exercise"],
        "name": _name(row["exercise"]), "pain_nrs": row["pain_nrs"],
        "limit_nrs": programme.wanted.pain_limit_nrs, "above": row["above"],
        "where": {"id": row["where"], "words": signs.place_words(row["where"])},
        "signs": [{"id": one, "words": signs.sign_words(one)} for one in row["signs"]],
        "during": said["data"].get("during", False), "words": said["data"].get("words", ""),
        "day": said["day"], "at": instant_of(row["at_us"]), "received_at": instant_of(row["received_us"]),
        "answer": answer and {
            "decision": answer["decision"], "words": answer["words"], "by": answer["name"],
            "at": instant_of(answer["at_us"]),
        },
    }  # fmt: skip


def _name(exercise: str | None) -> Text | None:
    row = library().exercises.get(exercise or "")
    return None if row is None else row.name
