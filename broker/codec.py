"""Payloads: messages to bytes and back, refused when too large, malformed or not finite.

The size is looked at first: nothing is parsed that the contract would refuse anyway. Refusals name the field
and what is wrong with it, never the value: a payload may be anything, and a log is no place for it.
"""

from typing import TypeVar

from pydantic import ValidationError

from broker.contract import Stream
from broker.messages import Message

M = TypeVar("M", bound=Message)


class Malformed(ValueError):  # noqa: N818  (the word for what the message is)
    """A payload or message that the contract does not allow on its stream."""


def encode(stream: Stream, message: Message | bytes) -> bytes:
    """The payload of a message, or ``message`` itself when bytes; Malformed when the contract forbids it."""
    if isinstance(message, bytes):
        decode(stream, message)
        return message
    if not isinstance(message, stream.message):
        raise Malformed(f"{stream.name}: carries {stream.message.__name__}, not {type(message).__name__}")
    try:
        payload = message.model_dump_json().encode()
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{stream.name}: cannot be written as JSON: {type(error).__name__}") from error
    decode(stream, payload)
    return payload


def decode(stream: Stream, payload: bytes) -> Message:
    """The message of a payload; Malformed when it is too large, not JSON, or not what the stream carries."""
    check_size(stream, len(payload))
    try:
        return stream.message.model_validate_json(payload, strict=True)
    except ValidationError as error:
        raise Malformed(f"{stream.name}: {_first(error)}") from error
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{stream.name}: {type(error).__name__}") from error


def check_size(stream: Stream, size: int) -> None:
    """Malformed when ``size`` bytes are more than the stream's ``max_bytes``, or none."""
    if not 0 < size <= stream.max_bytes:
        raise Malformed(f"{stream.name}: {size} bytes, the contract allows 1 to {stream.max_bytes}")


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    place = ".".join(str(part)[:40] for part in found[0]["loc"][:6]) or "payload"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{place}: {found[0]['msg'][:200]}{more}"
