from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from ring_writer import Mail, Ring

from broker.contract import COMMAND
from broker.inbox import Delivery
from broker.messages import Command
from services.controller.kernel import layout
from services.controller.loop.shared import REMOTE
from services.controller.recorder.remote import ANSWER_S, REMEMBERED, RemoteDesk

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


@pytest.fixture
def ring(tmp_path):
    made = Ring(tmp_path)
    made.idle(10)
    yield made
    made.close()


class Clock:
    """Monotonic seconds that stand still until told."""

    now = 100.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(ring, clock):
    return RemoteDesk(ring.memory, now_ns=lambda: round(NOW.timestamp() * 1e9), steady=lambda: clock.now)


def delivery(action="stop", device="bed-02", number=1, sent_at=NOW, *, retained=False):
    command = Command(id=UUID(int=number), action=action, sent_at=sent_at, by="console")
    return Delivery(
        stream=COMMAND, site="north", device=device, message=command, payload=b"", retained=retained,
        duplicate=False, response_topic=None, correlation=b"c", generation=1, mid=number, serial=number,
    )  # fmt: skip


@pytest.mark.requirement("answer-remote-commands")
@pytest.mark.parametrize(
    ("action", "taken"),
    [("stop", layout.ACTION_REMOTE_STOP), ("pause", layout.ACTION_REMOTE_PAUSE)],
)
def test_stop_and_pause_reach_the_loop_and_its_verdict_is_the_answer(desk, ring, action, taken):
    """A reply before the kernel has acted would promise what nobody has done."""
    mail = Mail(ring.memory)
    assert desk.take(delivery(action)) == []
    assert desk.verdicts() == []
    assert mail.answer(tick=9) == [0, taken]
    (answer,) = desk.verdicts()
    assert (answer.reply.accepted, answer.reply.id, answer.note) == (True, UUID(int=1), None)
    assert answer.reply.detail == f"{action}: acted in tick 9"
    assert desk.verdicts() == []


def test_the_kernels_refusal_is_answered_in_words_with_the_phase(desk, ring):
    """Whoever asked must learn why nothing happened."""
    mail = Mail(ring.memory)
    desk.take(delivery("pause"))
    mail.answer(tick=9, refusal=layout.REFUSAL_PHASE)
    (answer,) = desk.verdicts()
    assert not answer.reply.accepted
    assert answer.reply.detail == "pause is not possible: the bed is in phase idle"


@pytest.mark.requirement("calm-only-from-remote")
@pytest.mark.parametrize("action", ["start", "resume", "change", "load", "close", "raise", "", "STOP", "💥"])
def test_whatever_could_start_resume_or_raise_is_refused_and_recorded(desk, ring, action):
    """Only the bedside may; and that somebody tried is part of the record."""
    (answer,) = desk.take(delivery(action))
    assert not answer.reply.accepted
    assert "only the bedside may start, resume or raise" in answer.reply.detail
    assert (answer.note.bed, answer.note.kind) == (1, "remote.refused")
    told = {"action": action, "from": "remote", "accepted": False, "why": answer.reply.detail}
    assert answer.note.data.items() >= told.items()
    assert Mail(ring.memory).answer(tick=9) == [0, 0]


@pytest.mark.requirement("answer-remote-commands")
@pytest.mark.parametrize("off", [timedelta(seconds=-11), timedelta(days=-9000), timedelta(hours=1)])
@pytest.mark.parametrize(
    ("action", "taken"),
    [("stop", layout.ACTION_REMOTE_STOP), ("pause", layout.ACTION_REMOTE_PAUSE)],
)
def test_no_clock_keeps_a_stop_or_a_pause_from_acting(desk, ring, action, taken, off):
    """A console with a wrong clock must be able to stop; the broker's expiry keeps late commands away."""
    assert desk.take(delivery(action, sent_at=NOW + off)) == []
    assert Mail(ring.memory).answer(tick=9) == [0, taken]


@pytest.mark.requirement("answer-remote-commands")
def test_a_retained_pause_is_stale_and_refused_a_retained_stop_acts(desk, ring):
    """The broker kept it from before the gateway listened; in doubt a stop is done, anything else is not."""
    (answer,) = desk.take(delivery("pause", retained=True))
    assert "must not act late" in answer.reply.detail
    assert answer.note.kind == "remote.refused"
    assert Mail(ring.memory).answer(tick=9) == [0, 0]
    assert desk.take(delivery("stop", number=2, retained=True)) == []
    assert Mail(ring.memory).answer(tick=10) == [0, layout.ACTION_REMOTE_STOP]


@pytest.mark.requirement("answer-remote-commands")
def test_a_repeated_command_is_done_once_and_answered_the_same(desk, ring):
    """At least once delivery must not stop twice."""
    mail = Mail(ring.memory)
    desk.take(delivery())
    assert desk.take(delivery()) == []
    mail.answer(tick=9)
    (first,) = desk.verdicts()
    (second,) = desk.take(delivery())
    assert second.reply == first.reply
    assert mail.answer(tick=10) == [0, 0]


def test_a_command_to_a_bed_of_another_gateway_is_refused(desk):
    """It cannot be recorded at a bed that is not there, but it is answered."""
    (answer,) = desk.take(delivery(device="bed-99"))
    assert answer.reply.detail == "bed-99: no bed of this gateway"
    assert answer.note is None


@pytest.mark.requirement("answer-remote-commands")
def test_a_loop_that_does_not_answer_is_said_so_in_time(desk, clock):
    """The person at the console must go to the bed, and know it."""
    desk.take(delivery())
    clock.now += ANSWER_S + 0.1
    (answer,) = desk.verdicts()
    assert not answer.reply.accepted
    assert "go to the bed" in answer.reply.detail


def test_a_full_mailbox_is_answered_not_waited_for(desk, ring):
    """Eight actions wait: the loop is not running."""
    for _ in range(8):
        ring.memory.post(REMOTE, 1, layout.ACTION_PAUSE)
    (answer,) = desk.take(delivery())
    assert "stop was not passed on" in answer.reply.detail
    assert answer.note.kind == "remote.refused"


def test_only_so_many_commands_are_remembered(desk):
    """A chatty sender must not fill the memory."""
    for number in range(REMEMBERED + 50):
        desk.take(delivery("start", number=number))
    assert len(desk._replies) == REMEMBERED
