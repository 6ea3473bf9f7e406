"""Redis's protocol for one kind of traffic: many writes in one transaction, packed and read in bulk.

redis-py spends 20 us on packing a command and reading its reply; this spends 2. Connecting, authentication
and TLS stay redis-py's. Protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP 2).
"""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

READ_BYTES: Final = 262_144
MEANWHILE_S: Final = 1.0  # a server that is slower than this is waited for and nothing else
_END: Final = b"\r\n"
_ERROR: Final = b"\r\n-"
_WAITAOF_LINES: Final = 3  # an array of two numbers
_MULTI: Final = b"*1\r\n$5\r\nMULTI\r\n"
_EXEC: Final = b"*1\r\n$4\r\nEXEC\r\n"


class Refusal(Exception):  # noqa: N818  (what the server answered instead of a value)
    """An error reply."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction: commands that answered an error, by index; the last command's reply."""

    refused: dict[int, Refusal]
    waited: list[Any]


class _Incomplete(Exception):  # noqa: N818  (the state of a buffer)
    """The reply goes on behind what has been read."""


def pack(*parts: str | bytes | float) -> bytes:
    """One command."""
    packed = [b"*%d\r\n" % len(parts)]
    for part in parts:
        text = part if isinstance(part, bytes) else str(part).encode()
        packed.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(packed)


def pack_entry_head(key: bytes) -> bytes:
    """What every XADD of a stream with two fields begins with: to be kept, ``pack_entry`` goes on from it."""
    return b"*7\r\n$4\r\nXADD\r\n$%d\r\n%b\r\n$" % (len(key), key)


def pack_entry(head: bytes, first: int, count: int, payload: bytes) -> bytes:
    """XADD key first-1 n count d payload."""
    return b"%b%d\r\n%d-1\r\n$1\r\nn\r\n$%d\r\n%d\r\n$1\r\nd\r\n$%d\r\n%b\r\n" % (
        head, len(str(first)) + 2, first, len(str(count)), count, len(payload), payload,
    )  # fmt: skip


def transact(
    connection: Any,
    commands: Sequence[bytes],
    entries: int,
    wait: bytes = b"",
    meanwhile: Callable[[], bool] | None = None,
) -> Outcome:
    """MULTI, the commands, EXEC and, where given, one command that waits for the disk: one send, one turn.

    The first ``entries`` commands are XADDs, all others answer with a number; ``wait`` is a WAITAOF.
    ``meanwhile`` is called until the answer comes or it says that it has no more to do.
    ``connection`` is redis-py's, connected. Raises Refusal when the transaction was not run at all, OSError
    when the connection breaks: it must be dropped then, for a reply may still be on its way.
    """
    connection.send_packed_command([b"".join((_MULTI, *commands, _EXEC, wait))])
    count = len(commands)
    promise = b"+OK\r\n" + b"+QUEUED\r\n" * count + b"*%d\r\n" % count
    lines = 2 + 2 * count + entries + (_WAITAOF_LINES if wait else 0)
    return _heard(connection, promise, lines, (count, bool(wait), True), meanwhile)


def send(connection: Any, commands: Sequence[bytes], wait: bytes = b"") -> None:
    """Commands that are no transaction and, where given, a WAITAOF; ``hear`` takes the answers."""
    connection.send_packed_command([b"".join((*commands, wait))])


def hear(
    connection: Any, count: int, entries: int, wait: bytes, meanwhile: Callable[[], bool] | None = None
) -> Outcome:
    """The answers to ``count`` commands that were sent, of which ``entries`` are XADDs, in any order."""
    lines = count + entries + (_WAITAOF_LINES if wait else 0)
    return _heard(connection, b"", lines, (count, bool(wait), False), meanwhile)


@contextlib.contextmanager
def lent(pool: Any) -> Iterator[Any]:
    """A pool's connection; dropped when anything goes wrong on it, for a reply may be on its way."""
    connection = pool.get_connection()
    try:
        yield connection
    except Refusal:
        raise
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _heard(
    connection: Any,
    promise: bytes,
    lines: int,
    shape: tuple[int, bool, bool],
    meanwhile: Callable[[], bool] | None,
) -> Outcome:
    data = b""
    while True:
        chunk = _received(connection._sock, meanwhile)  # noqa: SLF001  (redis-py reads it reply by reply)
        if not chunk:
            raise ConnectionError("Redis closed the connection")
        data += chunk
        is_refused = _ERROR in data or data.startswith(b"-")
        if data.startswith(promise) and not is_refused:
            if data.count(_END) == lines and data.endswith(_END):
                return Outcome({}, _parse(data, data.rindex(b"*"))[0] if shape[1] else [])
        elif is_refused or not promise.startswith(data[: len(promise)]):
            with contextlib.suppress(_Incomplete):
                return _looked_at(data, *shape)


def _received(answering: socket.socket, meanwhile: Callable[[], bool] | None) -> bytes:
    if meanwhile is not None:
        answer, until = select.poll(), time.monotonic() + MEANWHILE_S
        answer.register(answering, select.POLLIN)
        while not answer.poll(0) and time.monotonic() < until and meanwhile():
            pass
    return answering.recv(READ_BYTES)


def _looked_at(data: bytes, count: int, waited: bool, whole: bool) -> Outcome:  # noqa: FBT001  (the shapes)
    """Every reply on its own, because one of them at least is an error; ``whole``: of a transaction."""
    replies, at = [], 0
    for _ in range(count + waited + (2 if whole else 0)):
        reply, at = _parse(data, at)
        replies.append(reply)
    results = replies[:count]
    if whole:
        for reply in replies:
            if isinstance(reply, Refusal):
                raise reply
        results = replies[count + 1]
    elif waited and isinstance(replies[-1], Refusal):
        raise replies[-1]
    refused = {index: reply for index, reply in enumerate(results) if isinstance(reply, Refusal)}
    return Outcome(refused, replies[-1] if waited else [])


def _parse(data: bytes, at: int) -> tuple[Any, int]:
    """(the reply that begins at ``at``, where the next one begins). Raises _Incomplete."""
    end = data.find(_END, at)
    if end < 0:
        raise _Incomplete
    kind, text, after = data[at : at + 1], data[at + 1 : end], end + 2
    if kind == b"-":
        return Refusal(text.decode(errors="replace")), after
    if kind == b":":
        return int(text), after
    if kind == b"$":
        return _parse_bulk(data, after, int(text))
    if kind == b"*":
        parts = []
        for _ in range(int(text)):
            part, after = _parse(data, after)
            parts.append(part)
        return parts, after
    return text, after


def _parse_bulk(data: bytes, at: int, length: int) -> tuple[bytes | None, int]:
    if length < 0:
        return None, at
    if len(data) < at + length + 2:
        raise _Incomplete
    return data[at : at + length], at + length + 2
