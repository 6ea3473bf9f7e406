"""Files as the API shows them."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping

from services.kit.moments import instant_of
from services.screening.patients import keeping, store
from services.screening.patients.attachments import Cabinet, listed
from services.screening.patients.models import File
from services.screening.patients.searching import Hit
from services.screening.patients.tables import MERGE, NOTE, VERSION

_OF_ROW = ("site", "version", "family_name", "given_name", "birth_date", "sex", "region", "insurance")


def of_row(row: RowMapping) -> dict[str, Any]:
    """A line of a list."""
    changed = instant_of(row["changed_at_us"]).isoformat()
    return {"patient": row["id"], **{name: row[name] for name in _OF_ROW}, "changed_at": changed}


def of_hit(hit: Hit) -> dict[str, Any]:
    """A line of what was found, and the name of the merged file that it was found by."""
    return of_row(hit.row) | {"score": round(hit.score), "through": hit.through}


def of_name(row: RowMapping) -> dict[str, Any]:
    """What another service's page calls somebody."""
    name = f"{row['family_name']}, {row['given_name']}"
    return {"patient": row["id"], "site": row["site"], "name": name, "birth_date": row["birth_date"]}


def of_file(file: File) -> dict[str, Any]:
    """A file as it is now."""
    return {
        "patient": str(file.patient), "site": file.site, "version": file.version, "at": file.at.isoformat(),
        "by": file.by, "content": file.content.model_dump(mode="json"),
    }  # fmt: skip


def versions(connection: Connection, patient: UUID) -> list[dict[str, Any]]:
    """Every version of one file, the first first."""
    return [
        {
            "version": row["number"], "at": instant_of(row["at_us"]).isoformat(), "by": row["name"],
            "reason": row["reason"], "content": json.loads(row["content"]),
        }
        for row in store.rows_of(connection, VERSION, [patient])
    ]  # fmt: skip


def notes(connection: Connection, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Every note, the first first."""
    return [
        {"at": instant_of(row["at_us"]).isoformat(), "by": row["name"], "text": row["text"]}
        for row in store.rows_of(connection, NOTE, ids)
    ]


def merges(connection: Connection, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """What was merged and taken apart again, the first first."""
    rows = store.rows_of(connection, MERGE, ids) + [
        row for row in store.merges_into(connection, ids) if UUID(row["patient"]) not in set(ids)
    ]
    return [
        {
            "patient": row["patient"], "into": row["into"], "action": row["action"], "reason": row["reason"],
            "at": instant_of(row["at_us"]).isoformat(), "by": row["name"],
        }
        for row in sorted(rows, key=lambda row: int(row["row"]))
    ]  # fmt: skip


def whole(connection: Connection, cabinet: Cabinet, file: File) -> dict[str, Any]:
    """Everything of this room about one person."""
    ids = store.family(connection, file.patient)
    until = keeping.retention(connection, ids)
    merged = store.names_alone(connection, [one for one in ids if one != file.patient])
    return of_file(file) | {
        "versions": versions(connection, file.patient),
        "notes": notes(connection, ids),
        "attachments": listed(connection, cabinet, ids),
        "merges": merges(connection, ids),
        "merged": [of_row(row) for row in merged],
        "retention": _until(until.ended_on, until.kept_until, is_over=until.is_over),
    }


def _until(ended_on: date, kept_until: date, *, is_over: bool) -> dict[str, Any]:
    return {"ended_on": ended_on.isoformat(), "kept_until": kept_until.isoformat(), "is_over": is_over}
