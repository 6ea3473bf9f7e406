"""A STOP or pause that a hung broker or bed does after its time: done, and written down as done."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from servers import eventually
from sqlalchemy import select

from broker.messages import Reply
from services.console import remote as remotes
from services.console.errors import CommandFailed
from services.console.models import Key
from services.console.remote import Remote
from services.console.tables import TRAIL
from services.console.trail import COLUMNS

KEY = Key("north", "bed-01")


class Hung:
    """A bed at the other end of the bus that keeps what it is told until it is woken."""

    def __init__(self, remote):
        self.remote, self.told = remote, []

    def publish(self, _stream, command, _site, _device, **_):
        """Take a command and say nothing."""
        self.told.append(command)

    def wake(self, *, accepted=True):
        """Answer everything now."""
        for command in self.told:
            at = datetime.now(UTC)
            self.remote.answered(
                Reply(id=command.id, action=command.action, accepted=accepted, detail="done", at=at)
            )


def remote_of_a_hung_bed():
    """The console's side, with a clock that the test turns, and the bed."""
    now = [100.0]
    remote = Remote(None, clock=lambda: now[0])
    remote.bus = Hung(remote)
    return remote, now


def ask(remote, action="stop"):
    """A command whose answer does not come in time."""
    with pytest.raises(CommandFailed) as failed:
        remote.ask(KEY, action, timeout_s=0.01)
    assert failed.value.status == 504
    return failed.value.late


@pytest.mark.parametrize("accepted", [True, False])
def test_an_answer_after_its_time_says_by_how_much(accepted):
    """Who reads the trail must know when the bed paused, not that somebody asked."""
    remote, now = remote_of_a_hung_bed()
    late = ask(remote)
    now[0] += 12.01
    remote.bus.wake(accepted=accepted)
    came = late.result(0)
    assert (came.reply.accepted, round(came.late_s, 3)) == (accepted, 12.0)
    remote.bus.wake()
    assert not remote.overdue
    assert not remote.waiting


def test_answers_that_never_come_are_given_up_one_day(monkeypatch):
    """A broker that is gone for good must not fill the console's memory."""
    monkeypatch.setattr(remotes, "LATE_KEPT", 2)
    remote, _ = remote_of_a_hung_bed()
    first, second, third = (ask(remote) for _ in range(3))
    assert first.cancelled()
    remote.bus.wake()
    assert [late.result(0).reply.accepted for late in (second, third)] == [True, True]


def test_a_pause_that_was_done_late_has_its_row_behind_the_one_of_its_silence(empty_room):
    """The trail said for ever that a pause was not done which the bed had done."""
    empty_room.bed()
    wire = empty_room.console.remote.bus = Hung(empty_room.console.remote)
    empty_room.people.person("grace", "therapist@north")
    headers = empty_room.people.headers("grace")
    rows = lambda: empty_room.console.trail.rows(
        select(*COLUMNS).where(TRAIL.c.action == "bed.pause").order_by(TRAIL.c.seq)
    )

    async def press_and_wake():
        transport = httpx.ASGITransport(empty_room.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            answer = await client.post("/api/beds/bed-01/pause?site=north", headers=headers)
            assert [row.detail["done"] for row in rows()] == [False]
            wire.wake()
            await asyncio.to_thread(eventually, lambda: len(rows()) == 2, 10, "the late row")
            return answer

    assert asyncio.run(press_and_wake()).status_code == 504
    late = rows()[1]
    assert (late.name, late.record, late.detail["done"], late.detail["detail"]) == (
        "grace", "north/bed-01", True, "done",
    )  # fmt: skip
    assert 0 <= late.detail["late_s"] < 5
    assert empty_room.console.trail.verify().ok
