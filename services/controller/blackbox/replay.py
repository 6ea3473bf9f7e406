"""A recorded session through the kernel that made it: the same commands bit for bit, or where they part.

Readings and actions are fed in as recorded, from the load on, which resets all of a bed's control state; what
the kernel makes of them is compared with what it made of them then. Nothing of the plant is simulated. Rows,
columns and parameters are those of the kernel version that the recording names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from broker.messages import BlackboxChunk
from services.controller.blackbox.recording import Chunk, LoadMissing, Unreadable, read
from services.controller.shipped.kernels import Kernel, kernel

Columns = dict[str, npt.NDArray[np.int32]]

# A bed may lack these readings, and a recording the column: then it is what a bed without it says.
ABSENT: Final = {"effort_duv": -1}
LARGEST: Final = 2**31 - 1  # of an int32 row
ENDED: Final = ("done", "stopped", "fault", "idle")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where recorded and recomputed part for the first time: counts, and what they mean."""

    seq: int
    at: datetime
    after_load_s: float
    row: str
    recorded: int
    recomputed: int
    meaning: tuple[str, str]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "seq": self.seq,
            "at": self.at.isoformat(),
            "after_load_s": self.after_load_s,
            "row": self.row,
            "recorded": self.recorded,
            "recomputed": self.recomputed,
            "recorded_told": self.meaning[0],
            "recomputed_told": self.meaning[1],
        }


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay came to. One command a sample: the drive's velocity and the outputs."""

    boot: UUID
    session: UUID | None
    kernel_recorded: int
    kernel_used: int
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
            "kernel_recorded": self.kernel_recorded,
            "kernel_used": self.kernel_used,
            "first_seq": self.first_seq,
            "samples": self.samples,
            "commands_compared": self.commands_compared,
            "equal": self.equal,
            "differing_samples": self.differing_samples,
            "first_difference": first.as_json() if first else None,
            "complete": self.complete,
            "last_phase": self.last_phase,
        }


def local(session: UUID, data: Path) -> Path | None:
    """The gateway's own recording of a session below the data directory, while it is still there."""
    return next(iter(sorted(data.glob(f"gateways/*/recordings/{session}.jsonl"))), None)


def phases_of(version: int) -> tuple[str, ...]:
    """The phases that recordings of this kernel version count; NotShipped where none of it is."""
    return tuple(kernel(version).layout.PHASES)


def replay(path: Path) -> Result:
    """Recompute a recording; raises Unreadable when it cannot be replayed, and says why."""
    return recompute(str(path), read(path))


def recompute(path: str, recording: Sequence[Chunk]) -> Result:
    """Recompute the chunks of a recording, in the order of their samples; ``path`` names it in a refusal.

    Raises Unreadable when it cannot be replayed, NotShipped when the kernel that made it is not there.
    """
    load = _load(path, recording)
    used = kernel(load.message.kernel_version)
    chunks = list(recording[recording.index(load) :])
    _require(path, chunks, used)
    recorded = _recorded(chunks, used)
    recomputed = _recompute(chunks, recorded, used)
    rows = np.flatnonzero(np.any([recorded[name] != recomputed[name] for name in recomputed], axis=0))
    last = _phase(int(recorded["phase"][-1]), used)
    return Result(
        boot=load.message.boot,
        session=load.message.session,
        kernel_recorded=load.message.kernel_version,
        kernel_used=used.version,
        first_seq=load.message.seq,
        samples=len(recorded["phase"]),
        commands_compared=len(recorded["phase"]),
        equal=not len(rows),
        differing_samples=len(rows),
        first_difference=_difference(int(rows[0]), chunks, recorded, recomputed, used) if len(rows) else None,
        complete=last in ENDED,
        last_phase=last,
    )


def _compared(used: Kernel) -> tuple[str, ...]:
    return (*used.layout.COMMANDS, "phase")


def _difference(
    row: int, chunks: Sequence[Chunk], recorded: Columns, recomputed: Columns, used: Kernel
) -> Difference:
    name = next(name for name in _compared(used) if recorded[name][row] != recomputed[name][row])
    was, became = int(recorded[name][row]), int(recomputed[name][row])
    seq = chunks[0].message.seq + row
    chunk = max((chunk.message for chunk in chunks if chunk.message.seq <= seq), key=lambda one: one.seq)
    return Difference(
        seq=seq,
        at=chunk.started_at + timedelta(milliseconds=(seq - chunk.seq) * chunk.period_ms),
        after_load_s=round(row * chunk.period_ms / 1000.0, 6),
        row=name,
        recorded=was,
        recomputed=became,
        meaning=(_meaning(name, was, used), _meaning(name, became, used)),
    )


def _meaning(row: str, count: int, used: Kernel) -> str:
    """A count as a person would say it."""
    if row == "phase":
        return _phase(count, used)
    if row == "velocity_ums":
        return f"{count / 1000:.3f} mm/s"
    return "+".join(name for bit, name in OUTPUTS if count & bit) or "nothing on"


OUTPUTS: Final = (
    (1, "power"),
    (2, "heat"),
    (4, "switch test"),
    (8, "free"),
)  # layout.OUTPUT_*


def _phase(index: int, used: Kernel) -> str:
    phases = used.layout.PHASES
    return str(phases[index]) if 0 <= index < len(phases) else f"number {index}"


def _load(path: str, chunks: Sequence[Chunk]) -> Chunk:
    """The chunk whose first tick took a load."""
    for chunk in chunks:
        if chunk.message.parameters is not None:
            used = kernel(chunk.message.kernel_version)
            if _took(chunk, used).get(chunk.message.seq) == used.layout.ACTION_LOAD:
                return chunk
    raise LoadMissing(f"{path} holds no load with its parameters: a replay begins there")


def _require(path: str, chunks: Sequence[Chunk], used: Kernel) -> None:
    """Refuse what another kernel made, what is not whole, and what lacks a row."""
    expected = chunks[0].message.seq
    for chunk in chunks:
        message, where = chunk.message, f"{path}:{chunk.line}"
        if message.kernel_version != used.version:
            raise Unreadable(
                f"{where}: recorded by kernel version {message.kernel_version}, its load by {used.version}"
            )
        if message.seq != expected:
            raise Unreadable(
                f"{where}: begins at seq {message.seq}, expected {expected}: samples are missing"
            )
        if message.period_ms != chunks[0].message.period_ms:
            raise Unreadable(
                f"{where}: a period of {message.period_ms:g} ms, "
                f"its load has {chunks[0].message.period_ms:g} ms"
            )
        expected += message.count
        _require_rows(where, chunk, used)
        _require_actions(where, message)
        _require_parameters(where, chunk, used)
    if expected == chunks[0].message.seq:
        raise Unreadable(f"{path} holds no samples")


def _require_rows(where: str, chunk: Chunk, used: Kernel) -> None:
    required = {*used.layout.READINGS, *_compared(used)} - ABSENT.keys()
    if missing := sorted(required - chunk.columns.keys()):
        raise Unreadable(f"{where}: columns {', '.join(missing)} are missing")


def _require_actions(where: str, message: BlackboxChunk) -> None:
    """Refuse actions that are not told whole, that no kernel can be given, or that lie beside the chunk."""
    for row in message.actions:
        if missing := sorted({"seq", "action", "refusal"} - row.keys()):
            raise Unreadable(f"{where}: action {row} lacks {', '.join(missing)}")
        if row["action"] > LARGEST:
            raise Unreadable(f"{where}: action {row['action']} is none: the largest count is {LARGEST}")
        if not message.seq <= row["seq"] < message.seq + message.count:
            raise Unreadable(
                f"{where}: action at seq {row['seq']}: the line's samples are {message.seq} to "
                f"{message.seq + message.count - 1}"
            )


def _require_parameters(where: str, chunk: Chunk, used: Kernel) -> None:
    """Refuse a load or change whose parameters are not recorded: a chunk can hold those of its first tick."""
    message, took = chunk.message, _took(chunk, used)
    if message.parameters is not None and tuple(message.parameters) != used.tuning.PARAMETER_NAMES:
        raise Unreadable(f"{where}: its parameters are not those of kernel version {used.version}")
    if inside := sorted(took.keys() - {message.seq}):
        raise Unreadable(
            f"{where}: parameters were taken at seq {inside[0]}, in the middle of the line, "
            "and are not recorded"
        )
    if message.parameters is None and took:
        raise Unreadable(f"{where}: parameters were taken at seq {message.seq} and are not recorded")


def _took(chunk: Chunk, used: Kernel) -> dict[int, int]:
    """Loads and changes by the seq at which the kernel took their parameters: it refused none of them."""
    layout = used.layout
    return {
        row["seq"]: row["action"]
        for row in chunk.message.actions
        if row.get("action") in (layout.ACTION_LOAD, layout.ACTION_CHANGE)
        and row.get("refusal") == layout.REFUSAL_NONE
        and "seq" in row
    }


def _actions(chunk: Chunk, used: Kernel) -> dict[int, int]:
    """What the kernel was told, by seq; of what the loop refuses by itself it never heard."""
    layout = used.layout
    unheard = (layout.REFUSAL_REMOTE, layout.REFUSAL_OVERTAKEN, layout.REFUSAL_TOO_LATE)
    return {row["seq"]: row["action"] for row in chunk.message.actions if row["refusal"] not in unheard}


def _recorded(chunks: Sequence[Chunk], used: Kernel) -> Columns:
    """The columns that are fed in and compared, whole."""
    return {
        name: np.concatenate([_column(chunk, name) for chunk in chunks])
        for name in (*used.layout.READINGS, *_compared(used))
    }


def _column(chunk: Chunk, name: str) -> npt.NDArray[np.int32]:
    if name in ABSENT and name not in chunk.columns:
        return np.full(chunk.message.count, ABSENT[name], np.int32)
    return chunk.columns[name]


def _ticks(chunks: Sequence[Chunk], used: Kernel) -> Iterator[tuple[int, int, list[float] | None]]:
    """Of every sample: its row, the action the kernel was told, and parameters staged for it."""
    row = 0
    for chunk in chunks:
        actions = _actions(chunk, used)
        staged = list(chunk.message.parameters.values()) if chunk.message.parameters else None
        for seq in range(chunk.message.seq, chunk.message.seq + chunk.message.count):
            yield row, actions.get(seq, used.layout.ACTION_NONE), staged
            row, staged = row + 1, None


def _recompute(chunks: Sequence[Chunk], recorded: Columns, used: Kernel) -> Columns:
    """Commands and phases as the kernel makes them of the recorded readings and actions."""
    layout, step = used.layout, used.step
    period_s = chunks[0].message.period_ms / 1000
    readings = np.stack([recorded[name] for name in layout.READINGS], axis=1)
    samples = np.zeros((len(readings), len(layout.SAMPLES)), np.int32)
    params, state = step.new_parameters(1, period_s), step.new_state(1)
    staged = params.copy()
    reading, action = np.zeros((len(layout.READINGS), 1), np.int32), np.zeros(1, np.int32)
    sample, command = (
        np.zeros((len(layout.SAMPLES), 1), np.int32),
        np.zeros((len(layout.COMMANDS), 1), np.int32),
    )
    for row, told, parameters in _ticks(chunks, used):
        if parameters is not None:
            staged[:, 0] = parameters
        reading[:, 0], action[0] = readings[row], told
        step.step(params, staged, state, reading, action, sample, command)
        samples[row] = sample[:, 0]
    return {name: samples[:, layout.SAMPLES.index(name)] for name in _compared(used)}


def tell(result: Result) -> str:
    """The result in a line or two."""
    of = f"{result.samples} samples from seq {result.first_seq} of session {result.session}"
    made = f"kernel version {result.kernel_used}"
    first = result.first_difference
    if first is None:
        end = "" if result.complete else f"; it ends in {result.last_phase}, before the session does"
        return f"equal: {result.commands_compared} commands, {of}, {made}{end}"
    return (
        f"they part at seq {first.seq}, {first.after_load_s:.3f} s after the load ({first.at.isoformat()}): "
        f"{first.row} was {first.recorded} ({first.meaning[0]}), "
        f"recomputed {first.recomputed} ({first.meaning[1]})\n"
        f"{result.differing_samples} of {of} differ, {made}"
    )
