"""A file that says how far a chain of rows had come, signed with a key that the database does not hold.

Whoever can write to the database can take rows away from its end, or put an old copy back; the seal beside it
remembers the row that was there. It is written after the row is committed, so a crash leaves it one behind:
a chain may be longer than its seal, never shorter.
"""

import contextlib
import fcntl
import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.kit import files

GENESIS: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Mark:
    """One row of a chain: its number from 1, and its hash; 0 is before the first."""

    seq: int
    hash: str


class SealBroken(ValueError):  # noqa: N818  (the name is the state)
    """The seal is missing, cannot be read, or was not written with this key."""


class Seal:
    """The seal at ``path`` and its key at ``key_path``; safe for any number of processes."""

    def __init__(self, path: Path, key_path: Path) -> None:
        """Make both when there is no key yet: an empty chain is sealed as empty."""
        self._path, self._key_path = path, key_path
        path.parent.mkdir(parents=True, exist_ok=True)
        key_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone():
            if not key_path.exists():
                self.key = secrets.token_bytes(32)
                self._write(Mark(0, GENESIS))
                files.replace(key_path, self.key.hex().encode())  # last: a crash before it begins anew
            self.key = bytes.fromhex(key_path.read_text(encoding="ascii").strip())

    def digest(self, text: str) -> str:
        """HMAC-SHA256 of a text with the key, as hex."""
        return hmac.digest(self.key, text.encode("utf-8", "surrogateescape"), "sha256").hex()

    def read(self) -> Mark:
        """The row that was sealed last. Raises SealBroken."""
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            mark = Mark(int(held["seq"]), str(held["hash"]))
            genuine = hmac.compare_digest(str(held["mac"]), self._mac(mark))
        except FileNotFoundError:
            raise SealBroken("missing") from None
        except (ValueError, TypeError, KeyError):
            genuine = False
        if not genuine:
            raise SealBroken("forged")
        return mark

    def advance(self, mark: Mark) -> None:
        """Seal this row, unless a later one is sealed already. A broken seal stays as it is."""
        with self._alone(), contextlib.suppress(SealBroken):
            if self.read().seq < mark.seq:
                self._write(mark)

    def force(self, mark: Mark) -> None:
        """Seal this row, whatever was sealed before: for a person who has looked and says so."""
        with self._alone():
            self._write(mark)

    def _mac(self, mark: Mark) -> str:
        return self.digest(f"seal {mark.seq} {mark.hash}")

    def _write(self, mark: Mark) -> None:
        """The seal before this one is as good after a power cut: a chain may be longer than its seal."""
        text = json.dumps({"seq": mark.seq, "hash": mark.hash, "mac": self._mac(mark)})
        files.replace(self._path, text.encode(), named=False)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
