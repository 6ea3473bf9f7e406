"""The stored form of a message: small, exact, and countable without unpacking.

A tension block becomes integer counts (each column in tenths, hundredths or thousandths, whichever is exact),
written as differences and deflated: about a sixth of the JSON. A block that is not exact in thousandths, and
every other message, is kept as deflated JSON: nothing is ever rounded here.
"""

import struct
import zlib
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final

from broker.messages import TensionBlock
from services.telemetry.models import Block

VALUES: Final = ("tension_n", "target_n", "position_mm", "residual_n")
# The order is on disk: a new phase is appended here, whatever its place in the contract.
PHASES: Final = (
    "idle", "ready", "slack", "precondition", "ramp", "hold", "release", "rest",
    "guarded", "rebuild", "cooldown", "done", "paused", "stopped", "fault",
)  # fmt: skip
_JSON: Final = 0
_COLUMNS: Final = 1
_FRAME: Final = struct.Struct("<BI")  # form, count
_BLOCK: Final = struct.Struct("<4Bqd")  # decimals of each column, microseconds since the epoch, period_ms
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DECIMALS: Final = (1, 2, 3)
_PHASE_CODES: Final = {name: code for code, name in enumerate(PHASES)}


def pack_json(payload: bytes, count: int) -> bytes:
    """Any message that stands for ``count`` numbers of its stream."""
    return _FRAME.pack(_JSON, count) + zlib.compress(payload, 6)


def unpack_json(content: bytes) -> bytes:
    """The payload that ``pack_json`` was given."""
    return zlib.decompress(content[_FRAME.size :])


def pack_block(block: TensionBlock, payload: bytes) -> bytes:
    """A tension block; ``payload`` is its JSON, kept where integers would not be exact."""
    columns = [_exact(getattr(block, name)) for name in VALUES]
    phases = [_PHASE_CODES.get(name) for name in block.phase]
    count = len(phases)
    if any(column is None for column in columns) or None in phases:
        return pack_json(payload, count)
    exact = [column for column in columns if column is not None]
    started = (block.started_at - _EPOCH) // _MICROSECOND
    head = _BLOCK.pack(*(decimals for decimals, _ in exact), started, block.period_ms)
    numbers = [number for _, counts in exact for number in _differences(counts)]
    body = struct.pack(f"<{len(numbers)}i{count}B", *numbers, *phases)
    return _FRAME.pack(_COLUMNS, count) + head + zlib.compress(body, 6)


def unpack_block(content: bytes, seq: int) -> Block:
    """The block that was packed; ``seq`` is its first number, kept as the entry's id."""
    form, count = _FRAME.unpack_from(content)
    if form == _JSON:
        return _block_of(TensionBlock.model_validate_json(unpack_json(content)))
    *decimals, started, period_ms = _BLOCK.unpack_from(content, _FRAME.size)
    body = zlib.decompress(content[_FRAME.size + _BLOCK.size :])
    numbers = struct.unpack(f"<{len(VALUES) * count}i{count}B", body)
    values = {
        name: [
            number / 10 ** decimals[row] for number in accumulate(numbers[row * count : (row + 1) * count])
        ]
        for row, name in enumerate(VALUES)
    }
    phase = [PHASES[code] for code in numbers[len(VALUES) * count :]]
    return Block(seq, _EPOCH + started * _MICROSECOND, period_ms, values, phase)


def count_of(content: bytes) -> int:
    """How many numbers of its stream a stored entry stands for, read from the content itself."""
    count: int = _FRAME.unpack_from(content)[1]
    return count


def _block_of(message: TensionBlock) -> Block:
    values = {name: list(getattr(message, name)) for name in VALUES}
    return Block(message.seq, message.started_at, message.period_ms, values, list(message.phase))


def _exact(values: list[float]) -> tuple[int, list[int]] | None:
    """(decimals, counts) with ``count / 10**decimals`` equal to every value, None when there is no such."""
    for decimals in _DECIMALS:
        scale = 10**decimals
        counts = [round(value * scale) for value in values]
        if all(count / scale == value for count, value in zip(counts, values, strict=True)):
            return decimals, counts
    return None


def _differences(counts: list[int]) -> list[int]:
    return [counts[0], *(after - before for before, after in pairwise(counts))]
