"""The routes of patients' files: lists and search, one file, what is done with it."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping

from services.kit.auth.guard import allow, sites_for
from services.kit.auth.principal import Principal, Sites
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.database import reading
from services.kit.routes import Routes
from services.screening.patients import (
    duplicates,
    findings_api,
    keeping,
    models,
    searching,
    showing,
    store,
    unneeded,
)
from services.screening.patients.attachments import Cabinet

CURSOR: Final = "spondyl-next-cursor"
MOST_NAMES: Final = 200
Reader = Annotated[Principal, allow("patients.see")]
Where = Annotated[Sites, sites_for("patients.see")]
Namer = Annotated[Principal, allow("patients.name")]
WhereNamed = Annotated[Sites, sites_for("patients.name")]
Writer = Annotated[Principal, allow("patients.write")]
Merger = Annotated[Principal, allow("patients.merge")]
MergerWhere = Annotated[Sites, sites_for("patients.merge")]
Eraser = Annotated[Principal, allow("patients.erase")]
Asker = Annotated[Principal, allow("identity.see")]
Site = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
Reason = Annotated[str, Field(max_length=4000)]  # (the refusal of what is too long says how long it may be)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPatient(_Body):
    """A new file; ``anyway`` opens it though it looks like a duplicate."""

    site: Site
    content: dict[str, Any]
    anyway: bool = False


class Correction(_Body):
    """A whole new content, of the version that it corrects."""

    content: dict[str, Any]
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    reason: Reason = ""


class Note(_Body):
    """A note, for good."""

    text: Annotated[str, Field(max_length=40_000)]


class Merge(_Body):
    """Whose file takes this one's place, and why."""

    into: UUID
    reason: Reason


class Why(_Body):
    """A reason, which stays in the record."""

    reason: Reason


class Apart(_Body):
    """Two that look alike and are two people."""

    one: UUID
    other: UUID
    reason: Reason = ""


class Names(_Body):
    """Whose names a page needs."""

    ids: Annotated[list[UUID], Field(max_length=MOST_NAMES)]


def router(office: Office) -> APIRouter:
    """``/patients`` and everything below it."""
    routes = Routes(tags=["patients"])
    cabinet = Cabinet(office.directory)
    _add_lists(routes, office)
    _add_duplicates(routes, office)
    _add_names(routes, office)
    _add_one(routes, office, cabinet)
    _add_changes(routes, office)
    _add_merging(routes, office, cabinet)
    findings_api.add(routes, office, cabinet)
    return routes


def _add_lists(routes: APIRouter, office: Office) -> None:
    @routes.get("/patients")
    def listed(
        who: Reader, where: Where, answer: Response,
        q: Annotated[str, Query(max_length=searching.MOST_QUERY)] = "",
        site: Annotated[str, Query(max_length=40)] = "",
        cursor: Annotated[str, Query(max_length=1200)] = "",
        limit: Annotated[int, Query(ge=1, le=searching.MOST_ROWS)] = 50,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Files by name, or those that ``q`` (name, birth date, number, id) means, the likeliest first."""
        with reading(office.engine) as connection:
            if q.strip():
                rows = [
                    showing.of_hit(hit)
                    for hit in searching.search(connection, where, q, site=site, most=limit)
                ]
            else:
                found, following = searching.page(connection, where, site=site, after=cursor, count=limit)
                rows = [showing.of_row(row) for row in found]
                if following:
                    answer.headers[CURSOR] = following
        _listed(office, who, rows, "patient.searched" if q.strip() else "patient.listed")
        return rows

    @routes.post("/patients", status_code=201)
    def add(who: Writer, body: NewPatient) -> dict[str, Any]:
        """A new file; 409 with ``duplicates`` where there is one of the same person, it seems."""
        keeping.require_site(who, "patients.write", body.site)
        content = models.read(body.content)
        return showing.of_file(keeping.open_file(office, who, body.site, content, anyway=body.anyway))


def _listed(office: Office, who: Principal, rows: list[dict[str, Any]], action: str) -> None:
    """Who saw which list, with whom on it."""
    sites = {row["site"] for row in rows}
    seen = [row["patient"] for row in rows]
    office.seen(who, action, None, sites.pop() if len(sites) == 1 else None, shown=len(seen), patients=seen)


def _add_duplicates(routes: APIRouter, office: Office) -> None:
    @routes.get("/patients/duplicates")
    def pairs(who: Merger, where: MergerWhere) -> list[dict[str, Any]]:
        """Pairs that may be one person, the likeliest first."""
        with reading(office.engine) as connection:
            found = duplicates.pairs(connection, where)
        rows = [
            {"one": showing.of_row(it.one), "other": showing.of_row(it.other), "score": round(it.score)}
            for it in found
        ]
        _listed(office, who, [each for row in rows for each in (row["one"], row["other"])],  # type: ignore[misc]
                "patient.duplicates_listed")  # fmt: skip
        return rows

    @routes.post("/patients/apart", status_code=204)
    def apart(who: Merger, body: Apart) -> None:
        """These two are two people: the list leaves them out from now on."""
        keeping.tell_apart(office, who, body.one, body.other, body.reason)


def _add_names(routes: APIRouter, office: Office) -> None:
    @routes.post("/patients/names")
    def names(who: Namer, where: WhereNamed, body: Names) -> dict[str, dict[str, Any]]:
        """Names and birth dates by id, for pages of other services; who is not here is left out."""
        with reading(office.engine) as connection:
            found = store.names_of(connection, body.ids)
        shown = {
            str(one): showing.of_name(row)
            for one, row in found.items()
            if where is None or row["site"] in where
        }
        _listed(office, who, list(shown.values()), "patient.named")
        return shown

    @routes.get("/patients/{patient}/identity")
    def identity(who: Asker, patient: UUID) -> dict[str, Any]:
        """One person's name, address, insurance and diagnosis, for a service that writes to them."""
        with reading(office.engine) as connection:
            keeping.find_head(connection, who, "identity.see", patient)
        file = keeping.required(office, patient)
        office.seen(who, "patient.identity", str(file.patient), file.site)
        wanted = {
            "family_name", "given_name", "birth_date", "sex", "street", "postal_code", "city", "country",
            "phone", "email", "language", "insurance", "insurer", "insurance_number", "diagnosis",
        }  # fmt: skip
        return {"patient": str(file.patient), **file.content.model_dump(mode="json", include=wanted)}


def _add_one(routes: APIRouter, office: Office, cabinet: Cabinet) -> None:
    @routes.get("/patients/{patient}")
    def one(who: Reader, patient: UUID) -> dict[str, Any]:
        """Everything of one person's file; of a merged one, of the file that took its place."""
        with reading(office.engine) as connection:
            keeping.find_head(connection, who, "patients.see", patient)
            file = store.current(connection, patient)
            if file is None:
                raise keeping.unknown(patient)
            shown = showing.whole(connection, cabinet, file)
        office.seen(who, "patient.seen", str(file.patient), file.site)
        return shown

    @routes.get("/patients/{patient}/head")
    def head(who: Reader, patient: UUID) -> dict[str, Any]:
        """Name, birth date and site alone: the head of every page about this person."""
        with reading(office.engine) as connection:
            row = keeping.find_head(connection, who, "patients.see", patient)
        office.seen(who, "patient.seen", row["id"], row["site"], part="head")
        return showing.of_row(row)

    @routes.get("/patients/{patient}/versions")
    def versions(who: Reader, patient: UUID) -> list[dict[str, Any]]:
        """Every version of this very file, also of one that was merged into another."""
        with reading(office.engine) as connection:
            row = keeping.find(connection, who, "patients.see", patient)
            shown = showing.versions(connection, patient)
        office.seen(who, "patient.seen", row["id"], row["site"], part="versions")
        return shown


def _add_changes(routes: APIRouter, office: Office) -> None:
    @routes.put("/patients/{patient}")
    def correct(who: Writer, patient: UUID, body: Correction) -> dict[str, Any]:
        """A new version; 409 where another was made since ``version``."""
        _known(office, who, "patients.write", patient)
        content = models.read(body.content)
        return showing.of_file(keeping.correct(office, who, patient, content, body.version, body.reason))

    @routes.post("/patients/{patient}/notes", status_code=201)
    def note(who: Writer, patient: UUID, body: Note) -> dict[str, Any]:
        """A note, for good."""
        _known(office, who, "patients.write", patient)
        keeping.add_note(office, who, patient, body.text)
        return {"patient": str(patient)}


def _known(office: Office, who: Principal, permission: Permission, patient: UUID) -> RowMapping:
    """The row where this one may, before anything is said of what was sent. Raises NotFound."""
    with reading(office.engine) as connection:
        return keeping.find(connection, who, permission, patient)


def _add_merging(routes: APIRouter, office: Office, cabinet: Cabinet) -> None:
    @routes.post("/patients/{patient}/merge")
    def merge(who: Merger, patient: UUID, body: Merge) -> dict[str, Any]:
        """Let another file of the same person take this one's place."""
        _known(office, who, "patients.merge", patient)
        return showing.of_file(keeping.merge(office, who, patient, body.into, body.reason))

    @routes.post("/patients/{patient}/unmerge")
    def unmerge(who: Merger, patient: UUID, body: Why) -> dict[str, Any]:
        """Undo it: the file is its own again."""
        _known(office, who, "patients.merge", patient)
        return showing.of_file(keeping.unmerge(office, who, patient, body.reason))

    @routes.post("/patients/{patient}/erase")
    def erase(who: Eraser, patient: UUID, body: Why) -> dict[str, Any]:
        """Erase it, once its retention is over; 409 says until when it is kept."""
        _known(office, who, "patients.erase", patient)
        keeping.erase(office, who, patient, body.reason)
        unneeded.remove(office, cabinet)
        return {"patient": str(patient), "erased": True}
