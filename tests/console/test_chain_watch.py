"""The console looks at its audit trail by itself, and a broken chain is told to who did not ask."""

import threading

import pytest
from asgi_client import Client
from servers import eventually
from sqlalchemy import text
from structlog.testing import capture_logs

from services.console import api
from services.kit.database import writing
from services.kit.health import Check


@pytest.fixture
def rig(empty_room):
    """A console with three rows in its trail, all as they were written."""
    who = empty_room.person("ada", "administrator")
    for number in range(3):
        empty_room.console.trail.append(who, "session.seen", record=f"session-{number}", site="north")
    return empty_room


def begin(rig):
    """The looks of a console that starts; what ends them."""
    stopping = threading.Event()
    thread = threading.Thread(target=rig.console.chain.run, args=(stopping,), daemon=True)
    thread.start()
    return stopping, thread


def readiness(rig):
    """What `/readyz` says of the trail."""
    app = api.create(rig.console, "0", [Check("audit trail", rig.console.chain.probe)])
    return Client(app).get("/readyz").json()["checks"]["audit trail"]


def test_a_tampered_trail_is_told_at_the_start_without_being_asked(rig):
    """Who changes a row counts on nobody looking."""
    with writing(rig.console.store.engine) as connection:
        connection.execute(text("DROP TRIGGER console_trail_no_update"))
        connection.execute(text("UPDATE console_trail SET record = 'another' WHERE seq = 2"))
    with capture_logs() as lines:
        stopping, thread = begin(rig)
        eventually(lambda: rig.console.chain.finding is not None)
        stopping.set()
        thread.join(10)
    assert [(line["log_level"], line["first_bad"]) for line in lines if "broken" in line["event"]] == [
        ("error", 2)
    ]
    said = readiness(rig)
    assert not said["ok"]
    assert "row 2" in said["detail"]
    page = rig.client("ada", accept="text/html").get("/trail").text
    assert "Row 2 is not the one that was written" in page


def test_a_whole_trail_is_ready_before_and_after_the_first_look(rig):
    """A long chain must not hold the start up."""
    assert readiness(rig)["ok"]
    stopping, thread = begin(rig)
    eventually(lambda: rig.console.chain.finding is not None)
    stopping.set()
    thread.join(10)
    assert not thread.is_alive()
    assert readiness(rig)["ok"]


def test_a_token_that_was_issued_has_words_in_the_trail_and_its_filter(rig):
    """The shell's tokens are looked for like everything else."""
    rig.console.trail.append(rig.person("ada", "administrator"), "token.issued", record="token-1")
    page = rig.client("ada", accept="text/html").get("/trail?action=token.issued").text
    assert '<option value="token.issued" selected>Token issued</option>' in page
    assert 'title="token.issued">Token issued<' in page
