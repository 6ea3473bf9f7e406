"""What a business service hears and tells, with what it belongs to: messages carry the correlation."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson
import structlog

from broker.bus import Delivery
from broker.messages import Event, Message
from services.kit import correlation, tracing

log = structlog.get_logger(__name__)

FREQUENT: Final = ("phase.", "operator.", "alarm.", "guarding.")  # events of every bed, all the time


def belonging(message: Message) -> Message:
    """The message, with what is under way here; one that says it already stays as it is."""
    known = correlation.current()
    if known is None or "correlation" not in type(message).model_fields or correlation.of(message):
        return message
    return message.model_copy(update={"correlation": known})


@contextmanager
def handling(delivery: Delivery) -> Iterator[None]:
    """One message while it is handled: a span, and lines that say what it belongs to."""
    message: Any = delivery.message
    kind = getattr(message, "type", delivery.stream.name)
    said = {
        "messaging.system": "mqtt", "messaging.destination.name": delivery.stream.name,
        "spondyl.site": delivery.site, "spondyl.event": kind,
    }  # fmt: skip
    with (
        correlation.holding(correlation.of(message)),
        tracing.span(f"process {delivery.stream.name}", "consumer", said),
    ):
        yield
        level = logging.DEBUG if isinstance(message, Event) and kind.startswith(FREQUENT) else logging.INFO
        log.log(level, "message handled", stream=delivery.stream.name, site=delivery.site, type=kind,
                id=str(getattr(message, "id", "")))  # fmt: skip


def told(row: dict[str, Any]) -> None:
    """A row of the outbox is the broker's now: a span, and a line for each tap that it comes from."""
    try:
        payload = orjson.loads(bytes(row["payload"]))
        known, kind = payload.get("correlation"), str(payload.get("type", row["stream"]))
        others = (payload.get("data") or {}).get("correlations") or []
    except (ValueError, AttributeError):
        return
    said = {
        "messaging.system": "mqtt", "messaging.destination.name": row["stream"],
        "spondyl.site": row["site"], "spondyl.event": kind,
    }  # fmt: skip
    with correlation.holding(known), tracing.span(f"publish {row['stream']}", "producer", said):
        for one in dict.fromkeys([known, *others]):
            log.info("message told", stream=row["stream"], site=row["site"], type=kind, id=payload.get("id"),
                     correlation=one)  # fmt: skip
