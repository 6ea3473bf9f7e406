"""What ingest needs of a tension block, without the contract's reader wherever the fast one is sure."""

from datetime import datetime
from typing import NamedTuple

from broker.tension import outline_of


class Head(NamedTuple):
    """What ingest needs of a block."""

    boot: str  # as it stands there: not looked at
    seq: int
    samples: int
    started_at: datetime
    period_ms: float


def head_of(payload: bytes) -> Head | None:
    """The head of a block that is right in everything but, perhaps, its boot; None when it is not sure."""
    block = outline_of(payload)
    if block is None:
        return None
    return Head(block.boot, block.seq, len(block.tension_n), block.started_at, block.period_ms)
