"""Patients: finding a file, opening one, correcting it, its versions and notes."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.patients import fields, finding_pages, merging_pages, tabs
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.pages import language_of
from services.kit.routes import Routes

PAGE_ROWS = 30
Reader = Annotated[Principal, allow("patients.see")]
Writer = Annotated[Principal, allow("patients.write")]
Asked = Annotated[str, Query(max_length=300)]
DONE = {"opened", "changed", "noted", "merged", "unmerged"}


def router(console: Console) -> APIRouter:
    """``/patients`` and what is below it."""
    routes = Routes(include_in_schema=False)
    _add_list(routes, console)
    _add_new(routes, console)
    merging_pages.add_duplicates(routes, console)  # before the routes that take a patient's id
    _add_file(routes, console)
    _add_edit(routes, console)
    _add_versions(routes, console)
    finding_pages.add(routes, console)
    merging_pages.add(routes, console)
    return routes


# --- the list ---------------------------------------------------------------------------------------------
def _add_list(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients")
    async def listed(
        request: Request,
        who: Reader,
        q: Asked = "",
        site: Asked = "",
        cursor: Annotated[str, Query(max_length=1200)] = "",
    ) -> Response:
        """Files by name, or those that what was typed means."""
        rows: list[dict[str, Any]] = []
        following, problem = None, ""
        language = language_of(request)
        try:
            query = {"q": q.strip()[:200], "site": site, "cursor": "" if q.strip() else cursor}
            rows, following = await console.screening.page(who, "/patients", {**query, "limit": PAGE_ROWS})
        except OfficeRefused as error:
            problem = error.words[language]
        found = [(tabs.head_of(row), row) for row in rows]
        return console.page(
            request, "patients/list.html", status=422 if problem else 200, page="patients",
            title=TEXTS["nav_patients"][language], rows=found, following=following, q=q, site=site,
            cursor=cursor, problem=problem, sites=_sites(console, who),
            regions={it: TEXTS[f"region_{it}"][language] for it in ("lumbar", "cervical")},
        )  # fmt: skip


def _sites(
    console: Console, who: Principal, permission: Permission = "patients.see"
) -> list[tuple[str, str]]:
    """Sites that a form offers: those that the reader may, as far as they are known."""
    known = {*who.seen(permission, console.live.sites()), *(who.sites(permission) or ())}
    return [(site, site) for site in sorted(known)]


# --- a new one --------------------------------------------------------------------------------------------
def _add_new(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/new")
    async def ask(request: Request, who: Writer, name: Asked = "") -> Response:
        """The form of a new file; ``name`` is what was looked for and not found."""
        family, _, given = name.partition(",") if "," in name else name.strip().rpartition(" ")[::-1]
        typed = {**fields.EMPTY, "family_name": family.strip(), "given_name": given.strip()}
        return _new_form(console, request, who, typed)

    @routes.post("/patients/new")
    async def add(
        request: Request, who: Writer, site: Annotated[str, Form()] = "", anyway: Annotated[str, Form()] = ""
    ) -> Response:
        """Open it; what looks like a duplicate is shown first."""
        typed = fields.typed(dict(await request.form()))
        body = {"site": site.strip(), "content": typed, "anyway": anyway == "yes"}
        try:
            made = await console.screening.send(who, "POST", "/patients", body)
        except OfficeRefused as error:
            return _new_form(console, request, who, typed, error, site)
        return _to(f"/patients/{made['patient']}?done=opened")


def _new_form(
    console: Console, request: Request, who: Principal, typed: dict[str, str],
    error: OfficeRefused | None = None, site: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    sites = _sites(console, who, "patients.write")
    alike = error.body.get("duplicates") if error else None
    rows = alike if isinstance(alike, list) else []
    return console.page(
        request, "patients/new.html", status=error.status if error else 200, page="patients",
        title=TEXTS["patient_new"][language], typed=typed, groups=fields.GROUPS, sites=sites,
        site=site or (sites[0][0] if len(sites) == 1 else ""), problem=_words(error, language),
        errors=_errors(error, language), alike=[(tabs.head_of(row | {"site": site}), row) for row in rows],
    )  # fmt: skip


def _errors(error: OfficeRefused | None, language: Any) -> dict[str, str]:
    if error is None:
        return {}
    found = fields.errors(error.body, language)
    return {name.removeprefix("body."): text for name, text in found.items()}


def _words(error: OfficeRefused | None, language: Any) -> str:
    return error.words[language] if error else ""


def _to(address: str) -> Response:
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})


# --- one file ---------------------------------------------------------------------------------------------
def _add_file(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}")
    async def one(request: Request, who: Reader, patient: str, done: Asked = "") -> Response:
        """The file as it is now."""
        return await _file(console, request, who, patient, done=done if done in DONE else "")

    @routes.post("/patients/{patient}/notes")
    async def note(
        request: Request, who: Writer, patient: str, text: Annotated[str, Form()] = ""
    ) -> Response:
        """Adds a note, for good."""
        path = f"/patients/{tabs.known_id(patient)}"
        try:
            await console.screening.send(who, "POST", f"{path}/notes", {"text": text[: fields.MOST_SENT]})
        except OfficeRefused as error:
            if error.status == 404:  # noqa: PLR2004  (no such file)
                raise
            return await _file(console, request, who, patient, error=error, note=text)
        return _to(f"{path}?done=noted#notes")


async def _file(
    console: Console, request: Request, who: Principal, patient: str, *, done: str = "",
    error: OfficeRefused | None = None, note: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    file = await console.screening.ask(who, f"/patients/{tabs.known_id(patient)}")
    about = tabs.head_of(file)
    problem = _errors(error, language).get("text") or _words(error, language)
    return await tabs.page(
        console, request, who, patient, "patients/file.html", tab="file", about=about, title=about.name,
        status=error.status if error else 200, file=file, facts=fields.facts(file["content"], language),
        notes=[it | {"at": _moment(it["at"])} for it in reversed(file["notes"])], done=done, problem=problem,
        note=note, at=_moment(file["at"]), merged=[(tabs.head_of(row), row) for row in file["merged"]],
        merges=[it | {"at": _moment(it["at"])} for it in reversed(file["merges"])],
        kept_until=_moment(file["retention"]["kept_until"]), may=_may(who, about.site),
    )  # fmt: skip


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _may(who: Principal, site: str) -> dict[str, bool]:
    """What this reader may do with a file of the site."""
    return {name: who.may(f"patients.{name}", site) for name in ("write", "merge", "export", "erase")}  # type: ignore[arg-type]


# --- correcting -------------------------------------------------------------------------------------------
def _add_edit(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/edit")
    async def ask(request: Request, who: Writer, patient: str) -> Response:
        """The form with what the file says."""
        file = await console.screening.ask(who, f"/patients/{tabs.known_id(patient)}")
        return await _edit_form(console, request, who, file, fields.of_content(file["content"]))

    @routes.post("/patients/{patient}/edit")
    async def correct(
        request: Request, who: Writer, patient: str, version: Annotated[int, Form()] = 0,
        reason: Annotated[str, Form()] = "",
    ) -> Response:  # fmt: skip
        """A new version; the one before stays."""
        typed = fields.typed(dict(await request.form()))
        path = f"/patients/{tabs.known_id(patient)}"
        body = {"content": typed, "version": max(1, version), "reason": reason[:4000]}
        try:
            await console.screening.send(who, "PUT", path, body)
        except OfficeRefused as error:
            if error.status == 404:  # noqa: PLR2004  (no such file)
                raise
            file = await console.screening.ask(who, path)
            return await _edit_form(console, request, who, file, typed, error, reason, version)
        return _to(f"{path}?done=changed")


async def _edit_form(
    console: Console, request: Request, who: Principal, file: dict[str, Any], typed: dict[str, str],
    error: OfficeRefused | None = None, reason: str = "", version: int = 0,
) -> Response:  # fmt: skip
    """With what was typed; where somebody was quicker, what differs: saved again, this counts."""
    language = language_of(request)
    about = tabs.head_of(file)
    late = error is not None and error.status == 409  # noqa: PLR2004  (somebody was quicker)
    theirs = [it for it in fields.beside(file["content"], typed, language) if it.differs] if late else []
    return await tabs.page(
        console, request, who, str(about.patient), "patients/edit.html", tab="file", about=about, typed=typed,
        status=error.status if error else 200, groups=fields.GROUPS, reason=reason, theirs=theirs,
        version=file["version"] if late else version or file["version"],
        errors=_errors(error, language), problem=_words(error, language),
        title=TEXTS["patient_edit"][language].format(name=about.name),
    )  # fmt: skip


# --- versions ---------------------------------------------------------------------------------------------
def _add_versions(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/versions")
    async def versions(
        request: Request, who: Reader, patient: str, one: Asked = "", other: Asked = ""
    ) -> Response:
        """Every version, and two beside each other: by default the first and the last."""
        about = await tabs.head(console, who, patient)
        rows = await console.screening.ask(who, f"/patients/{about.patient}/versions")
        language = language_of(request)
        known = {str(row["version"]): row for row in rows}
        last = rows[-1]
        second = known.get(other, last)
        first = known.get(one, rows[max(0, len(rows) - 2)])
        changes = fields.changed(rows, language)
        shown = [
            row | {"at": _moment(row["at"]), "changed": changed}
            for row, changed in zip(rows, changes, strict=True)
        ]
        return await tabs.page(
            console, request, who, patient, "patients/versions.html", tab="history", about=about,
            rows=list(reversed(shown)), first=first, second=second, moment_of=_moment,
            beside=fields.beside(first["content"], second["content"], language),
            choices=[(str(row["version"]), str(row["version"])) for row in rows],
        )  # fmt: skip
