"""What a session came to, counted from its samples: the same however the stream of samples is cut.

All sums are integers (counts of the bed's edge, millinewtons), so that adding up block by block, over a
recorder's death and restart, gives exactly what one pass over the whole session would.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import sqrt
from typing import Any, Final, Literal, cast
from uuid import UUID

import numpy as np
import numpy.typing as npt

from broker.messages import SessionSummary
from services.controller.kernel import layout
from services.controller.recorder.blocks import is_blind

# What counts as traction (billed, compared with the prescription): the phases in which the kernel's traction
# clock runs, precondition included, guarding too. Slack, cooldown and pauses do not count.
TRACTION_PHASES: Final = (
    layout.PRECONDITION, layout.RAMP, layout.HOLD, layout.RELEASE, layout.REST, layout.GUARDED,
    layout.REBUILD,
)  # fmt: skip
OUTSIDE_PHASES: Final = (layout.IDLE, layout.READY)  # a patient may be confirmed, nothing is being done yet
ENDED_PHASES: Final = (layout.DONE, layout.STOPPED, layout.FAULT)
MN_PER_DN: Final = 100


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What the operator's side knows of a session and samples do not tell: ids, segment, pain."""

    session: UUID
    patient: UUID
    cure: UUID | None
    appointment: UUID | None
    region: Literal["lumbar", "cervical"]
    segment: str
    pain_before: int | None = None
    pain_after: int | None = None
    account: str | None = None  # who confirmed it at the bed
    correlation: str | None = None  # of that tap


@dataclass(slots=True)
class Tally:
    """Running sums of one session; integers only, JSON-able by ``dump``.

    Ticks are counted by phase; a started session's clock runs from its first tick outside idle and ready to
    its last tick before done, stopped or fault (wall clock of the loop, for the record only).
    """

    period_ns: int
    started_ns: int | None = None
    ended_ns: int | None = None
    phase_ticks: list[int] = field(default_factory=lambda: [0] * len(layout.PHASES))
    heat_ticks: int = 0
    peak_dn: int = 0
    hold_sum_dn: int = 0
    hold_error_mn2: int = 0
    cycles: int = 0
    guardings: int = 0
    hold_blind_ticks: int = 0  # of the holds' ticks: those whose tension was not measured

    def add(self, times: npt.NDArray[np.int64], samples: npt.NDArray[np.int32]) -> None:
        """Count these samples (int64[n, 3], int32[n, SAMPLES], n >= 0) of this session, in their order."""
        if not len(samples):
            return
        phase, force = samples[:, layout.S_PHASE], samples[:, layout.S_FORCE]
        counts = np.bincount(phase, minlength=len(layout.PHASES)).tolist()
        self.phase_ticks = [old + new for old, new in zip(self.phase_ticks, counts, strict=True)]
        self.heat_ticks += int(np.count_nonzero(samples[:, layout.S_OUTPUTS] & layout.OUTPUT_HEAT))
        events = samples[:, layout.S_EVENTS]
        self.cycles += int(np.count_nonzero(events & layout.EVENT_CYCLE_COMPLETED))
        self.guardings += int(np.count_nonzero(events & layout.EVENT_GUARDING_DETECTED))
        self._add_clock(times, ~np.isin(phase, OUTSIDE_PHASES + ENDED_PHASES))
        self._add_forces(force, samples[:, layout.S_TARGET], phase, ~is_blind(samples))

    def _add_clock(self, times: npt.NDArray[np.int64], treating: npt.NDArray[np.bool_]) -> None:
        ticks = np.flatnonzero(treating)
        if not len(ticks):
            return
        if self.started_ns is None:
            self.started_ns = int(times[ticks[0], 2])
        self.ended_ns = int(times[ticks[-1], 2]) + self.period_ns

    def _add_forces(
        self,
        force: npt.NDArray[np.int32],
        target: npt.NDArray[np.int32],
        phase: npt.NDArray[np.int32],
        measured: npt.NDArray[np.bool_],
    ) -> None:
        treated = force[~np.isin(phase, OUTSIDE_PHASES) & measured]
        if len(treated):
            self.peak_dn = max(self.peak_dn, int(treated.max()))
        holding = phase == layout.HOLD
        hold = holding & measured
        self.hold_blind_ticks += int(np.count_nonzero(holding & ~measured))
        held = force[hold].astype(np.int64)
        error = held * MN_PER_DN - target[hold]
        self.hold_sum_dn += int(held.sum())
        self.hold_error_mn2 += int((error * error).sum())

    @property
    def started(self) -> bool:
        """True once the session went beyond ready."""
        return self.started_ns is not None

    def seconds(self, *phases: int) -> float:
        """Time spent in these phases (s), by counting ticks."""
        return sum(self.phase_ticks[phase] for phase in phases) * self.period_ns / 1e9

    def dump(self) -> dict[str, Any]:
        """The sums as JSON-able values."""
        return asdict(self)

    @classmethod
    def restore(cls, dumped: Mapping[str, Any]) -> "Tally":
        """The sums that ``dump`` gave."""
        return cls(**dumped)

    def summary(self, facts: SessionFacts, reason: str, now_ns: int) -> SessionSummary:
        """The finished session; ``now_ns`` (wall clock) stands in for the clock of one that never started."""
        started_ns = now_ns if self.started_ns is None else self.started_ns
        ended_ns = now_ns if self.ended_ns is None else self.ended_ns
        held = self.phase_ticks[layout.HOLD] - self.hold_blind_ticks
        return SessionSummary(
            session=facts.session,
            patient=facts.patient,
            cure=facts.cure,
            appointment=facts.appointment,
            region=facts.region,
            segment=facts.segment,
            started_at=datetime.fromtimestamp(started_ns / 1e9, UTC),
            ended_at=datetime.fromtimestamp(ended_ns / 1e9, UTC),
            reason=reason,
            traction_s=round(self.seconds(*TRACTION_PHASES), 3),
            heat_s=round(self.heat_ticks * self.period_ns / 1e9, 3),
            peak_n=self.peak_dn / 10,
            hold_mean_n=round(self.hold_sum_dn / held / 10, 2) if held else None,
            hold_rms_n=round(sqrt(self.hold_error_mn2 / held) / 1000, 3) if held else None,
            cycles=self.cycles,
            guardings=self.guardings,
            phase_s={
                name: round(self.seconds(number), 3)
                for number, name in enumerate(layout.PHASES)
                if self.phase_ticks[number]
            },
            pain_before=facts.pain_before,
            pain_after=facts.pain_after,
        )


def facts_from(row: Mapping[str, Any]) -> SessionFacts:
    """Facts from plain JSON values, as the recorder keeps them beside the sums."""

    def optional(name: str) -> UUID | None:
        return UUID(row[name]) if row.get(name) else None

    return SessionFacts(
        session=UUID(row["session"]),
        patient=UUID(row["patient"]),
        cure=optional("cure"),
        appointment=optional("appointment"),
        region=cast("Literal['lumbar', 'cervical']", row["region"]),
        segment=str(row["segment"]),
        pain_before=row.get("pain_before"),
        pain_after=row.get("pain_after"),
        account=row.get("account"),
        correlation=row.get("correlation"),
    )


def plain(facts: SessionFacts) -> dict[str, Any]:
    """The facts as JSON-able values; ``facts_from`` reads them back."""
    return {name: str(value) if isinstance(value, UUID) else value for name, value in asdict(facts).items()}
