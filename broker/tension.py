"""Tension blocks looked at fast: what passes is a block of the contract, of all else nothing is said.

Nine of ten messages are tension blocks, and the contract's own reader takes twice as long: here the phases,
mostly one word again and again, are recognised by their bytes. Anything out of the ordinary (an unknown
field, a number out of its limits, a broken byte) is left to the contract's reader, which decides. A property
test holds the two together. For services that have msgspec; the bedside does without.
"""

from datetime import MAXYEAR, MINYEAR, datetime
from functools import lru_cache
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from broker.fields import MAX_BLOCK_SAMPLES, PERIOD_MS, Phase

_LIMIT: Final = 2000.0  # newton and millimetre alike, see broker/fields.py
_Value = Annotated[float, Meta(ge=-_LIMIT, le=_LIMIT)]
_Values = Annotated[list[_Value], Meta(min_length=1, max_length=MAX_BLOCK_SAMPLES)]


class Outline(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A block as it stands there; its boot and its phases are still text."""

    boot: str
    seq: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    started_at: Annotated[datetime, Meta(tz=True)]
    period_ms: Annotated[float, Meta(ge=PERIOD_MS[0], le=PERIOD_MS[1])]
    tension_n: _Values
    target_n: _Values
    position_mm: _Values
    residual_n: _Values
    phase: msgspec.Raw
    unmeasured: None = None  # a block that has something here is out of the ordinary


_outline = msgspec.json.Decoder(Outline).decode
_phases = msgspec.json.Decoder(list[Literal[get_args(Phase)]]).decode  # type: ignore[misc]  # (not in source)


@lru_cache(maxsize=256)
def phases_of(text: bytes) -> tuple[Phase, ...]:
    """The phases of a block. Raises msgspec.MsgspecError when one is unknown."""
    return tuple(_phases(text))


def outline_of(payload: bytes) -> Outline | None:
    """A block that is right in everything but, perhaps, its boot; None when it is not sure."""
    if not payload.isascii() or b"\\" in payload:
        return None  # nothing of a block needs them, and what stands twice is looked at only once
    try:
        block = _outline(payload)
        count = len(block.tension_n)
        equal = (
            len(block.target_n) == count
            and len(block.position_mm) == count
            and len(block.residual_n) == count
            and len(phases_of(bytes(block.phase))) == count
        )
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return block if equal and MINYEAR < block.started_at.year < MAXYEAR else None
