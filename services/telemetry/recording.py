"""A session's black box as the messages that the gateway sent, for a replay: one JSON object a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

from services.telemetry.archive import objects
from services.telemetry.archive.models import Run, heads
from services.telemetry.archive.rows import SessionRow
from services.telemetry.archive.runs import chunks_of
from services.telemetry.errors import Corrupt, UnknownSession
from services.telemetry.query import History, Span

PRESCRIBED: Final = ("base_n", "first_peak_n", "peak_n", "ceiling_n", "traction_s")
_LOOK: Final = 15_000  # samples before a start and behind an end: five minutes at 20 ms, then more


def session_chunks(history: History, session: SessionRow) -> list[dict[str, Any]]:
    """The chunks of a session, in order: from its load, before it was started, to its end.

    Raises UnknownSession when its start was never heard of, and what History raises.
    """
    span = history.span(session)
    if span is None:
        raise UnknownSession(
            f"session {session.id}: its start was never heard of, nobody knows where it lies"
        )
    around, found = _LOOK, _mine(history, span, _LOOK, session.id)
    while found.goes_on:
        around *= 4
        wider = _mine(history, span, around, session.id)
        if len(wider.chunks) == len(found.chunks):
            break
        found = wider
    return found.chunks


def prescribed(history: History, session: SessionRow) -> list[dict[str, Any]]:
    """What the bed was told to do and from which seq on: more than one when it was changed on the way.

    Empty when nothing of the black box was stored.
    """
    span = history.span(session)
    around, found = _LOOK, _prescribed(history, span, _LOOK, session.id) if span else []
    while span and not found and around < span.first:
        around *= 4
        found = _prescribed(history, span, around, session.id)
    return found


def _prescribed(history: History, span: Span, before: int, session: UUID) -> list[dict[str, Any]]:
    runs = history.runs("blackbox", span.source, max(0, span.first - before), span.after)
    chunks = [orjson.loads(line) for run in runs for _, line in heads(run.note)]
    return [
        {"seq": chunk["seq"]} | {name: chunk["parameters"].get(name) for name in PRESCRIBED}
        for chunk in chunks
        if chunk.get("parameters") and chunk.get("session") == str(session)
    ]


@dataclass(frozen=True, slots=True)
class _Found:
    chunks: list[dict[str, Any]]
    goes_on: bool  # the session reaches to an edge of what was looked at


def _mine(history: History, span: Span, around: int, session: UUID) -> _Found:
    """The session's chunks among those that lie ``around`` samples before and behind its span."""
    low, high = max(0, span.first - around), span.after + around
    chunks = [chunk for run in history.runs("blackbox", span.source, low, high) for chunk in chunks_of(run)]
    mine = [chunk for chunk in chunks if chunk["session"] == str(session)]
    if not mine:
        return _Found([], goes_on=False)
    at_head = mine[0] is chunks[0] and low > 0
    return _Found(mine, at_head or mine[-1] is chunks[-1])


def recording(history: History, session: SessionRow) -> Iterator[bytes]:
    """The same as JSON lines."""
    for chunk in session_chunks(history, session):
        yield orjson.dumps(chunk) + b"\n"


def object_chunks(path: Path) -> list[dict[str, Any]]:
    """The chunks of an object of the archive, checked. Raises Corrupt that names object and block."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Corrupt(f"{path} cannot be read: {error.strerror}") from None
    return chunks_of_object(str(path), data)


def chunks_of_object(path: str, data: bytes) -> list[dict[str, Any]]:
    """The same of an object's bytes; ``path`` names it."""
    return [chunk for run in _runs(path, data) for chunk in chunks_of(run)]


def sessions_of_object(path: str, data: bytes) -> list[str]:
    """The sessions whose chunks an object holds, each once, in order. Raises Corrupt."""
    heads_ = (orjson.loads(line) for run in _runs(path, data) for _, line in heads(run.note))
    return list(dict.fromkeys(head["session"] for head in heads_ if head["session"] is not None))


def _runs(path: str, data: bytes) -> list[Run]:
    try:
        directory = objects.read_directory(data)
        return [objects.run_of(objects.block_of(data, entry), entry) for entry in directory.of("blackbox")]
    except Corrupt as error:
        raise Corrupt(f"{path}: {error.message}") from None


def is_object(path: Path) -> bool:
    """Whether a file begins as an object of the archive."""
    try:
        with path.open("rb") as file:
            return file.read(len(objects.MAGIC)) == objects.MAGIC
    except OSError:
        return False
