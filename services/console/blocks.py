"""Tension blocks as the console needs them: read cheaply when they come, encoded when somebody looks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, Protocol, cast
from uuid import UUID

import orjson

from broker import codec
from broker.contract import TENSION
from broker.fields import Measured, Phase, Stretch
from broker.tension import outline_of, phases_of
from services.kit.words import PHASES

PHASE_INDEX: Final = {name: index for index, name in enumerate(PHASES)}
BOOTS: Final = 8192  # kept parsed: a few of every bed

Lost = Literal["load_cell", "link"]  # why a tension was not measured


class Samples(Protocol):
    """What the console reads of a block; the contract's own message has it all."""

    @property
    def boot(self) -> UUID:
        """The loop's."""

    @property
    def seq(self) -> int:
        """Index of the first sample since boot."""

    @property
    def period_ms(self) -> float:
        """From one sample to the next."""

    @property
    def tension_n(self) -> Sequence[float]:
        """Measured, one a sample."""

    @property
    def target_n(self) -> Sequence[float]:
        """Wanted, one a sample."""

    @property
    def residual_n(self) -> Sequence[float]:
        """Counter-tension, one a sample."""

    @property
    def phase(self) -> Sequence[Phase]:
        """One a sample."""

    @property
    def unmeasured(self) -> Mapping[Measured, Sequence[Stretch]] | None:
        """Of a list the stretches that nobody measured, as [first place, place behind]."""


@dataclass(slots=True)
class LightBlock:
    """A block without the contract's model around it; all of it was measured."""

    boot: UUID
    seq: int
    period_ms: float
    tension_n: list[float]
    target_n: list[float]
    residual_n: list[float]
    phase: tuple[Phase, ...]
    unmeasured: None = None


def read(payload: bytes) -> Samples:
    """The block of a message. Raises codec.Malformed when it is none of the contract."""
    found = outline_of(payload)
    boot = _boot(found.boot) if found else None
    if found is None or boot is None:
        return cast("Samples", codec.decode(TENSION, payload))
    return LightBlock(
        boot,
        found.seq,
        found.period_ms,
        found.tension_n,
        found.target_n,
        found.residual_n,
        phases_of(bytes(found.phase)),
    )


def lost(block: Samples) -> Lost | None:
    """Why the newest sample has no tension; None when it was measured."""
    ends = {
        name for name, stretches in (block.unmeasured or {}).items()
        if stretches and stretches[-1][1] == len(block.tension_n)
    }  # fmt: skip
    if "tension_n" not in ends:
        return None
    return "link" if "position_mm" in ends else "load_cell"


def encode(key: str, block: Samples) -> bytes:
    """A block as the browsers get it: tenths of a newton, phases as indices into `words.PHASES`.

    What nobody measured is null.
    """
    gaps = block.unmeasured or {}
    return orjson.dumps(
        {
            "key": key,
            "boot": str(block.boot),
            "seq": block.seq,
            "period_ms": block.period_ms,
            "tension": _tenths(block.tension_n, gaps.get("tension_n", ())),
            "target": _tenths(block.target_n),
            "counter": _tenths(block.residual_n, gaps.get("residual_n", ())),
            "phase": [PHASE_INDEX[phase] for phase in block.phase],
        }
    )


def _tenths(values: Sequence[float], gaps: Iterable[Stretch] = ()) -> list[float | None]:
    found: list[float | None] = [round(value, 1) for value in values]
    for first, behind in gaps:
        found[first:behind] = [None] * (behind - first)
    return found


@lru_cache(maxsize=BOOTS)
def _boot(text: str) -> UUID | None:
    """None for what is no boot: the contract's reader says so."""
    try:
        return UUID(text)
    except ValueError:
        return None
