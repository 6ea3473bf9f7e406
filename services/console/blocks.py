"""Tension blocks as the console needs them: read cheaply when they come, encoded when somebody looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, cast
from uuid import UUID

import orjson

from broker import codec
from broker.contract import TENSION
from broker.messages import Phase
from broker.tension import outline_of, phases_of
from services.kit.words import PHASES

PHASE_INDEX: Final = {name: index for index, name in enumerate(PHASES)}
BOOTS: Final = 8192  # kept parsed: a few of every bed


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


@dataclass(slots=True)
class LightBlock:
    """A block without the contract's model around it."""

    boot: UUID
    seq: int
    period_ms: float
    tension_n: list[float]
    target_n: list[float]
    residual_n: list[float]
    phase: tuple[Phase, ...]


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


def encode(key: str, block: Samples) -> bytes:
    """A block as the browsers get it: tenths of a newton, phases as indices into `words.PHASES`."""
    return orjson.dumps(
        {
            "key": key,
            "boot": str(block.boot),
            "seq": block.seq,
            "period_ms": block.period_ms,
            "tension": [round(value, 1) for value in block.tension_n],
            "target": [round(value, 1) for value in block.target_n],
            "counter": [round(value, 1) for value in block.residual_n],
            "phase": [PHASE_INDEX[phase] for phase in block.phase],
        }
    )


@lru_cache(maxsize=BOOTS)
def _boot(text: str) -> UUID | None:
    """None for what is no boot: the contract's reader says so."""
    try:
        return UUID(text)
    except ValueError:
        return None
