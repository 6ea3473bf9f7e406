"""Consent: the oral information, the signature on a pad or as a scan, the copy, the withdrawal."""

from datetime import datetime
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData, UploadFile

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.papers import passed
from services.console.patients import tabs
from services.console.screening.shared import (
    Asked,
    Reader,
    Recorder,
    place,
    regions,
    said,
    to,
)
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of

TONES: Final = {"informed": "info", "signed": "good", "withdrawn": "notice"}
DONE: Final = ("begun", "signature", "scan", "copy", "withdrawal")
Step = Literal["signature", "scan", "copy", "withdrawal"]
OF_AGE: Final = 18
MOST_TEXT: Final = 5000
MOST_PNG: Final = 900_000
_EMPTY: Final = {"informed_by": "", "informed_at": "", "questions": "", "note": ""}


def add(routes: APIRouter, console: Console) -> None:
    """``/patients/{patient}/consent`` and its steps and papers."""
    _add_page(routes, console)
    _add_steps(routes, console)
    _add_papers(routes, console)


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/consent")
    async def consent(
        request: Request, who: Reader, patient: str, region: Asked = "", done: Asked = ""
    ) -> Response:
        """The consents of a region, and the next step."""
        return await _page(console, request, who, patient, region, done=done)

    @routes.post("/patients/{patient}/consent")
    async def begin(request: Request, who: Recorder, patient: str) -> Response:
        """Keep the oral information."""
        form = await request.form(max_files=0, max_fields=40)
        typed = _typed(form, ("region", "informed_by", "informed_at", "questions"))
        points = [str(value)[:40] for value in form.getlist("points")]
        path = f"/patients/{tabs.known_id(patient)}"
        await tabs.head(console, who, patient)  # whose clock it is that was read
        sent = typed | {"points": points, "informed_at": _zoned(typed["informed_at"])}
        try:
            await console.screening.send(who, "POST", f"{path}/consents", sent)
        except OfficeRefused as error:
            return await _page(
                console, request, who, patient, typed["region"], error=error, typed=typed, points=points
            )
        return to(f"{path}/consent?region={typed['region']}&done=begun")


def _typed(form: FormData, names: tuple[str, ...]) -> dict[str, str]:
    return {name: str(form.get(name) or "")[:MOST_TEXT] for name in names}


async def _page(
    console: Console, request: Request, who: Principal, patient: str, region: str, *, done: str = "",
    error: OfficeRefused | None = None, typed: dict[str, str] | None = None, points: list[str] | None = None,
    step: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    problem = said(error, language)
    about, chosen = await place(console, who, patient, region)
    told = await console.screening.ask(who, f"{about.path}/consents")
    rows = [_row(row, about.path, language, told) for row in told["consents"] if row["region"] == chosen]
    is_over = not rows or rows[0]["state"] == "withdrawn" or rows[0]["outgrown"]
    now = None if is_over else rows[0]
    is_minor = about.age < OF_AGE
    return await tabs.page(
        console, request, who, patient, "screening/consent.html", tab="consent", about=about,
        status=error.status if error else 200, region=chosen, now=now,
        past=[row for row in rows if row != now],
        regions=regions(f"{about.path}/consent", language), problem=problem, step=step,
        points=[(name, text[language]) for name, text in told["points"].items()], ticked=points or [],
        typed=_EMPTY | _signs(about, is_minor=is_minor) | (typed or {}), is_minor=is_minor,
        outgrown=bool(rows and rows[0]["outgrown"]),
        copies=_choices(told["copies"], language), withdrawals=_choices(told["withdrawals"], language),
        signers=_choices(told["signers"], language), done=done if done in DONE else "",
        document=told["document"], now_at=formats.now().strftime("%Y-%m-%dT%H:%M"),
        may=who.may("consent.record", about.site),
    )  # fmt: skip


def _signs(about: tabs.Head, *, is_minor: bool) -> dict[str, str]:
    """Who signs, as the form has it at first: of a minor their guardian, whose name nobody knows here."""
    if is_minor:
        return {"signer": "", "role": "guardian"}
    return {"signer": f"{about.given_name} {about.family_name}", "role": "patient"}


def _choices(table: dict[str, dict[str, str]], language: Language) -> list[tuple[str, str]]:
    return [(name, text[language]) for name, text in table.items()]


def _row(row: dict[str, Any], path: str, language: Language, told: dict[str, Any]) -> dict[str, Any]:
    signed, withdrawn = row["signed"], row["withdrawn"]
    return row | {
        "text": TEXTS[f"consent_state_{row['state']}"][language], "tone": TONES[row["state"]],
        "informed_at": datetime.fromisoformat(row["information"]["at"]),
        "signed": signed and signed | {"at": datetime.fromisoformat(signed["at"])},
        "withdrawn": withdrawn and withdrawn | {
            "at": datetime.fromisoformat(withdrawn["at"]),
            "how": told["withdrawals"].get(withdrawn["how"], {}).get(language, withdrawn["how"]),
        },
        "copies": [
            copy | {"at": datetime.fromisoformat(copy["at"]),
                    "how": told["copies"].get(copy["how"], {}).get(language, copy["how"])}
            for copy in row["copies"]
        ],
        "path": f"{path}/consent/{row['id']}",
    }  # fmt: skip


def _add_steps(routes: APIRouter, console: Console) -> None:
    @routes.post("/patients/{patient}/consent/{consent}/{step}")
    async def go(request: Request, who: Recorder, patient: str, consent: str, step: Step) -> Response:
        """Signature, scan, copy or withdrawal: what was sent, as screening takes it."""
        form = await request.form(max_files=1, max_fields=20)
        region = str(form.get("region") or "")[:20]
        path = f"/patients/{tabs.known_id(patient)}"
        address = f"{path}/consents/{tabs.known_id(consent)}/{step}"
        typed = _typed(form, _FIELDS[step])
        await tabs.head(console, who, patient)  # whose clock it is that was read
        try:
            await console.screening.send(who, "POST", address, **await _sent(step, form, typed))
        except OfficeRefused as error:
            return await _page(console, request, who, patient, region, error=error, typed=typed, step=step)
        return to(f"{path}/consent?region={region}&done={step}")


_FIELDS: Final = {
    "signature": ("signer", "role"),
    "scan": ("signer", "role", "at"),
    "copy": ("how", "at"),
    "withdrawal": ("how", "at", "note"),
}


async def _sent(step: str, form: FormData, typed: dict[str, str]) -> dict[str, Any]:
    if typed.get("at"):
        typed = typed | {"at": _zoned(typed["at"])}
    if step == "signature":
        return {"body": typed | {"png": str(form.get("png") or "")[:MOST_PNG]}}
    if step != "scan":
        return {"body": typed}
    given = form.get("file")
    part = ("", b"", "application/octet-stream")
    if isinstance(given, UploadFile):
        part = (given.filename or "scan", await given.read(), part[2])
    return {"body": typed, "files": {"file": part}}


def _zoned(text: str) -> str:
    """A moment as a form sends it, by the site's clock; what is none is refused by screening."""
    try:
        return formats.moment_of(datetime.fromisoformat(text)).isoformat()
    except (ValueError, OverflowError):
        return text


def _add_papers(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/consent/{consent}/declaration")
    async def declaration(who: Reader, patient: str, consent: str) -> Response:
        """The declaration as PDF or as it was scanned."""
        path = f"/patients/{tabs.known_id(patient)}/consents/{tabs.known_id(consent)}/declaration"
        return await passed(console, who, path)

    @routes.get("/patients/{patient}/consent/{consent}/signature")
    async def signature(who: Reader, patient: str, consent: str) -> Response:
        """The signature as it was drawn."""
        path = f"/patients/{tabs.known_id(patient)}/consents/{tabs.known_id(consent)}/signature"
        return await passed(console, who, path)
