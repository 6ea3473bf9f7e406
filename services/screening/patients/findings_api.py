"""The routes of findings as files, and of the copy of a whole file."""

from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading
from services.kit.language import Text
from services.kit.routes import gives
from services.screening.errors import Invalid
from services.screening.patients import attachments, copying, keeping, previews
from services.screening.patients.attachments import Cabinet, Sent
from services.screening.settings import ScreeningSettings

Reader = Annotated[Principal, allow("patients.see")]
Writer = Annotated[Principal, allow("patients.write")]
Copier = Annotated[Principal, allow("patients.export")]
Reason = Annotated[str, Body(embed=True, max_length=4000)]
DICOM: Final = "application/dicom"
PIECE: Final = 1 << 20
# A browser's own viewer of PDF and pictures needs its styles; nothing else may run in what somebody filed.
POLICY: Final = "default-src 'none'; img-src 'self' data:; object-src 'self'; style-src 'unsafe-inline'"


def add(routes: APIRouter, office: Office, cabinet: Cabinet) -> None:
    """``/patients/{patient}/attachments`` and below, ``/patients/{patient}/export``."""
    settings = office.settings
    most = settings.attachment_most_bytes if isinstance(settings, ScreeningSettings) else 0
    _add_filing(routes, office, cabinet, most)
    _add_reading(routes, office, cabinet)
    _add_copy(routes, office, cabinet)


def _add_filing(routes: APIRouter, office: Office, cabinet: Cabinet, most: int) -> None:
    @routes.post("/patients/{patient}/attachments", status_code=201)
    async def file(request: Request, who: Writer, patient: UUID) -> dict[str, Any]:
        """A finding: form fields ``file``, ``kind``, ``taken_on``, ``note``.

        The form is read here, behind the rule: a stranger's megabytes are not.
        """
        await run_in_threadpool(_require, office, who, patient)
        async with request.form(max_files=1, max_fields=10) as form:
            given = form.get("file")
            if not isinstance(given, UploadFile):
                raise _no_file()
            kind, taken_on, note = (str(form.get(name) or "") for name in ("kind", "taken_on", "note"))
            sent = Sent(await given.read(), given.filename or "", kind, taken_on, note)
        made = await run_in_threadpool(attachments.file_it, office, cabinet, who, patient, sent, most)
        return {"attachment": str(made)}

    @routes.post("/patients/{patient}/attachments/{attachment}/take-back", status_code=204)
    def take_back(who: Writer, patient: UUID, attachment: UUID, reason: Reason) -> None:
        """It was filed wrongly: it stays, and is shown as taken back."""
        attachments.find(office, who, "patients.write", patient, attachment)
        attachments.take_back(office, who, patient, attachment, reason)


def _require(office: Office, who: Principal, patient: UUID) -> None:
    with reading(office.engine) as connection:
        keeping.find_head(connection, who, "patients.write", patient)


def _no_file() -> Invalid:
    english = "the form has no file: send it as multipart/form-data in the field `file`"
    words: Text = {"de": "Es wurde keine Datei ausgewählt.", "en": "No file was chosen."}
    row = {"field": "file", "de": words["de"], "en": words["en"]}
    return Invalid(english, words, {"errors": [row]})


def _add_reading(routes: APIRouter, office: Office, cabinet: Cabinet) -> None:
    @routes.get("/patients/{patient}/attachments/{attachment}/file", **gives("*/*"))
    def whole(who: Reader, patient: UUID, attachment: UUID) -> Response:
        """The file as it was filed; 409 when it is damaged."""
        row = attachments.find(office, who, "patients.see", patient, attachment)
        content = attachments.content_of(cabinet, row)
        _seen(office, who, row, "file")
        return Response(content, media_type=row["media_type"], headers=headers(row["filename"], inline=True))

    @routes.get("/patients/{patient}/attachments/{attachment}/preview", **gives("*/*"))
    def preview(
        who: Reader, patient: UUID, attachment: UUID,
        frame: Annotated[int | None, Query(ge=0, le=1_000_000)] = None,
    ) -> Response:  # fmt: skip
        """What a browser shows of it: a DICOM picture as PNG, everything else as it is."""
        row = attachments.find(office, who, "patients.see", patient, attachment)
        content = attachments.content_of(cabinet, row)
        _seen(office, who, row, "preview")
        if row["media_type"] != DICOM:
            return Response(
                content, media_type=row["media_type"], headers=headers(row["filename"], inline=True)
            )
        drawn = previews.of_dicom(cabinet.path(row["sha256"]), frame)
        more = {"spondyl-frame": str(drawn.frame), "spondyl-frames": str(drawn.frames)}
        shown = headers(f"{row['filename']}.png", inline=True)
        return Response(drawn.png, media_type="image/png", headers=shown | more)


def _seen(office: Office, who: Principal, row: dict[str, Any], part: str) -> None:
    office.seen(who, "patient.finding_seen", row["patient"], row["site"], part=part, attachment=row["id"])


def headers(filename: str, *, inline: bool = False) -> dict[str, str]:
    """Of a file: its name in every script (RFC 6266), never kept by a cache, nothing in it runs."""
    plain = filename.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    how = "inline" if inline else "attachment"
    return {
        "content-disposition": f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}",
        "cache-control": "private, no-store",
        "content-security-policy": POLICY,
    }


def _add_copy(routes: APIRouter, office: Office, cabinet: Cabinet) -> None:
    @routes.get("/patients/{patient}/export", **gives("application/zip"))
    def export(who: Copier, patient: UUID) -> StreamingResponse:
        """The copy of everything (GDPR Art. 15(3), BGB 630g): JSON, findings, a document to read; a ZIP."""
        file = keeping.seen_for_copy(office, who, patient)
        made = copying.make(office, cabinet, file)

        def pieces() -> Any:
            with made:
                while piece := made.read(PIECE):
                    yield piece

        name = f"akte-{file.content.family_name}-{file.content.given_name}.zip".replace(" ", "-")
        return StreamingResponse(pieces(), media_type="application/zip", headers=headers(name))
