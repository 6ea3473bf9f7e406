"""The clinic's documents: which version counts, its text to edit, to look at and to print."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.papers import passed
from services.console.patients import tabs
from services.console.screening.shared import Asked, Editor, Reader, said, to
from services.console.texts import TEXTS
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of

KINDS: Final = ("information", "consent", "before", "after")
LANGUAGES: Final = ("de", "en")
EVERYWHERE: Final = "*"
SHIPPED: Final = "+"
Text = Annotated[str, Form(max_length=100_000)]


def add(routes: APIRouter, console: Console) -> None:
    """``/documents``, ``/documents/{kind}/{language}`` and its PDF."""

    @routes.get("/documents")
    async def overview(request: Request, who: Reader, site: Asked = EVERYWHERE) -> Response:
        """Every document with the version that counts at a site."""
        language = language_of(request)
        rows = await console.screening.ask(who, "/documents", {"site": site})
        return console.page(
            request, "screening/documents.html", page="documents", title=TEXTS["nav_documents"][language],
            rows=[_row(row, site, language) for row in rows], site=site, sites=_sites(console, who, language),
        )  # fmt: skip

    @routes.get("/documents/{kind}/{of}")
    async def one(
        request: Request, who: Reader, kind: str, of: str, site: Asked = EVERYWHERE, done: Asked = "",
        version: Asked = "",
    ) -> Response:  # fmt: skip
        """A document's text, to read and to edit; with ``version`` one that counted once."""
        if version:
            return await _version(console, request, who, version)
        return await _page(console, request, who, kind, of, site, done=done)

    @routes.post("/documents/{kind}/{of}")
    async def save(
        request: Request, who: Editor, kind: str, of: str, site: Text = EVERYWHERE, title: Text = "",
        body: Text = "", note: Text = "", base: Text = "",
    ) -> Response:  # fmt: skip
        """A new version of it."""
        typed = {"site": site, "title": title, "body": body, "note": note, "base": base}
        try:
            await console.screening.send(who, "POST", f"/documents/{kind[:20]}/{of[:5]}", typed)
        except OfficeRefused as error:
            return await _page(console, request, who, kind, of, site, error=error, typed=typed)
        return to(f"/documents/{kind}/{of}?site={site}&done=saved")

    @routes.get("/documents/{kind}/{of}/pdf")
    async def pdf(who: Reader, kind: str, of: str, site: Asked = EVERYWHERE) -> Response:
        """The version that counts, as PDF."""
        return await passed(console, who, f"/documents/{kind[:20]}/{of[:5]}/pdf", {"site": site})


async def _version(console: Console, request: Request, who: Principal, version: str) -> Response:
    """A version that counted once, to read."""
    language = language_of(request)
    told = await console.screening.ask(who, f"/document-versions/{tabs.known_id(version)}")
    return console.page(
        request, "screening/version.html", page="documents", title=told["title"],
        told=_row(told, told["site"], language) | {"body": told["body"]},
    )  # fmt: skip


async def _page(
    console: Console, request: Request, who: Principal, kind: str, of: str, site: str, *, done: str = "",
    error: OfficeRefused | None = None, typed: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    problem = said(error, language)
    told = await console.screening.ask(who, f"/documents/{kind[:20]}/{of[:5]}", {"site": site})
    shown = {"title": told["title"], "body": told["body"], "note": "", "base": told["sha256"]}
    sites = who.sites("documents.edit")
    return console.page(
        request, "screening/document.html", status=error.status if error else 200, page="documents",
        title=TEXTS[f"document_{kind}"][language], told=_row(told, site, language), site=site,
        typed=shown | (typed or {}), problem=problem, done=done == "saved",
        versions=[_row(row, site, language) for row in told["versions"]], kind=kind, of=of,
        may_edit=sites is None or site in sites, sites=_sites(console, who, language),
    )  # fmt: skip


def _row(row: dict[str, Any], site: str, language: Language) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("id", "kind", "language", "title", "number", "by", "note")},
        "text": TEXTS[f"document_{row['kind']}"][language], "sha256": row["sha256"][:12],
        "in": TEXTS[f"document_in_{row['language']}"][language],
        "at": datetime.fromisoformat(row["at"]) if row["at"] else None, "origin": _origin(row, language),
        "path": f"/documents/{row['kind']}/{row['language']}", "query": f"?site={site}",
    }  # fmt: skip


def _origin(row: dict[str, Any], language: Language) -> str:
    names = {EVERYWHERE: "document_chain", SHIPPED: "document_shipped"}
    return TEXTS[names[row["site"]]][language] if row["site"] in names else str(row["site"])


def _sites(console: Console, who: Principal, language: Language) -> list[tuple[str, str]]:
    found = sorted({*who.seen("patients.see", console.live.sites()), *(who.sites("patients.see") or ())})
    return [(EVERYWHERE, TEXTS["document_chain"][language]), *((site, site) for site in found)]
