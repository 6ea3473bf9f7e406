"""A recorded session through the same kernel: the same commands bit for bit, or where they part.

Readings and actions are fed in as recorded, from the load on, which resets all of a bed's control state; what
the kernel makes of them is compared with what it made of them then. Nothing of the plant is simulated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from services.controller.blocks import PARAMETER_ACTIONS
from services.controller.kernel import layout
from services.controller.kernel.tuning import PARAMETER_NAMES
from services.controller.recording import Chunk, LoadMissing, Unreadable, read
from services.controller.summary import ENDED_PHASES

# The loop refuses these itself: the kernel never heard of the action.
LOOP_REFUSALS: Final = (layout.REFUSAL_REMOTE, layout.REFUSAL_OVERTAKEN, layout.REFUSAL_TOO_LATE)
COMPARED: Final = (*layout.COMMANDS, "phase")
REQUIRED: Final = (*layout.READINGS, *COMPARED)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where recorded and recomputed part for the first time."""

    seq: int
    row: str
    recorded: int
    recomputed: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay came to. One command a sample: the drive's velocity and the outputs."""

    boot: UUID
    session: UUID | None
    first_seq: int
    samples: int
    commands_compared: int
    equal: bool
    differing_samples: int
    first_difference: Difference | None
    complete: bool  # the recording goes on to the session's end
    last_phase: str  # of its last sample

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        first = self.first_difference
        return {
            "session": str(self.session) if self.session else None,
            "boot": str(self.boot),
            "first_seq": self.first_seq,
            "samples": self.samples,
            "commands_compared": self.commands_compared,
            "equal": self.equal,
            "differing_samples": self.differing_samples,
            "first_difference": {
                "seq": first.seq,
                "row": first.row,
                "recorded": first.recorded,
                "recomputed": first.recomputed,
            }
            if first
            else None,
            "complete": self.complete,
            "last_phase": self.last_phase,
        }


def local(session: UUID, data: Path) -> Path | None:
    """The gateway's own recording of a session below the data directory, while it is still there."""
    return next(iter(sorted(data.glob(f"gateways/*/recordings/{session}.jsonl"))), None)


def replay(path: Path) -> Result:
    """Recompute a recording; raises Unreadable when it cannot be replayed, and says why."""
    return recompute(str(path), read(path))


def recompute(path: str, recording: Sequence[Chunk]) -> Result:
    """Recompute the chunks of a recording, in the order of their samples; ``path`` names it in a refusal.

    Raises Unreadable when it cannot be replayed, and says why.
    """
    chunks = _from_load(path, recording)
    _require(path, chunks)
    recorded = {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in REQUIRED}
    recomputed = _recompute(chunks, recorded)
    different = np.zeros(len(recorded["phase"]), dtype=bool)
    for name in COMPARED:
        different |= recorded[name] != recomputed[name]
    rows = np.flatnonzero(different)
    first_seq, last = chunks[0].message.seq, int(recorded["phase"][-1])
    return Result(
        boot=chunks[0].message.boot,
        session=chunks[0].message.session,
        first_seq=first_seq,
        samples=len(different),
        commands_compared=len(different),
        equal=not len(rows),
        differing_samples=len(rows),
        first_difference=_difference(int(rows[0]), first_seq, recorded, recomputed) if len(rows) else None,
        complete=last in (*ENDED_PHASES, layout.IDLE),
        last_phase=layout.PHASES[last] if 0 <= last < len(layout.PHASES) else f"number {last}",
    )


def _difference(
    row: int,
    first_seq: int,
    recorded: dict[str, npt.NDArray[np.int32]],
    recomputed: dict[str, npt.NDArray[np.int32]],
) -> Difference:
    name = next(name for name in COMPARED if recorded[name][row] != recomputed[name][row])
    return Difference(first_seq + row, name, int(recorded[name][row]), int(recomputed[name][row]))


def _from_load(path: str, chunks: Sequence[Chunk]) -> list[Chunk]:
    """The chunks from the one whose first tick took a load on."""
    for number, chunk in enumerate(chunks):
        action = _actions(chunk).get(chunk.message.seq)
        if chunk.message.parameters is not None and action == layout.ACTION_LOAD:
            return list(chunks[number:])
    raise LoadMissing(f"{path} holds no load with its parameters: a replay begins there")


def _require(path: str, chunks: Sequence[Chunk]) -> None:
    """Refuse what another kernel made, what is not whole, and what lacks a row."""
    expected = chunks[0].message.seq
    for chunk in chunks:
        message, where = chunk.message, f"{path}:{chunk.line}"
        if message.kernel_version != layout.KERNEL_VERSION:
            raise Unreadable(
                f"{where}: recorded by kernel version {message.kernel_version}, "
                f"this program has {layout.KERNEL_VERSION}: replay it with that version"
            )
        if message.seq != expected:
            raise Unreadable(
                f"{where}: begins at seq {message.seq}, expected {expected}: samples are missing"
            )
        expected += message.count
        if missing := [name for name in REQUIRED if name not in chunk.columns]:
            raise Unreadable(f"{where}: columns {', '.join(missing)} are missing")
        if message.parameters is not None and tuple(message.parameters) != PARAMETER_NAMES:
            raise Unreadable(
                f"{where}: its parameters are not those of kernel version {layout.KERNEL_VERSION}"
            )
        if message.parameters is None and _actions(chunk).get(message.seq) in PARAMETER_ACTIONS:
            raise Unreadable(f"{where}: parameters were taken at seq {message.seq} and are not recorded")
    if expected == chunks[0].message.seq:
        raise Unreadable(f"{path} holds no samples")


def _actions(chunk: Chunk) -> dict[int, int]:
    """What the kernel was told, by seq."""
    rows = (row for row in chunk.message.actions if row.get("refusal") not in LOOP_REFUSALS)
    return {row["seq"]: row["action"] for row in rows if "seq" in row and "action" in row}


def _ticks(chunks: Sequence[Chunk]) -> Iterator[tuple[int, int, list[float] | None]]:
    """Of every sample: its row, the action the kernel was told, and parameters staged for it."""
    row = 0
    for chunk in chunks:
        actions = _actions(chunk)
        staged = list(chunk.message.parameters.values()) if chunk.message.parameters else None
        for seq in range(chunk.message.seq, chunk.message.seq + chunk.message.count):
            yield row, actions.get(seq, layout.ACTION_NONE), staged
            row, staged = row + 1, None


def _recompute(
    chunks: Sequence[Chunk], recorded: dict[str, npt.NDArray[np.int32]]
) -> dict[str, npt.NDArray[np.int32]]:
    """Commands and phases as the kernel makes them of the recorded readings and actions."""
    from services.controller.kernel import step as kernel

    period_s = chunks[0].message.period_ms / 1000
    readings = np.stack([recorded[name] for name in layout.READINGS], axis=1)
    samples = np.zeros((len(readings), len(layout.SAMPLES)), np.int32)
    params, state = kernel.new_parameters(1, period_s), kernel.new_state(1)
    staged = params.copy()
    reading, action = np.zeros((len(layout.READINGS), 1), np.int32), np.zeros(1, np.int32)
    sample, command = (
        np.zeros((len(layout.SAMPLES), 1), np.int32),
        np.zeros((len(layout.COMMANDS), 1), np.int32),
    )
    for row, told, parameters in _ticks(chunks):
        if parameters is not None:
            staged[:, 0] = parameters
        reading[:, 0], action[0] = readings[row], told
        kernel.step(params, staged, state, reading, action, sample, command)
        samples[row] = sample[:, 0]
    return {name: samples[:, layout.SAMPLES.index(name)] for name in COMPARED}


def tell(result: Result) -> str:
    """The result in a line or two."""
    of = f"{result.samples} samples from seq {result.first_seq} of session {result.session}"
    first = result.first_difference
    if first is None:
        end = "" if result.complete else f"; it ends in {result.last_phase}, before the session does"
        return f"equal: {result.commands_compared} commands, {of}{end}"
    return (
        f"they part at seq {first.seq}: {first.row} was {first.recorded}, recomputed {first.recomputed}\n"
        f"{result.differing_samples} of {of} differ"
    )
