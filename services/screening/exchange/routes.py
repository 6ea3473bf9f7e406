"""HTTP API of the exchange: folders, what was taken and why not, doubts to settle, results as GDT."""

import base64
import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from services.kit.auth.guard import allow, sites_for
from services.kit.auth.principal import Principal, Sites
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import instant_of
from services.kit.routes import Routes
from services.screening.errors import Conflict, NotFound
from services.screening.exchange import store, taking
from services.screening.exchange.gdt.fields import Version
from services.screening.exchange.gdt.folders import Folder
from services.screening.exchange.gdt.writing import Form
from services.screening.exchange.settings import settings_of
from services.screening.exchange.watch import compose
from services.screening.patients import keeping
from services.screening.patients.models import File
from services.screening.patients.store import current

Used = Annotated[Principal, allow("exchange.use")]
UsedAt = Annotated[Sites, sites_for("exchange.use")]
Name = Annotated[str | None, Query(max_length=8, pattern=r"^[A-Za-z0-9_]+$")]


class Assigned(BaseModel):
    """Whose a doubtful record is; none: a new patient's."""

    patient: UUID | None = None


class Numbered(BaseModel):
    """What the practice system calls a patient."""

    patient: UUID
    number: Annotated[str, Field(min_length=1, max_length=10, pattern=r"^[ -~]+$")]


def router(office: Office) -> APIRouter:
    """The routes."""
    routes = Routes(prefix="/exchange", tags=["exchange"])
    _add_lists(office, routes)
    _add_result(office, routes)
    _add_changes(office, routes)
    return routes


def _add_lists(office: Office, routes: APIRouter) -> None:
    @routes.get("/folders")
    def folders(sites: UsedAt) -> list[dict[str, Any]]:
        """The GDT folders that are there, with how many files lie where."""
        found = settings_of(office).sites(office.settings.data)
        shown = {site: path for site, path in found.items() if sites is None or site in sites}
        with reading(office.engine) as connection:
            counted = {site: store.counts(connection, site) for site in shown}
        stable_s = settings_of(office).gdt_stable_s
        return [_folder(site, Folder(path, stable_s), counted[site]) for site, path in shown.items()]

    @routes.get("/records")
    def records(
        who: Used, sites: UsedAt, state: Annotated[str | None, Query(max_length=12)] = None
    ) -> list[dict[str, Any]]:
        """What came in files, the newest first; what waits with whom it may be."""
        with reading(office.engine) as connection:
            rows = [_record(connection, row) for row in store.taken_rows(connection, sites, state)]
        office.seen(who, "exchange.listed", "records", None, shown=len(rows))
        return rows

    @routes.get("/results")
    def results(who: Used, sites: UsedAt) -> list[dict[str, Any]]:
        """Results of sessions, the newest first, and whether they were handed over."""
        with reading(office.engine) as connection:
            rows = [_result(connection, row) for row in store.result_rows(connection, sites)]
        office.seen(who, "exchange.listed", "results", None, shown=len(rows))
        return rows


def _add_result(office: Office, routes: APIRouter) -> None:
    @routes.get("/results/{session}/gdt")
    def gdt(
        session: UUID, who: Used, version: Version | None = None,
        charset: Annotated[str | None, Query(pattern=r"^[123]$")] = None, receiver: Name = None,
        sender: Name = None,
        number: Annotated[str | None, Query(max_length=10, pattern=r"^[ -~]+$")] = None,
        procedure: Annotated[str | None, Query(max_length=6, pattern=r"^[A-Za-z0-9_]+$")] = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The result of a session as a GDT record 6310: its bytes (base64), and what had to be replaced."""
        with reading(office.engine) as connection:
            row = store.result_of(connection, session)
        if row is None or not who.may("exchange.use", row["site"]):
            raise _unknown_session(session)
        settings = settings_of(office)
        usual = settings.form()
        form = Form(
            version or usual.version, charset or usual.charset, receiver or usual.receiver,
            sender or usual.sender,
        )  # fmt: skip
        written = compose(office, row, form, procedure or settings.gdt_procedure, number)
        office.seen(who, "exchange.result_read", str(session), row["site"])
        return {
            "session": str(session), "site": row["site"],
            "content": base64.b64encode(written.content).decode(),
            "warnings": list(written.warnings), "state": row["state"], "filename": row["filename"],
        }  # fmt: skip


def _add_changes(office: Office, routes: APIRouter) -> None:
    @routes.post("/records/{file}/{place}/assign")
    def assign(file: UUID, place: int, body: Assigned, who: Used) -> dict[str, Any]:
        """Say whose a doubtful record is; without a patient it becomes a new one."""
        return {"patient": str(taking.assign(office, who, file, place, body.patient))}

    @routes.post("/records/{file}/{place}/dismiss", status_code=204)
    def dismiss(file: UUID, place: int, who: Used) -> None:
        """Say that a doubtful record is nobody's here."""
        taking.dismiss(office, who, file, place)

    @routes.put("/numbers", status_code=204)
    def numbers(body: Numbered, who: Used) -> None:
        """Write down what the practice system calls a patient; results that waited for it are handed over."""
        with reading(office.engine) as connection:
            head = keeping.find_head(connection, who, "exchange.use", body.patient)
        office.seen(who, "exchange.numbered", head["id"], head["site"])
        with writing(office.engine) as connection:
            owner = store.patient_of(connection, head["site"], store.GDT, body.number)
            if owner is not None and str(owner) != head["id"]:
                raise Conflict(
                    f"number {body.number} is another patient's",
                    {
                        "de": f"Die Nummer {body.number} gehört zu einer anderen Akte.",
                        "en": f"Number {body.number} belongs to another file.",
                    },
                )
            taking.number(connection, who, head["site"], store.GDT, body.number, UUID(head["id"]))


def _folder(site: str, folder: Folder, counted: dict[str, int]) -> dict[str, Any]:
    return {"site": site, "directory": str(folder.directory), "files": folder.counts(), "records": counted}


def _record(connection: Connection, row: dict[str, Any]) -> dict[str, Any]:
    said = json.loads(row.pop("fields") or "null")
    found = []
    if row["state"] == "waiting" and said is not None:
        found = [_person(file) for file in taking.candidates(connection, row["site"], said, row["number"])]
    file = current(connection, UUID(row["patient"])) if row["patient"] else None
    return {
        **{name: row[name] for name in ("file", "place", "site", "filename", "record", "number", "state",
                                        "effect", "patient", "request")},
        "why": {"de": row["why_de"], "en": row["why_en"]} if row["why_de"] else None,
        "warnings": json.loads(row["warnings"]), "said": said, "candidates": found,
        "title": file.content.title if file else None, "at": instant_of(row["at_us"]).isoformat(),
    }  # fmt: skip


def _person(file: File) -> dict[str, Any]:
    content = file.content
    return {
        "patient": str(file.patient), "title": content.title, "birth_date": content.birth_date.isoformat(),
        "city": content.city,
    }  # fmt: skip


def _result(connection: Connection, row: dict[str, Any]) -> dict[str, Any]:
    file = current(connection, UUID(row["patient"]))
    return {
        **{name: row[name] for name in ("session", "site", "device", "patient", "state", "filename")},
        "why": {"de": row["why_de"], "en": row["why_en"]} if row["why_en"] else None,
        "title": file.content.title if file else None, "at": instant_of(row["at_us"]).isoformat(),
    }  # fmt: skip


def _unknown_session(session: UUID) -> NotFound:
    return NotFound(
        f"no result of a session {session} is known here",
        {
            "de": f"Hier ist kein Ergebnis einer Sitzung {session} bekannt.",
            "en": f"No result of a session {session} is known here.",
        },
    )
