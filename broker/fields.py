"""What a field of the contract may hold: names, numbers with their unit and range, times, free data."""

import math
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, JsonValue

Phase = Literal[
    "idle",
    "ready",
    "slack",
    "precondition",
    "ramp",
    "hold",
    "release",
    "rest",
    "guarded",
    "rebuild",
    "cooldown",
    "done",
    "paused",
    "stopped",
    "fault",
]
Region = Literal["lumbar", "cervical"]
Priority = Literal["high", "medium", "low"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Text = Annotated[str, Field(max_length=500)]
Newton = Annotated[float, Field(ge=-2000, le=2000)]
Millimetre = Annotated[float, Field(ge=-2000, le=2000)]
PERIOD_MS = (0.01, 60_000.0)  # between two samples; beyond it nothing can be reckoned with
Period = Annotated[float, Field(ge=PERIOD_MS[0], le=PERIOD_MS[1])]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]  # exact in every JSON reader, and in 64 bits
Int32 = Annotated[int, Field(ge=-(2**32), le=2**32)]  # a count of the bed's edge, or the difference of two
Release = Annotated[str, Field(max_length=40)]  # `1.4.2`
MAX_BLOCK_SAMPLES = 5000
MAX_DEPTH = 8


def _plain(value: JsonValue, depth: int = 0) -> JsonValue:
    """Free data that every JSON reader takes: finite, at most 64-bit, not nested without end."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not a finite number")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("an integer beyond 64 bits")
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _plain(part, depth + 1)
    return value


def _everywhere(at: datetime) -> datetime:
    """A time that has a date in every time zone, and so on every reader's clock."""
    if not MINYEAR < at.year < MAXYEAR:
        raise ValueError(f"a time of the year {at.year}: from {MINYEAR + 1} to {MAXYEAR - 1} is expected")
    return at


def said(text: str) -> Any:
    """A field's description, for schemas, AsyncAPI and docs/topics.md."""
    return Field(description=text)


Time = Annotated[AwareDatetime, AfterValidator(_everywhere)]
Data = Annotated[dict[str, JsonValue], AfterValidator(_plain)]
Boot = Annotated[UUID, said("changes whenever the control loop restarts; seq starts again at 0")]
FirstSeq = Annotated[Count, said("index of the first sample since boot: a gap is a loss")]
AtSeq = Annotated[Count, said("index of the sample that brought it, since boot")]
At = Annotated[Time, said("wall clock of the gateway; order is told by seq, never by this")]
NotNegative = Annotated[float, Field(ge=0)]
Seconds = NotNegative
Correlation = Annotated[
    str | None,
    Field(
        pattern=r"^[0-9a-f]{32}$",
        description="what belongs together, from a tap to the invoice: a W3C trace id, the same in every log",
    ),
]
Pain = Annotated[int, Field(ge=0, le=10, description="numeric rating scale, 0 none to 10 worst")]
Measured = Literal["tension_n", "position_mm", "residual_n"]
Stretch = Annotated[
    list[Count], Field(min_length=2, max_length=2)
]  # first sample of a block, and the one behind
