"""STOP from the console while its accounts are away or besieged, and what guessing costs."""

import asyncio
import contextlib
import shutil
from datetime import UTC, datetime

import httpx
import pytest
from console.account_rig import PASSWORD
from least_work import LEAST
from servers import eventually
from sqlalchemy import select

from broker.messages import Reply
from services.console.accounts import passwords
from services.console.accounts.accounts import REMEMBERED_US, SEEN_EVERY_US
from services.console.tables import TRAIL
from services.console.trail import COLUMNS
from services.kit.database import writing
from services.kit.moments import now_us

KEPT = passwords.kept(PASSWORD, LEAST)


class Bed:
    """A bed at the other end of the bus: it does what it is told and says so."""

    def __init__(self, remote):
        self.remote, self.asked = remote, []

    def publish(self, _stream, command, _site, _device, **_):
        """Take a command and answer it."""
        self.asked.append(command.action)
        self.remote.answered(
            Reply(id=command.id, action=command.action, accepted=True, detail="done", at=datetime.now(UTC))
        )


@pytest.fixture
def rig(empty_room):
    """A console, a bed that answers, and somebody who may stop it."""
    empty_room.bed()
    empty_room.wire = empty_room.console.remote.bus = Bed(empty_room.console.remote)
    empty_room.people.person("grace", "therapist@north", password=KEPT)
    return empty_room


def stop(rig, client):
    assert not rig.wire.asked
    answer = client.post("/api/beds/bed-01/stop?site=north")
    return answer.status_code, rig.wire.asked


def test_a_stop_goes_out_while_another_holds_the_write_lock(rig):
    """That somebody used a sign-in is worth a row, and never a STOP."""
    client = rig.client("grace")
    rig.console.accounts.clock = lambda: now_us() + 2 * SEEN_EVERY_US
    with writing(rig.people.store.engine):
        assert stop(rig, client) == (200, ["stop"])


def test_a_stop_is_answered_before_its_row_can_be_written(rig):
    """The bed has stopped: whoever pressed the button waits for no other writer to hear of it."""
    headers = rig.people.headers("grace")
    rows = lambda: rig.console.trail.rows(select(*COLUMNS).where(TRAIL.c.action == "bed.stop"))

    async def ask():
        transport = httpx.ASGITransport(rig.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            with writing(rig.people.store.engine):
                answer = await asyncio.wait_for(
                    client.post("/api/beds/bed-01/stop?site=north", headers=headers), 4
                )
                assert rows() == []
            await asyncio.to_thread(eventually, rows, 10, "the row")
            return answer

    assert asyncio.run(ask()).status_code == 200
    assert [(row.name, row.detail["done"]) for row in rows()] == [("grace", True)]


def test_a_stop_goes_out_while_the_database_is_gone(rig, tmp_path):
    """Who was signed in a moment ago may still stop a bed; nothing else, and not for long."""
    client, other = rig.client("grace"), rig.client("grace")
    assert client.get("/", headers={"accept": "text/html"}).status_code == 200
    rig.console.store.close()
    shutil.rmtree(tmp_path / "console")
    assert stop(rig, client) == (200, ["stop"])
    rig.wire.asked.clear()
    assert stop(rig, other)[1] == [], "whom this console has not seen it cannot know"
    rig.console.accounts.clock = lambda: now_us() + REMEMBERED_US
    assert stop(rig, client)[1] == []


def test_a_stop_waits_behind_no_flood_of_sign_ins(rig):
    """A password costs tenths of a second of a processor: a thousand of them wait in a line of their own.

    Whoever is before the flood here takes as long as the STOP.
    """
    headers = rig.people.headers("grace")

    async def ask():
        transport = httpx.ASGITransport(rig.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            flood = [
                asyncio.create_task(client.post("/sign-in", data={"name": f"n{n}", "password": "x"}))
                for n in range(60)
            ]
            await asyncio.sleep(0)
            with contextlib.ExitStack() as before:
                for _ in range(passwords.AT_ONCE):
                    before.enter_context(passwords.turn())
                answer = await client.post("/api/beds/bed-01/stop?site=north", headers=headers)
                waiting = sum(not task.done() for task in flood)
            return answer, waiting, await asyncio.gather(*flood)

    answer, waiting, flood = asyncio.run(ask())
    assert (answer.status_code, rig.wire.asked) == (200, ["stop"])
    assert waiting >= passwords.AT_ONCE
    refused = [it for it in flood if it.status_code == 429]
    assert refused
    assert all(int(it.headers["retry-after"]) > 0 for it in refused)


def test_guessing_the_present_password_counts_and_ends_the_sign_in(rig):
    """A browser left open is no place to try passwords at without end."""
    client = rig.client("grace")
    form = {"current": "wrong", "new": "another bird altogether", "again": "another bird altogether"}
    answers = [client.post("/password", data=form).status_code for _ in range(5)]
    assert answers == [401, 401, 401, 401, 429]
    assert rig.people.store.user_named("grace").failures == 5
    answer = client.get("/", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F")


def test_slips_at_the_present_password_are_forgotten_with_the_right_one(rig):
    """Four slips of a finger must not count against the next sign-in."""
    client = rig.client("grace")
    form = {"current": "wrong", "new": "another bird altogether", "again": "another bird altogether"}
    for _ in range(2):
        client.post("/password", data=form)
    assert client.post("/password", data=form | {"current": PASSWORD}).status_code == 303
    assert rig.people.store.user_named("grace").failures == 0


def test_a_right_password_counts_against_nobody_while_the_trail_cannot_be_written(rig, tmp_path):
    """Whoever tries again five times would be locked out for what is no fault of theirs."""
    client, lock = rig.client("grace"), tmp_path / "console" / "trail.lock"
    form = {"current": PASSWORD, "new": "another bird altogether", "again": "another bird altogether"}
    lock.unlink(missing_ok=True)
    lock.mkdir()
    assert [client.post("/password", data=form).status_code for _ in range(6)] == [503] * 6
    assert rig.people.store.user_named("grace").failures == 0
    lock.rmdir()
    assert client.post("/password", data=form).status_code == 303


def test_a_stream_of_somebody_with_an_initial_password_is_closed_as_any_refusal(rig):
    """Before the change nothing opens, and a WebSocket is told so instead of failing."""
    rig.people.person("emmy", "clinician", password=KEPT, must_change=True)
    headers = [(name.encode(), value.encode()) for name, value in rig.people.headers("emmy").items()]
    scope = {
        "type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "headers": headers,
        "subprotocols": [], "scheme": "ws", "server": ("testserver", 80), "client": ("10.0.0.1", 1),
    }  # fmt: skip
    said = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        said.append(message)

    asyncio.run(rig.app(scope, receive, send))
    assert [(it["type"], it["code"]) for it in said] == [("websocket.close", 1008)]
