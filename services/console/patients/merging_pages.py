"""Duplicates: the list, merging two files and undoing it; and the end of a file, its erasure."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.patients import fields, tabs
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of

Merger = Annotated[Principal, allow("patients.merge")]
Eraser = Annotated[Principal, allow("patients.erase")]
Asked = Annotated[str, Query(max_length=80)]
Reason = Annotated[str, Form()]


def add_duplicates(routes: APIRouter, console: Console) -> None:
    """``/patients/duplicates``."""

    @routes.get("/patients/duplicates")
    async def pairs(request: Request, who: Merger, done: Asked = "") -> Response:
        """Pairs that may be one person."""
        language = language_of(request)
        rows = await console.screening.ask(who, "/patients/duplicates")
        found = [(tabs.head_of(row["one"]), tabs.head_of(row["other"]), row) for row in rows]
        return console.page(
            request, "patients/duplicates.html", page="patients", rows=found, done=done == "apart",
            title=TEXTS["patient_duplicates"][language],
        )  # fmt: skip

    @routes.post("/patients/duplicates/apart")
    async def apart(who: Merger, one: Annotated[str, Form()] = "", other: Reason = "") -> Response:
        """These two are two people."""
        body = {"one": str(tabs.known_id(one)), "other": str(tabs.known_id(other))}
        await console.screening.send(who, "POST", "/patients/apart", body)
        return _to("/patients/duplicates?done=apart")


def _to(address: str) -> Response:
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})


def add(routes: APIRouter, console: Console) -> None:
    """``/patients/{patient}/merge``, ``/unmerge``, ``/erase``."""
    _add_merging(routes, console)
    _add_erasing(routes, console)


def _add_merging(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/merge")
    async def ask(request: Request, who: Merger, patient: str, into: Asked = "", q: Asked = "") -> Response:
        """Which file takes this one's place: looked for, then both beside each other."""
        return await _merge_form(console, request, who, patient, into=into, q=q)

    @routes.post("/patients/{patient}/merge")
    async def merge(
        request: Request, who: Merger, patient: str, into: Annotated[str, Form()] = "", reason: Reason = ""
    ) -> Response:
        """Merge them."""
        target = tabs.known_id(into)
        body = {"into": str(target), "reason": reason[:4000]}
        try:
            made = await console.screening.send(
                who, "POST", f"/patients/{tabs.known_id(patient)}/merge", body
            )
        except OfficeRefused as error:
            if error.status == 404:  # noqa: PLR2004  (no such file)
                raise
            return await _merge_form(console, request, who, patient, into=into, error=error, reason=reason)
        return _to(f"/patients/{made['patient']}?done=merged")

    @routes.post("/patients/{patient}/unmerge")
    async def unmerge(who: Merger, patient: str, reason: Reason = "") -> Response:
        """Undo it; the file is its own again."""
        path = f"/patients/{tabs.known_id(patient)}"
        await console.screening.send(who, "POST", f"{path}/unmerge", {"reason": reason[:4000]})
        return _to(f"{path}?done=unmerged")


async def _merge_form(
    console: Console, request: Request, who: Principal, patient: str, *, into: str = "", q: str = "",
    error: OfficeRefused | None = None, reason: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    file = await console.screening.ask(who, f"/patients/{tabs.known_id(patient)}")
    about = tabs.head_of(file)
    other: dict[str, Any] | None = None
    if into:
        other = await console.screening.ask(who, f"/patients/{tabs.known_id(into)}")
    found: list[Any] = []
    if not other:
        query = {"q": q.strip() or about.name, "site": about.site, "limit": 10}
        rows = await console.screening.ask(who, "/patients", query)
        found = [(tabs.head_of(row), row) for row in rows if row["patient"] != str(about.patient)]
    return await tabs.page(
        console, request, who, patient, "patients/merge.html", tab="file", about=about, q=q, found=found,
        other=tabs.head_of(other) if other else None, reason=reason, status=error.status if error else 200,
        beside=fields.beside(file["content"], other["content"], language) if other else [],
        errors=fields.errors(error.body, language) if error else {},
        problem=error.words[language] if error else "",
        title=TEXTS["patient_merge_title"][language].format(name=about.name),
    )  # fmt: skip


def _add_erasing(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/erase")
    async def ask(request: Request, who: Eraser, patient: str) -> Response:
        """Whether it may be erased yet, and what that does."""
        return await _erase_form(console, request, who, patient)

    @routes.post("/patients/{patient}/erase")
    async def erase(request: Request, who: Eraser, patient: str, reason: Reason = "") -> Response:
        """Erase it."""
        path = f"/patients/{tabs.known_id(patient)}/erase"
        try:
            await console.screening.send(who, "POST", path, {"reason": reason[:4000]})
        except OfficeRefused as error:
            if error.status == 404:  # noqa: PLR2004  (no such file)
                raise
            return await _erase_form(console, request, who, patient, error, reason)
        return _to("/patients")


async def _erase_form(
    console: Console, request: Request, who: Principal, patient: str, error: OfficeRefused | None = None,
    reason: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    file = await console.screening.ask(who, f"/patients/{tabs.known_id(patient)}")
    about, until = tabs.head_of(file), file["retention"]
    return await tabs.page(
        console, request, who, patient, "patients/erase.html", tab="file", about=about,
        is_over=until["is_over"], kept_until=date.fromisoformat(until["kept_until"]),
        ended_on=date.fromisoformat(until["ended_on"]),
        reason=reason, errors=fields.errors(error.body, language) if error else {},
        problem=error.words[language] if error else "", status=error.status if error else 200,
        title=TEXTS["patient_erase_title"][language].format(name=about.name),
    )  # fmt: skip
