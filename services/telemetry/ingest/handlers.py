"""Message -> what it means for the store: one function a stream, collected in a batch."""

import contextlib
from collections.abc import Callable
from typing import Any, TypeGuard, TypeVar
from uuid import UUID

import structlog

from broker import contract
from broker.bus import Delivery
from broker.contract import Stream
from broker.messages import BlackboxChunk, Committed, Event, GatewayStatus, Message, TensionBlock
from services.telemetry.models import KINDS, MAX_SEQ, Batch, Entry, Gap, Kind, Place, Source

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=Message)
Handler = Callable[[Any, Delivery, Batch], None]
HANDLERS: dict[str, Handler] = {}
DECLARED_LOST = "declared lost by the gateway"
_SAMPLED: tuple[Kind, ...] = ("tension", "blackbox")


class Unstorable(ValueError):  # noqa: N818  (what the message is)
    """A message that the contract allows and no store can keep: counted, logged, acknowledged."""


def on(
    stream: Stream,
) -> Callable[[Callable[[M, Delivery, Batch], None]], Callable[[M, Delivery, Batch], None]]:
    """Handle a stream's messages by the function below."""

    def add(handler: Callable[[M, Delivery, Batch], None]) -> Callable[[M, Delivery, Batch], None]:
        HANDLERS[stream.name] = handler
        return handler

    return add


def collect(delivery: Delivery, batch: Batch) -> None:
    """Add what a delivery means to the batch. Raises Unstorable."""
    handler = HANDLERS.get(delivery.stream.name)
    if handler is None:  # a session in the broker keeps what an earlier release subscribed to
        raise Unstorable(f"{delivery.stream.name} is not ingested")
    handler(delivery.message, delivery, batch)


@on(contract.TENSION)
def keep_tension(block: TensionBlock, delivery: Delivery, batch: Batch) -> None:
    """Samples are kept as they came."""
    count = len(block.tension_n)
    batch.entries.append(_entry("tension", delivery, block.boot, block.seq, count))
    batch.newest_at = max(batch.newest_at, block.started_at.timestamp() + count * block.period_ms / 1000)


@on(contract.BLACKBOX)
def keep_blackbox(chunk: BlackboxChunk, delivery: Delivery, batch: Batch) -> None:
    """What a replay needs is kept as it came."""
    batch.entries.append(_entry("blackbox", delivery, chunk.boot, chunk.seq, chunk.count))


@on(contract.EVENT)
def keep_event(event: Event, delivery: Delivery, batch: Batch) -> None:
    """Events are kept as they came; some also say where a session lies or what will never come."""
    entry = _entry("event", delivery, event.boot, event.index, 1)
    batch.entries.append(entry)
    if event.type == "samples.lost":
        batch.gaps.extend(_declared_lost(event, entry.source))
    if event.session is not None:
        _note_session(event.session, event, entry.source, batch)


@on(contract.STATE)
def keep_state(_state: Message, delivery: Delivery, batch: Batch) -> None:
    """The last one counts."""
    batch.latest[_place(delivery), "state"] = delivery.payload


@on(contract.ALARM)
def keep_alarm(_alarm: Message, delivery: Delivery, batch: Batch) -> None:
    """The last one counts."""
    batch.latest[_place(delivery), "alarm"] = delivery.payload


@on(contract.STATUS)
def keep_status(status: GatewayStatus, delivery: Delivery, batch: Batch) -> None:
    """A birth ends every end before it; an end counts only for the boot it names, which readers look at."""
    fields = batch.gateways.setdefault(_place(delivery), {})
    if status.state == "online":
        fields.update(birth=delivery.payload, end=None)
        places = (Place(delivery.site, bed.device) for bed in status.devices)
        batch.births += [Source(place, status.boot) for place in places]
    else:
        fields["end"] = delivery.payload


@on(contract.COMMITTED)
def remember_promise(committed: Committed, delivery: Delivery, batch: Batch) -> None:
    """Our own last promise, kept by the broker: a store that knows less has lost what was promised."""
    if delivery.retained:
        source = Source(_place(delivery), committed.boot)
        batch.promises.append((source, {kind: committed.next.get(kind, 0) for kind in KINDS}))


def _entry(kind: Kind, delivery: Delivery, boot: UUID, first: int, count: int) -> Entry:
    if first + count > MAX_SEQ:
        raise Unstorable(f"{kind} number {first} is beyond {MAX_SEQ}: no clock runs that long")
    if count == 0:
        raise Unstorable(f"{kind} {first} holds no sample")
    return Entry(kind, Source(_place(delivery), boot), first, first + count, delivery.payload)


def _place(delivery: Delivery) -> Place:
    return Place(delivery.site, delivery.device or contract.CLINIC)


def _declared_lost(event: Event, source: Source) -> list[Gap]:
    """The gateway says which numbers it does not have, maybe of an earlier boot: nobody waits for them."""
    first, after = event.data.get("first"), event.data.get("next")
    if not (_is_number(first) and _is_number(after) and 0 <= first < after <= MAX_SEQ):
        log.warning("samples.lost names no span of samples", place=str(source.place), first=first, next=after)
        return []
    named = event.data.get("streams")
    streams = named if isinstance(named, list) else _SAMPLED
    why = event.data.get("reason")
    reason = f"{DECLARED_LOST}: {why[:200]}" if isinstance(why, str) else DECLARED_LOST
    meant = Source(source.place, _boot_of(event))
    return [Gap(kind, meant, first, after, reason) for kind in KINDS if kind in streams]


def _is_number(value: object) -> TypeGuard[int]:
    """True and false are whole numbers to Python, and no numbers to whoever reads the gap again."""
    return isinstance(value, int) and not isinstance(value, bool)


def _boot_of(event: Event) -> UUID:
    """The boot whose samples are lost: the event's own unless it names another."""
    with contextlib.suppress(KeyError, ValueError):
        return UUID(str(event.data["boot"]))
    return event.boot


def _note_session(session: UUID, event: Event, source: Source, batch: Batch) -> None:
    """Where the session lies in its device's stream; a repeated event gives the same fields."""
    fields = batch.sessions.setdefault(session, {})
    fields |= {"site": source.place.site, "device": source.place.device}
    if event.type == "session.started":
        fields |= {"boot": str(source.boot), "first_seq": str(event.seq), "started_at": event.at.isoformat()}
        fields |= {name: str(event.data[name]) for name in ("region", "segment") if name in event.data}
        batch.session_starts[session] = event.at.timestamp()
    elif event.summary is not None:
        fields |= {"end_boot": str(source.boot), "end_seq": str(event.seq), "ended_by": event.type}
        fields["summary"] = event.summary.model_dump_json()
        batch.session_starts.setdefault(session, event.summary.started_at.timestamp())
