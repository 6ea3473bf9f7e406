"""What recorder and panel share of the alarms: since when each is on, and what a bed's own gateway found."""

import time
from dataclasses import replace
from typing import Final

from services.controller.alarms.board import Moment
from services.controller.alarms.table import (
    ALARMS,
    BY_CONDITION,
    NS_PER_S,
    RECORDER_AWAY_S,
    Condition,
    Conditions,
)
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
    return _since(memory, bed)


def _since(memory: GatewayMemory, bed: int) -> dict[str, int]:
    words = memory.arrays["since"][bed, : len(ALARMS)].tolist()
    return {alarm.condition: word for alarm, word in zip(ALARMS, words, strict=True) if word}


def silence_s(memory: GatewayMemory) -> float:
    """For how long no recorder has spoken; one that never did, since the loop began."""
    return (time.monotonic_ns() - (memory.health["recorder_ns"] or memory.created_ns)) / NS_PER_S


def believed(found: Conditions, memory: GatewayMemory, bed: int, silent_s: float) -> Conditions:
    """For the panel: what a recorder's words are worth that has been silent for so long.

    What it had raised stays on, as it called it: nobody has seen it go. What it had not raised is not known.
    The silence itself is a record that falls behind, said while the ring still holds everything.
    """
    if silent_s <= TRUSTED_S:
        return found
    spoke_ns, since = memory.health["recorder_ns"], _since(memory, bed)
    kept = {
        name: replace(condition, since_ns=since[name])
        for name, condition in found.items()
        if name in since and spoke_ns - since[name] >= BY_CONDITION[name].rule.delay_ns
    }
    if silent_s > RECORDER_AWAY_S:
        kept.setdefault("storage_lag", Condition(silent_s, RECORDER_AWAY_S))
    return kept


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


def lost(found: Conditions, memory: GatewayMemory) -> Conditions:
    """The gateway's conditions while nothing controls, called alike by whoever looks: by the last tick."""
    since_ns = memory.word(m.W_HEARTBEAT) + round(LOST_S * NS_PER_S)
    return {**found, "control_lost": Condition(since_ns=since_ns)}


def moment(memory: GatewayMemory) -> Moment:
    """Now, for a board that no sample comes to."""
    return Moment(memory.head() - 1, time.monotonic_ns(), time.time_ns())
