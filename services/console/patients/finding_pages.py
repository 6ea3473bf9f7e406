"""A patient's findings: filed, looked at before and after beside each other, taken back."""

from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.papers import passed
from services.console.patients import fields, tabs
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of

KINDS: Final = ("mri-before", "mri-after", "x-ray", "ct", "report", "referral", "other")
PICTURES: Final = ("image/png", "image/jpeg", "application/dicom")
DICOM: Final = "application/dicom"
Reader = Annotated[Principal, allow("patients.see")]
Writer = Annotated[Principal, allow("patients.write")]
Copier = Annotated[Principal, allow("patients.export")]
Asked = Annotated[str, Query(max_length=80)]


def add(routes: APIRouter, console: Console) -> None:
    """``/patients/{patient}/findings`` and below; ``/patients/{patient}/export``."""
    _add_page(routes, console)
    _add_changes(routes, console)
    _add_files(routes, console)


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/findings")
    async def findings(
        request: Request, who: Reader, patient: str, left: Asked = "", right: Asked = "", done: Asked = ""
    ) -> Response:
        """All findings, and two pictures beside each other."""
        done = done if done in ("filed", "taken_back") else ""
        return await _page(console, request, who, patient, left=left, right=right, done=done)


async def _page(
    console: Console, request: Request, who: Principal, patient: str, *, left: str = "", right: str = "",
    done: str = "", error: OfficeRefused | None = None, typed: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    file = await console.screening.ask(who, f"/patients/{tabs.known_id(patient)}")
    about = tabs.head_of(file)
    rows = [_row(it, about.path, language) for it in file["attachments"]]
    pictures = [it for it in rows if it["is_picture"] and it["intact"]]
    problems = fields.errors(error.body, language) if error else {}
    return await tabs.page(
        console, request, who, patient, "patients/findings.html", tab="findings", about=about,
        status=error.status if error else 200, rows=list(reversed(rows)), kinds=_kinds(language), done=done,
        pictures=[(it["attachment"], it["title"]) for it in pictures],
        left=_chosen(pictures, left, "mri-before", 0), right=_chosen(pictures, right, "mri-after", -1),
        typed=typed or {"kind": "mri-before", "taken_on": "", "note": ""}, errors=problems,
        problem=error.words[language] if error else "", may_write=who.may("patients.write", about.site),
    )  # fmt: skip


def _row(it: dict[str, Any], path: str, language: Language) -> dict[str, Any]:
    kind = it["kind"]
    text = TEXTS[f"finding_kind_{kind.replace('-', '_')}"][language] if kind in KINDS else kind
    back = it["taken_back"]
    return it | {
        "text": text, "at": datetime.fromisoformat(it["at"]), "is_picture": it["media_type"] in PICTURES,
        "taken_on": date.fromisoformat(it["taken_on"]) if it["taken_on"] else None,
        "title": f"{text}: {it['filename']}", "path": f"{path}/findings/{it['attachment']}",
        "taken_back": back and back | {"at": datetime.fromisoformat(back["at"])},
    }  # fmt: skip


def _kinds(language: Language) -> list[tuple[str, str]]:
    return [(kind, TEXTS[f"finding_kind_{kind.replace('-', '_')}"][language]) for kind in KINDS]


def _chosen(pictures: list[dict[str, Any]], wanted: str, kind: str, otherwise: int) -> dict[str, Any] | None:
    """The picture that was chosen, else the newest of its kind, else the first or last there is."""
    if found := next((it for it in pictures if it["attachment"] == wanted), None):
        return found
    standing = [it for it in pictures if it["taken_back"] is None]
    of_kind = [it for it in standing if it["kind"] == kind]
    if of_kind:
        return of_kind[-1]
    return standing[otherwise] if len(standing) > 1 else None


def _add_changes(routes: APIRouter, console: Console) -> None:
    @routes.post("/patients/{patient}/findings")
    async def file(request: Request, who: Writer, patient: str) -> Response:
        """File one. The form is read behind the rule: a stranger's megabytes are not."""
        path = f"/patients/{tabs.known_id(patient)}"
        form = await request.form(max_files=1, max_fields=10)
        typed = {name: str(form.get(name) or "")[:500] for name in ("kind", "taken_on", "note")}
        given = form.get("file")
        part = ("", b"", "application/octet-stream")
        if isinstance(given, UploadFile):
            part = (given.filename or "finding", await given.read(), part[2])
        try:
            await console.screening.send(who, "POST", f"{path}/attachments", typed, files={"file": part})
        except OfficeRefused as error:
            if error.status == 404:  # noqa: PLR2004  (no such file)
                raise
            return await _page(console, request, who, patient, error=error, typed=typed)
        return RedirectResponse(f"{path}/findings?done=filed", 303, headers={"cache-control": "no-store"})

    @routes.post("/patients/{patient}/findings/{attachment}/take-back")
    async def take_back(
        request: Request, who: Writer, patient: str, attachment: str, reason: Annotated[str, Form()] = ""
    ) -> Response:
        """It was filed wrongly: it stays, and says so."""
        path = f"/patients/{tabs.known_id(patient)}"
        address = f"{path}/attachments/{tabs.known_id(attachment)}/take-back"
        try:
            await console.screening.send(who, "POST", address, {"reason": reason[:4000]})
        except OfficeRefused as error:
            if error.status == 404:  # noqa: PLR2004  (no such finding)
                raise
            return await _page(console, request, who, patient, error=error)
        return RedirectResponse(
            f"{path}/findings?done=taken_back", 303, headers={"cache-control": "no-store"}
        )


def _add_files(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/findings/{attachment}/file")
    async def whole(who: Reader, patient: str, attachment: str) -> Response:
        """The file as it was filed."""
        return await passed(
            console, who, f"/patients/{tabs.known_id(patient)}/attachments/{tabs.known_id(attachment)}/file"
        )

    @routes.get("/patients/{patient}/findings/{attachment}/preview")
    async def preview(who: Reader, patient: str, attachment: str, frame: Asked = "") -> Response:
        """What a browser shows of it."""
        path = f"/patients/{tabs.known_id(patient)}/attachments/{tabs.known_id(attachment)}/preview"
        return await passed(console, who, path, {"frame": frame if frame.isdigit() else ""})

    @routes.get("/patients/{patient}/export")
    async def export(who: Copier, patient: str) -> Response:
        """The copy of the whole file, as a ZIP."""
        return await passed(console, who, f"/patients/{tabs.known_id(patient)}/export")
