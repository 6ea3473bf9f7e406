"""Errors of the console as pages for people and as problem+json for programs."""

import html
import itertools
import re

import pytest
from asgi_client import Client
from console.account_rig import AccountRig
from console.room_rig import RoomRig
from fastapi import APIRouter
from sqlalchemy import text
from structlog.testing import capture_logs

from services.console import api, context
from services.console.error_page import KINDS, OTHER, kind_of
from services.console.errors import DatabaseAway
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.remote import Remote
from services.console.store import Store
from services.console.texts import TEXTS
from services.kit.auth.guard import public
from services.kit.database import writing
from services.kit.errors import SpondylError
from services.kit.language import LANGUAGES
from services.kit.pages import STRICT_POLICY

HTML = {"accept": "text/html,application/xhtml+xml"}


class NoBus:
    """A broker that nobody asks here."""


@pytest.fixture(autouse=True)
def logged():
    """What went to the log."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def console(tmp_path):
    """A console with its database, without a broker."""
    settings = ConsoleSettings(data=tmp_path)
    (tmp_path / "console").mkdir()
    made = context.Console(Live(), Remote(NoBus()), settings, Store(settings.database))
    yield made
    made.store.close()


@pytest.fixture
def app(console):
    """Its application, with rooms that fail."""
    made = api.create(console, "1", [])
    rooms = APIRouter(prefix="/failing", dependencies=[public()])

    @rooms.get("/secret")
    def secret():
        raise RuntimeError("the password is swordfish")

    @rooms.get("/{status}")
    def failing(status: int):
        error = SpondylError(f"<script>alert(1)</script> {'x' * 300}")
        error.status = status
        raise error

    made.include_router(rooms)
    return made


@pytest.fixture
def ada(console):
    """An administrator's browser: cookie and all."""
    rig = AccountRig(console.settings.database)
    rig.person("ada", "administrator")
    yield HTML | rig.headers("ada")
    rig.close()


def test_a_person_reads_what_it_is_and_finds_a_way_on(app):
    """A page of raw JSON is the end of the road for a receptionist."""
    for status, language in itertools.product((400, 401, 403, 404, 409, 422, 429, 500, 502, 503), LANGUAGES):
        answer = Client(app).get(f"/failing/{status}", headers=HTML | {"accept-language": language})
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-security-policy"] == STRICT_POLICY
        assert TEXTS[kind_of(status).id][language] in answer.text
        assert 'href="/sign-in?next=' in answer.text
        assert "<script>alert" not in answer.text


def test_a_program_reads_a_problem(app):
    """Scripts and integrators parse; they do not ask for HTML."""
    for status in (401, 404, 503):
        answer = Client(app).get(f"/failing/{status}", headers={"accept": "*/*"})
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_an_unknown_path_is_a_page_that_shows_no_bed_to_who_is_not_signed_in(app):
    """Anybody can type an address."""
    answer = Client(app).get("/nowhere", headers=HTML)
    assert answer.status_code == 404
    assert TEXTS["error_404"]["en"] in answer.text
    assert 'id="alarms"' not in answer.text
    assert "page.js" not in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_path_is_named_instead_of_the_framework_s_english(app, language):
    """`Not Found` below a German title says nothing new, and nothing of what was asked for."""
    answer = Client(app).get("/nowhere", headers=HTML | {"accept-language": language})
    assert "GET /nowhere" in answer.text
    assert "Not Found" not in answer.text


def test_whoever_is_signed_in_keeps_navigation_and_alarms_on_an_error(app, ada):
    """An alarm must not wait until somebody has found back."""
    answer = Client(app).get("/nowhere", headers=ada)
    assert answer.status_code == 404
    assert 'id="alarms"' in answer.text
    assert re.search(r'href="/"[^>]*>.*Back to the wall', answer.text)


def test_a_fault_of_ours_names_a_line_of_the_log_and_nothing_of_the_inside(app, ada, logged):
    """The reader can report it, an attacker learns nothing."""
    answer = Client(app).get("/failing/secret", headers=ada)
    assert answer.status_code == 500
    assert "swordfish" not in answer.text
    assert "Traceback" not in answer.text
    reference = re.search(r"look for ([0-9a-f]{8})", answer.text).group(1)
    assert reference in [line.get("reference") for line in logged]
    assert TEXTS["try_again"]["en"] in answer.text


@pytest.fixture
def locked(postgres, tmp_path):
    """A console whose accounts lie in a PostgreSQL that ends a statement after 0.3 s."""
    url = f"{postgres.database()}?options=-c%20statement_timeout%3D300"
    rig = RoomRig(tmp_path, console_database_url=url)
    rig.person("ada", "administrator")
    yield rig
    rig.close()


@pytest.mark.system
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_database_that_does_not_answer_is_a_page_that_says_so(locked, language, logged):
    """A page that hangs, or a fault of ours with a trace, sends the wrong people looking."""
    client = locked.client("ada", **HTML, **{"accept-language": language})
    with writing(locked.console.store.engine) as other:
        other.execute(text("LOCK TABLE console_sign_ins"))
        answer = client.get("/users")
        problem = client.get("/api/alarms", headers={"accept": "application/json"})
    assert answer.status_code == problem.status_code == 503
    assert TEXTS["error_503"][language] in answer.text
    assert DatabaseAway().words[language] in html.unescape(answer.text)
    assert problem.json()["type"] == "urn:spondyl:problem:database-away"
    assert "console_sign_ins" not in answer.text + problem.text
    assert "statement timeout" in str([line.get("reason") for line in logged])
    assert client.get("/users").status_code == 200


def test_a_broken_template_is_a_fault_page_and_even_a_broken_frame_has_one(app, console, ada, monkeypatch):
    """The page that reports a fault must not depend on what is broken."""
    render = console.pages.render

    def broken(request, template, **more):
        if template in names:
            raise ZeroDivisionError("inside of a template")
        return render(request, template, **more)

    monkeypatch.setattr(type(console.pages), "render", lambda _pages, *a, **k: broken(*a, **k))
    names = {"wall.html"}
    answer = Client(app).get("/", headers=ada)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert TEXTS["error_500"]["en"] in answer.text
    names = {"wall.html", "error.html"}
    answer = Client(app).get("/", headers=ada)
    assert answer.status_code == 500
    assert "<h1>500</h1>" in answer.text
    assert "ZeroDivision" not in answer.text


def test_a_database_that_is_gone_still_leaves_a_page(app, console, ada):
    """Whoever cannot be known any more is shown no bed, and told so."""
    with console.store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE console_sign_ins")
    answer = Client(app).get("/", headers=ada)
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert 'id="alarms"' not in answer.text
    assert "sqlite" not in answer.text.lower()


def test_a_request_from_another_origin_is_refused_as_a_page_with_the_safe_headers(app):
    """A form of somebody else's page ends here, before any route."""
    answer = Client(app).post("/failing/404", headers=HTML | {"origin": "https://elsewhere.example"})
    assert answer.status_code == 403
    assert answer.headers["content-security-policy"] == STRICT_POLICY
    assert TEXTS["error_403"]["en"] in answer.text


def test_every_kind_has_its_texts_and_symbol():
    """A status without words would be a number."""
    icons = (context.HERE.parent / "kit/static/icons.svg").read_text()
    for kind in (*KINDS.values(), OTHER):
        assert {kind.id, f"{kind.id}_text"} <= set(TEXTS)
        assert f'id="{kind.icon}"' in icons


def test_a_bed_that_nobody_heard_of_is_said_in_the_readers_language(console, app):
    """A German page with an English sentence reads as a fault of the program."""
    people = AccountRig(console.settings.database)
    people.person("ada", "clinician")
    client = Client(app, people.headers("ada"))
    for path in ("/beds/bed-99?site=nrth", "/beds/bed-99/patient?site=nrth"):
        german = client.get(path, headers=HTML | {"accept-language": "de"})
        assert german.status_code == 404
        assert "keine Liege bed-99 am Standort nrth gemeldet" in german.text
        assert "bed-99 am Standort nrth gemeldet.</p>" in german.text
        assert "no bed bed-99" not in german.text.lower()
        english = client.get(path, headers=HTML | {"accept-language": "en"})
        assert "No bed bed-99 at site nrth has been heard of since this console started.</p>" in english.text
        program = client.get(path, headers={"accept": "application/json"})
        assert program.json()["detail"].startswith("no bed bed-99 at site nrth has been heard of")
    people.close()


@pytest.mark.parametrize(("method", "saved"), [("GET", False), ("POST", True)])
def test_who_only_asked_is_not_told_that_nothing_was_saved(method, saved):
    """They saved nothing, and would wonder what."""
    words = TEXTS[kind_of(422).text(method)]["en"]
    assert ("Nothing was saved" in words) is saved
