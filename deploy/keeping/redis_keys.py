"""What a Redis-compatible server holds, key by key through DUMP and RESTORE, a device's keys of one moment.

DUMP and RESTORE and not the server's files: they are reached wherever the server is. All keys of a device
carry it as their hash tag and change in one transaction, so they are dumped in one; what names the devices
comes after all of them. A newer server takes what an older one dumped, not the other way round.
"""

import re
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from deploy import engines
from services.kit.errors import SpondylError
from services.telemetry.cluster import Cluster, is_cluster

LEAST_TTL_MS: Final = 60_000  # what ends sooner is a lease: nobody holds it after a restoring
START_S: Final = 60.0
AT_ONCE: Final = 200  # keys that belong to no device
AT_ONCE_BYTES: Final = 16_000_000
_HEAD: Final = struct.Struct(">IIq")  # bytes of the key, of the dump, milliseconds left (-1: for ever)
_TAG: Final = re.compile(rb"\{([^}]+)\}")


def dump(url: str) -> Iterator[bytes]:
    """Every key with what it holds, in pieces for ``restore``. Raises SpondylError."""
    with _client(url) as client:
        tagged: dict[bytes, list[bytes]] = {}
        for key in (key for node in _nodes(client) for key in node.scan_iter(count=1000)):
            found = _TAG.search(key)
            tagged.setdefault(found.group(1) if found and b"session:" not in key else b"", []).append(key)
        last = tagged.pop(b"", [])
        for keys in tagged.values():
            yield from _together(client, keys)
        for first in range(0, len(last), AT_ONCE):
            yield from _together(client, last[first : first + AT_ONCE], whole=not isinstance(client, Cluster))


def restore(url: str, pieces: Iterable[bytes]) -> int:
    """Put every key back into an empty server, on its disk; how many. Raises SpondylError."""
    count, waiting = 0, 0
    with _client(url) as client:
        pipe = client.pipeline(transaction=False)
        for key, ttl_ms, value in _records(pieces):
            pipe.restore(key, max(ttl_ms, 0), value)
            count, waiting = count + 1, waiting + len(value)
            if waiting > AT_ONCE_BYTES:
                pipe.execute()
                waiting = 0
        pipe.execute()
    return count


def clear(url: str) -> None:
    """Take everything out of a server that was empty before. Raises SpondylError."""
    with _client(url) as client:
        for node in _nodes(client):
            node.flushdb()


def size(url: str) -> int:
    """How many keys there are. Raises SpondylError."""
    with _client(url) as client:
        return sum(int(node.dbsize()) for node in _nodes(client))


@contextmanager
def standing_in(directory: Path) -> Iterator[str]:
    """A server of our own on the append-only files in ``directory`` while none runs; its URL.

    Raises SpondylError.
    """
    with tempfile.TemporaryDirectory(prefix="spondyl-redis-") as place:
        socket = f"{place}/socket"
        directory.mkdir(parents=True, exist_ok=True)
        command = [engines.redis_server()[0], "--port", "0", "--unixsocket", socket, "--dir", str(directory),
                   "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]  # fmt: skip
        with tempfile.TemporaryFile() as said:
            server = subprocess.Popen(command, stdout=said, stderr=said)
            try:
                url = f"unix://{socket}"
                _wait(server, url)
                yield url
            finally:
                server.terminate()  # SIGTERM: everything is on the disk before it ends
                server.wait()


def _wait(server: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            size(url)
        except SpondylError:
            time.sleep(0.02)
        else:
            return
    raise SpondylError("a Redis-compatible server does not start on these files: see `spondyl doctor`")


def _together(client: Any, keys: list[bytes], *, whole: bool = True) -> Iterator[bytes]:
    """What these keys hold, at one moment unless they lie on several nodes."""
    pipe = client.pipeline(transaction=whole)
    for key in keys:
        pipe.dump(key)
        pipe.pttl(key)
    answers = pipe.execute()
    for key, value, ttl_ms in zip(keys, answers[::2], answers[1::2], strict=True):
        if value is not None and not 0 <= ttl_ms < LEAST_TTL_MS:
            yield _HEAD.pack(len(key), len(value), ttl_ms) + key + value


def _records(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, int, bytes]]:
    """Key, milliseconds left and dump, one after the other. Raises SpondylError."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        at = 0
        while len(buffer) - at >= _HEAD.size:
            key_bytes, value_bytes, ttl_ms = _HEAD.unpack_from(buffer, at)
            middle = at + _HEAD.size + key_bytes
            if len(buffer) < middle + value_bytes:
                break
            yield (
                bytes(buffer[at + _HEAD.size : middle]),
                ttl_ms,
                bytes(buffer[middle : middle + value_bytes]),
            )
            at = middle + value_bytes
        del buffer[:at]
    if buffer:
        raise SpondylError("the keys of Redis end in the middle of one")


def _nodes(client: Any) -> list[Any]:
    """The servers that have the keys."""
    return client.primaries() if isinstance(client, Cluster) else [client]


@contextmanager
def _client(url: str) -> Iterator[Any]:
    import redis

    make: Any = Cluster if is_cluster(url) else redis.Redis.from_url
    client = make(url, socket_timeout=60.0, socket_connect_timeout=5.0, protocol=2)
    try:
        yield client
    except redis.RedisError as error:
        raise SpondylError(f"Redis cannot be asked: {error}") from None
    finally:
        client.close()
