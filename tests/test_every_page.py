"""No page is forgotten: each HTML route of console and panel is a row of PAGES, each row has its pictures."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from asgi_ask import ask
from bedside_rig import Clinic, Ticking
from browser.pages import PAGES, listing
from console.room_rig import RoomRig

from services.controller.panel import pages
from services.kit.auth.guard import ruled

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
BROWSER = {"accept": "text/html"}
HTTP_SEE_OTHER = 303
PARAMETERS = {
    "device": "bed-01", "session": "0" * 32, "cure": "0" * 32, "user_id": "0" * 36, "appointment": "0" * 32,
    "patient": "0" * 32, "attachment": "0" * 32,
    "invoice": "0" * 32, "draft": "0" * 32, "form": "xml", "delivery": "1", "letter": "0" * 32,
    "papers": "estimates", "paper": "0" * 32, "document": "pdf",
    "programme": "0" * 32, "drawing": "bridge",
    "consent": "0" * 32, "rule": "implant", "kind": "before", "of": "de",
}  # fmt: skip
NO_PAGE_OF_ITS_OWN = {  # answers a browser with HTML all the same
    ("console", "/sign-in/oidc"): "leads to the provider; the sign-in page while that is away",
    ("console", "/sign-in/oidc/callback"): "leads on; the sign-in page after a refusal",
    ("console", "/patients/{patient}/export"): "a file; a page only when there is none to give",
    ("console", "/patients/{patient}/consent/{consent}/declaration"): "the same",
    ("console", "/patients/{patient}/consent/{consent}/signature"): "the same",
    ("console", "/documents/{kind}/{of}/pdf"): "the same",
    ("console", "/patients/{patient}/findings/{attachment}/file"): "the same",
    ("console", "/patients/{patient}/findings/{attachment}/preview"): "the same",
    ("console", "/sessions/{session}/export"): "a file; a page only when there is none to give",
    ("console", "/outcomes/file"): "the same",
    ("console", "/patients/{patient}/costs/{papers}/{paper}/{document}"): "the same",
    ("console", "/billing/drafts/{draft}/preview"): "the same",
    ("console", "/billing/invoices/{invoice}/pdf"): "the same",
    ("console", "/billing/invoices/{invoice}/file/{form}"): "the same",
    ("console", "/billing/open-items/file"): "the same",
    ("console", "/billing/revenue/file"): "the same",
    ("console", "/billing/letters/{letter}/pdf"): "the same",
    ("console", "/homecare/{programme}/note"): "the same",
    ("console", "/homecare/report/file"): "the same",
    ("console", "/homecare/drawings/{drawing}.svg"): "a picture; a page only when there is none to give",
    ("console", "/billing/exports/file/{form}"): "the same",
    ("console", "/billing/exports/deliveries/{delivery}"): "the same",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Every route, by service, that answers somebody's browser with HTML."""
    with console(tmp_path_factory.mktemp("console")) as (app, headers):
        found = {("console", path) for path in asyncio.run(html_routes(app, headers))}
    with panel(tmp_path_factory.mktemp("panel")) as (app, headers):
        return found | {("panel", path) for path in asyncio.run(html_routes(app, headers))}


@contextlib.contextmanager
def console(directory):
    """The console with a bed, a provider and no telemetry, and what an administrator's browser sends."""
    rig = RoomRig(directory, oidc_issuer="http://127.0.0.1:9", telemetry_url="http://127.0.0.1:9")
    rig.bed()
    rig.person("ada", "administrator")
    yield rig.app, rig.people.headers("ada")
    rig.close()


@contextlib.contextmanager
def panel(directory):
    """A bedside's panel; whoever comes sees its pages."""
    ticking = Ticking()
    clinic = Clinic(directory, ticking)
    yield clinic.panel(pages=pages.router), {}
    clinic.store.close()
    ticking.close()


async def html_routes(app, headers):
    """Those that show a page, if only one of an error, to a stranger or to this one."""
    found = set()
    for route in ruled(app.routes):
        if "GET" not in route.methods or route.path.startswith("/api/"):
            continue
        for known in ({}, headers):
            answer = await ask(app, "GET", route.path.format_map(PARAMETERS), BROWSER | known)
            is_html = answer.headers.get("content-type", "").startswith("text/html")
            if is_html and answer.status != HTTP_SEE_OTHER:
                found.add(route.path)
    return found


def test_every_html_route_has_its_row_in_the_list_of_pages(shown):
    """A page that axe, keyboard and camera never see is a page that nobody looks at."""
    forgotten = shown - {row.route for row in PAGES} - NO_PAGE_OF_ITS_OWN.keys()
    assert not forgotten, f"tests/browser/pages.py has no row for {sorted(forgotten)}"


def test_every_exception_is_still_one(shown):
    """A list of exceptions that has outlived them hides the next forgotten page."""
    assert NO_PAGE_OF_ITS_OWN.keys() <= shown


def test_every_row_is_a_route_that_is_there(shown):
    """But for the two that show an error on purpose, or another row's page at another bed."""
    others = {row.name for row in PAGES if row.route not in shown}
    assert others == {"not-found", "panel-confirm"}


def test_every_page_has_its_pictures_and_no_picture_is_of_a_page_that_has_gone():
    """`make pictures NAME` is missing where this fails."""
    assert {path.name for path in PICTURES.glob("*.png")} == {name for row in PAGES for name in row.pictures}


def test_the_list_of_pictures_is_the_list_of_pages():
    """What the README points at."""
    assert (PICTURES / "README.md").read_text() == listing()
