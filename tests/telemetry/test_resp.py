import socket
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import Connection

from services.telemetry import resp


class _Answering:
    """A server's side of a connection that answers what it is told, cut where it is told."""

    def __init__(self, answer, cuts):
        self._answer, self._cuts = answer, cuts
        self._ours, self._theirs = socket.socketpair()
        self._sock = self._ours
        self._ours.settimeout(5)

        self._thread = threading.Thread(target=self._say, daemon=True)

    def send_packed_command(self, _command):
        self._thread.start()

    def _say(self):
        edges = [0, *sorted(self._cuts), len(self._answer)]
        for first, after in pairwise(edges):
            self._theirs.sendall(self._answer[first:after])
        self._theirs.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._thread.join(5)
        self._ours.close()
        self._theirs.close()


refusals = st.sampled_from([None, b"-ERR The ID specified in XADD is equal or smaller", b"-OOM not allowed"])


@given(st.lists(refusals, min_size=1, max_size=6), st.booleans(), st.data())
def test_replies_are_read_whole_however_they_come(results, waits, data):
    """A reply cut anywhere by the network means the same."""
    entries = [why or b"$4\r\n%d0-1" % number for number, why in enumerate(results)]
    answer = b"+OK\r\n" + b"+QUEUED\r\n" * (len(results) + 1) + b"*%d\r\n" % (len(results) + 1)
    answer += b"\r\n".join(entries) + b"\r\n:7\r\n" + (b"*2\r\n:1\r\n:0\r\n" if waits else b"")
    cuts = data.draw(st.lists(st.integers(0, len(answer)), max_size=5))
    with _Answering(answer, cuts) as connection:
        commands = [b"x"] * (len(results) + 1)
        outcome = resp.transact(connection, commands, len(results), b"w" if waits else b"")
    assert {index: str(why) for index, why in outcome.refused.items()} == {
        index: why[1:].decode() for index, why in enumerate(results) if why is not None
    }
    assert outcome.waited == ([1, 0] if waits else [])


@pytest.mark.parametrize(
    "answer",
    [
        b"+OK\r\n+QUEUED\r\n-OOM command not allowed\r\n-EXECABORT Transaction discarded\r\n",
        b"-NOAUTH Authentication required.\r\n" * 4,
        b"-LOADING Redis is loading\r\n" * 4,
    ],
)
def test_a_transaction_that_was_not_run_is_an_error(answer):
    """Nothing of it counts as stored."""
    with _Answering(answer, []) as connection, pytest.raises(resp.Refusal):
        resp.transact(connection, [b"x", b"x"], 2)


@given(st.integers(0, 10))
def test_a_connection_that_ends_in_the_middle_is_an_error(length):
    """Half an answer is none."""
    answer = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$3\r\n0-1\r\n$4\r\n10-1\r\n"[: length * 4]
    with _Answering(answer, []) as connection, pytest.raises(OSError, match="closed"):
        resp.transact(connection, [b"x", b"x"], 2)


@given(st.lists(st.text() | st.binary() | st.integers() | st.floats(allow_nan=False), max_size=5))
def test_commands_are_packed_as_redis_py_packs_them(parts):
    """The library is the oracle of the protocol."""
    assert resp.pack("HSET", *parts) == b"".join(Connection().pack_command("HSET", *parts))


@given(st.binary(min_size=1, max_size=80), st.integers(0, 2**53), st.integers(1, 5000), st.binary())
def test_entries_are_packed_as_redis_py_packs_them(key, first, count, payload):
    """The one command that is packed a million times."""
    theirs = b"".join(Connection().pack_command("XADD", key, f"{first}-1", "n", count, "d", payload))
    assert resp.pack_entry(resp.pack_entry_head(key), first, count, payload) == theirs


def test_time_until_the_answer_is_used_until_there_is_nothing_to_do():
    """The next batch is looked at meanwhile; a server that is silent for long is waited for all the same."""
    answer = b"+OK\r\n+QUEUED\r\n*1\r\n$3\r\n0-1\r\n"
    with _Answering(answer, [20]) as connection:
        calls = []
        connection.send_packed_command = lambda _command: None
        outcome = resp.transact(connection, [b"x"], 1, meanwhile=lambda: _begun(connection, calls))
    assert outcome == resp.Outcome({}, [])
    assert len(calls) >= 3


def _begun(connection, calls):
    """The server answers only after the third call: none of them can have waited for it."""
    calls.append(None)
    if len(calls) == 3:
        connection._thread.start()
    return True
