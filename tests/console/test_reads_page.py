"""Who read from telemetry past the console, shown by the console beside its own trail."""

import re

import pytest
from access import somebody
from asgi_client import Client
from console.session_rig import SessionRig
from fastapi import APIRouter
from servers import Valkey
from simulated_session import SESSION

from services.console.texts import TEXTS
from services.kit.auth import tokens
from services.kit.trail_pages import A_PAGE
from services.telemetry.api import create_router
from services.telemetry.routes.rules import Shows

PAGE = "/trail?of=telemetry"
INTEGRATOR = somebody("integrator", "north")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A console on a real telemetry, and its administrators: of everything, and of south alone."""
    directory = tmp_path_factory.mktemp("reads-page")
    with Valkey(directory) as valkey:
        made = SessionRig(valkey.url, directory, minutes=0.5)
        made.history.store("archived")
        made.accounts.person("root", "administrator")
        made.accounts.person("sue", "administrator@south")
        yield made
        made.close()


def directly(clinic, path, who=INTEGRATOR):
    """Straight to telemetry, in an integrator's name."""
    header = {"authorization": f"Bearer {tokens.mint(clinic.console.key, who)}"}
    return Client(clinic.transport.app, header).get(path)


def rows(html):
    """(who, what, record) of the rows that a page shows."""
    cells = [
        re.findall(rf'<td data-label="{label}"[^>]*>(.*?)</td>', html, re.DOTALL)
        for label in ("Who", "What", "Record")
    ]
    return [tuple(re.sub(r"<[^>]*>", "", cell).strip() for cell in row) for row in zip(*cells, strict=True)]


def test_an_export_past_the_console_is_shown_beside_its_own_trail(clinic):
    """Who looks for a leak looks in both; that somebody looked stands in the console's own."""
    assert directly(clinic, f"/sessions/{SESSION}/export?format=csv").status_code == 200
    html = clinic.get("root", PAGE).text
    assert rows(html)[0] == ("integrator", "Session exported", str(SESSION))
    assert clinic.trail()[-1][:2] == ("root", "trail.seen")
    assert ("integrator", "Session exported", str(SESSION)) not in rows(clinic.get("root", "/trail").text)


def test_filters_and_pages_stay_with_the_trail_that_was_chosen(clinic):
    """A filter that leads back to the console's rows answers another question."""
    for number in range(A_PAGE + 5):
        directly(clinic, f"/sessions?patient=5e551011-0000-4000-8000-0000000001{number:02x}")
    html = clinic.get("root", f"{PAGE}&action=sessions.listed").text
    older = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    assert len(rows(html)) == A_PAGE
    assert 'name="of" value="telemetry"' in html
    following = rows(clinic.get("root", older).text)
    assert {what for _, what, _ in following} == {"Sessions listed"}
    assert not {record for *_, record in following} & {record for *_, record in rows(html)}


def test_an_administrator_of_a_site_is_shown_that_sites_rows_only(clinic):
    """Telemetry checks for itself what the console asks in somebody's name."""
    directly(clinic, f"/sessions/{SESSION}")
    assert rows(clinic.get("root", PAGE).text)
    assert rows(clinic.get("sue", PAGE).text) == []
    assert clinic.get("nora", PAGE).status_code == 403


def test_telemetry_that_is_away_is_said_on_the_page(clinic):
    """The console's own trail is shown all the same."""
    clinic.away(is_away=True)
    try:
        answer = clinic.get("root", PAGE)
        assert answer.status_code == 503
        assert TEXTS["trail_away"]["en"] in answer.text
        assert "<table" not in answer.text  # (an empty one would say that there are no rows)
        assert clinic.get("root", "/trail").status_code == 200
    finally:
        clinic.away(is_away=False)


def test_everything_that_telemetry_writes_down_has_its_words(clinic):
    """A code in place of a word tells an auditor nothing."""
    router: APIRouter = create_router(clinic.history.history, clinic.history.trail)
    found = {
        dependency.call.action
        for route in router.routes
        for dependency in route.dependant.dependencies
        if isinstance(dependency.call, Shows)
    }
    assert {f"action_{action}" for action in found} <= set(TEXTS)
    assert len(found) > 5
