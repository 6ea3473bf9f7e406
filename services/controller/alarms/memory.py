"""What recorder and panel share of the alarms: since when each is on, and what a bed's own gateway found."""

import time
from typing import Final

from services.controller.alarms.board import Moment
from services.controller.alarms.table import ALARMS, Condition, Conditions
from services.controller.kernel import memory as m
from services.controller.loop.interruption import Interruptions
from services.controller.loop.shared import GatewayMemory

TRUSTED_S: Final = (
    2.0  # what a recorder wrote that has been silent for longer may be of an earlier occurrence
)
OWN_S: Final = 30.0  # a recorder that comes back sees in the ring whether anything went meanwhile
LOST_S: Final = 1.0  # a loop that has not ended a tick for so long controls nothing


def write_since(memory: GatewayMemory, bed: int, since: dict[str, int]) -> None:
    """For the recorder: since when (CLOCK_MONOTONIC, ns) each alarm of a bed is on, as it announces it."""
    memory.arrays["since"][bed, : len(ALARMS)] = [since.get(alarm.condition, 0) for alarm in ALARMS]


def read_since(memory: GatewayMemory, bed: int, trusted_s: float = TRUSTED_S) -> dict[str, int]:
    """What the recorder wrote last; nothing of one that has been silent for too long."""
    if time.monotonic_ns() - memory.health["recorder_ns"] > trusted_s * 1e9:
        return {}
    words = memory.arrays["since"][bed, : len(ALARMS)].tolist()
    return {alarm.condition: word for alarm, word in zip(ALARMS, words, strict=True) if word}


def of_bed(
    found: Conditions, memory: GatewayMemory, device: str, interruptions: Interruptions | None
) -> Conditions:
    """The gateway's conditions ``found``, with what is this bed's own."""
    interrupted = interruptions.of(device) if interruptions else None
    if interrupted is None or interrupted.boot == str(memory.boot):
        return found
    return {**found, "control_interrupted": interrupted.condition(memory.created_ns)}


def is_lost(memory: GatewayMemory) -> bool:
    """Whether nothing controls: the loop ticked, has not for LOST_S, and was not told to end."""
    has_ticked = memory.head() > 0 and memory.word(m.W_HEARTBEAT) > 0
    return has_ticked and not memory.word(m.W_STOP) and memory.heartbeat_age_s() > LOST_S


def lost(found: Conditions) -> Conditions:
    """The gateway's conditions while nothing controls."""
    return {**found, "control_lost": Condition()}


def moment(memory: GatewayMemory) -> Moment:
    """Now, for a board that no sample comes to."""
    return Moment(memory.head() - 1, time.monotonic_ns(), time.time_ns())
