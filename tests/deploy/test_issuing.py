"""`spondyl token`: what another system gets, and what it does not."""

import json

import pytest
from asgi_client import Client
from console.account_rig import AccountRig
from fastapi import APIRouter
from sqlalchemy import select

from services.cli import main
from services.console.models import ConsoleSettings
from services.console.tables import TRAIL
from services.console.trail import open_trail
from services.kit import http
from services.kit.auth import tokens
from services.kit.auth.guard import allow, bearer
from services.kit.auth.principal import Grant


def token(capsys, directory, *arguments):
    """Exit status, stdout, stderr."""
    status = 0
    try:
        main(["token", "--data", str(directory), *arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture
def keyed(tmp_path):
    """A data directory with its keys."""
    tokens.ensure_keys(tmp_path)
    return tmp_path


def test_the_token_opens_what_its_role_opens_at_its_sites(keyed, capsys):
    """Alone on stdout, so that it can be written to a file."""
    status, out, err = token(capsys, keyed, "--site", "north", "--site", "south", "--name", "clinic system")
    assert (status, out.count("\n"), err.count("\n")) == (0, 1, 1)
    who = tokens.read(out.strip(), tokens.public_key(None, keyed))
    assert (who.name, who.grants) == (
        "clinic system",
        (Grant("integrator", "north"), Grant("integrator", "south")),
    )
    router = APIRouter()
    for permission in ("samples.see", "users.manage"):
        router.add_api_route(f"/{permission}", lambda: "in", dependencies=[allow(permission)])
    app = http.create_app("t", "0", routers=[router], guard=bearer(tokens.public_key(None, keyed)))
    client = Client(app, {"authorization": f"Bearer {out.strip()}"})
    assert [client.get(f"/{name}").status_code for name in ("samples.see", "users.manage")] == [200, 403]


def test_json_is_one_object_that_says_what_it_is_good_for(keyed, capsys):
    """For scripts that keep a list of what they handed out."""
    status, out, _ = token(capsys, keyed, "--site", "*", "--days", "365", "--json")
    told = json.loads(out)
    assert status == 0
    assert set(told) == {"token", "name", "account", "role", "sites", "expires_at", "recorded"}
    assert (told["role"], told["sites"], told["recorded"]) == ("integrator", ["*"], False)
    assert tokens.read(told["token"], tokens.public_key(None, keyed)).account == told["account"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--site", "north", "--days", "365.1"], "more than 0 and at most 365 (docs/access.md)"),
        (["--site", "north", "--days", "0"], "more than 0 and at most 365"),
        (["--site", "north", "--days", "nan"], "more than 0 and at most 365"),
        (
            ["--site", "north", "--role", "therapist", "--days", "2"],
            "at most 1, therapist may change something",
        ),
        (
            ["--site", "north", "--role", "administrator", "--days", "2"],
            "at most 1, administrator may change",
        ),
        (["--site", "north", "--role", "emperor"], "--role is 'emperor': the roles are administrator"),
        (["--site", "North Side"], "--site: site 'North Side': lower-case letters"),
        (["--site", "n" * 10_000], "at most 40"),
        (["--site", "north", "--name", "x" * 10_000], "--name has 10000 characters: 1 to 80"),
        (["--site", "north", "--name", "a\nb"], "that can be printed"),
    ],
)
def test_what_cannot_be_given_is_refused_in_one_line(keyed, capsys, arguments, words):
    """And nothing is on stdout that could be taken for a token."""
    status, out, err = token(capsys, keyed, *arguments)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert words in err
    assert len(err) < 300


def test_without_the_private_key_there_is_no_token(tmp_path, capsys):
    """On a machine that only checks, or by somebody who may not read it."""
    status, out, err = token(capsys, tmp_path, "--site", "north")
    assert (status, out) == (1, "")
    assert "access.key cannot be read" in err


def test_where_there_is_an_audit_trail_the_issue_is_a_row_of_it(keyed, capsys):
    """Who was given what and for how long; never the token itself."""
    settings = ConsoleSettings(data=keyed)
    rig = AccountRig(settings.database)
    trail = open_trail(rig.store.engine, keyed)
    (keyed / "run.json").write_text(json.dumps({"sites": {"north": {}}}))
    status, out, err = token(capsys, keyed, "--site", "north", "--days", "1", "--json")
    assert err == ""
    told = json.loads(out)
    assert (status, told["recorded"]) == (0, True)
    [row] = trail.rows(select(TRAIL).where(TRAIL.c.action == "token.issued"))
    assert (row.record, row.detail["sites"]) == (told["account"], ["north"])
    assert told["token"] not in str(row)
    assert trail.verify().ok
    rig.close()


def test_a_site_that_is_not_known_is_said_beside_the_token(keyed, capsys):
    """A token for a mistyped site opens nothing; a site may be new, so it is made all the same."""
    rig = AccountRig(ConsoleSettings(data=keyed).database)
    open_trail(rig.store.engine, keyed)
    (keyed / "run.json").write_text(json.dumps({"sites": {"north": {}}}))
    status, out, err = token(capsys, keyed, "--site", "nowhere", "--json")
    assert (status, json.loads(out)["sites"]) == (0, ["nowhere"])
    assert err == "spondyl: warning: site nowhere is not known yet: mistyped? known are north\n"
    rig.close()
