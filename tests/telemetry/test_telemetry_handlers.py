from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from gateway_stand_in import SESSION, block, chunk, event, summary

from broker import contract
from broker.bus import Delivery
from broker.messages import GatewayStatus
from services.telemetry.hot import last_word
from services.telemetry.ingest.handlers import HANDLERS, Unstorable, collect
from services.telemetry.ingest.ingest import ONCE, STREAMS
from services.telemetry.models import Batch, Place, Source

BOOT = UUID(int=7)
SOURCE = Source(Place("north", "bed-01"), BOOT)


def _delivery(stream, message, device="bed-01", **more: Any):
    return Delivery(
        **{
            "stream": stream, "site": "north", "device": device, "message": message,
            "payload": message.model_dump_json().encode(), "retained": False, "duplicate": False,
            "response_topic": None, "correlation": None, "generation": 1, "mid": 1, "serial": 1,
        }
        | more
    )  # fmt: skip


def _collected(*deliveries):
    batch = Batch()
    for delivery in deliveries:
        collect(delivery, batch)
    return batch


def test_every_subscribed_stream_has_its_handler():
    """A stream without one would fill the log and be thrown away."""
    assert {stream.name for stream in STREAMS + ONCE} == set(HANDLERS)


@pytest.mark.parametrize(
    ("stream", "message", "kind", "first", "after"),
    [
        (contract.TENSION, block(BOOT, 30, 12), "tension", 30, 42),
        (contract.BLACKBOX, chunk(BOOT, 500, 50), "blackbox", 500, 550),
        (contract.EVENT, event(BOOT, 9, seq=1234), "event", 9, 10),
    ],
)
def test_what_a_message_stands_for_is_its_seq_and_count(stream, message, kind, first, after):
    """Events are numbered by their index, the others by their samples."""
    (entry,) = _collected(_delivery(stream, message)).entries
    assert (entry.kind, entry.source, entry.first, entry.after) == (kind, SOURCE, first, after)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (contract.TENSION, block(BOOT, 2**53 - 5, 10)),
        (contract.BLACKBOX, chunk(BOOT, 0, 0)),
        (contract.REPLY, block(BOOT, 0, 1)),  # subscribed to by an earlier release
    ],
)
def test_what_no_store_can_keep_is_refused_alone(stream, message):
    """One such message in a batch must not stop all others for ever."""
    batch = Batch()
    with pytest.raises(Unstorable):
        collect(_delivery(stream, message), batch)
    assert batch.entries == []


def test_samples_declared_lost_are_not_waited_for():
    """The gateway says that they never reached its disk."""
    data = {"first": 100, "next": 180, "samples": 80, "streams": ["tension"]}
    batch = _collected(_delivery(contract.EVENT, event(BOOT, 3, "samples.lost", data=data)))
    assert [(gap.kind, gap.first, gap.after) for gap in batch.gaps] == [("tension", 100, 180)]
    assert len(batch.entries) == 1


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"first": 5},
        {"first": 9, "next": 2},
        {"first": -1, "next": 2},
        {"first": False, "next": 2},  # stored as a gap, nobody could read it again
        {"first": 0, "next": True},
        {"first": 0, "next": 2**53},  # nor could `committed` say it
    ],
)
def test_a_loss_without_a_span_is_kept_as_an_event_and_skips_nothing(data):
    """A wrong declaration must not let `committed` jump."""
    batch = _collected(_delivery(contract.EVENT, event(BOOT, 3, "samples.lost", data=data)))
    assert batch.gaps == []
    assert len(batch.entries) == 1


def test_a_session_is_found_by_its_start_and_its_end():
    """The samples of a session lie between the two events."""
    started = event(BOOT, 1, "session.started", 500, SESSION, data={"region": "lumbar", "segment": "L4/L5"})
    ended = event(BOOT, 8, "session.completed", 9000, SESSION, summary=summary())
    batch = _collected(*(_delivery(contract.EVENT, told) for told in (started, ended)))
    fields = batch.sessions[SESSION]
    assert (fields["first_seq"], fields["end_seq"], fields["ended_by"]) == (
        "500",
        "9000",
        "session.completed",
    )
    assert orjson.loads(fields["summary"])["segment"] == "L4/L5"


def _status(state, boot):
    return GatewayStatus.model_validate(
        {"state": state, "gateway": "gw-north", "boot": boot, "at": "2026-11-22T08:00:00Z"}
    )


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ((("online", 1),), "online"),
        ((("online", 1), ("lost", 1)), "lost"),
        ((("online", 1), ("stopped", 1)), "stopped"),
        ((("online", 1), ("lost", 1), ("online", 1)), "online"),
        ((("online", 2), ("lost", 1)), "online"),  # an old boot's will cannot end a new boot
        ((("lost", 1),), "lost"),
    ],
)
def test_a_gateways_last_word_counts_for_its_own_boot_only(told, state):
    """A late will must not show a whole clinic as lost."""
    kept: dict[bytes, bytes] = {}
    for word, boot in told:
        batch = _collected(_delivery(contract.STATUS, _status(word, UUID(int=boot)), "gw-north"))
        for name, content in batch.gateways[Place("north", "gw-north")].items():
            if content is None:
                kept.pop(name.encode(), None)
            else:
                kept[name.encode()] = content
    assert last_word(kept)["state"] == state


def test_only_what_the_broker_kept_counts_as_our_earlier_promise():
    """Telemetry hears its own fresh promises too: they say nothing new."""
    message = contract.COMMITTED.message(boot=uuid4(), next={"tension": 70}, at="2026-11-22T08:00:00Z")
    assert _collected(_delivery(contract.COMMITTED, message)).promises == []
    ((source, promise),) = _collected(_delivery(contract.COMMITTED, message, retained=True)).promises
    assert (source.boot, promise) == (message.boot, {"tension": 70, "blackbox": 0, "event": 0})
