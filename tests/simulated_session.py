"""A whole simulated session as the gateway would publish it: blocks, black-box chunks, events, summary."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from broker.messages import SessionSummary
from services.controller.kernel import layout
from services.controller.recorder.blocks import blackbox_payload, chunk_edges, tension_payload
from services.controller.recorder.summary import SessionFacts, Tally
from services.controller.simulation import simulate as simulation

BOOT = UUID("b0070000-0000-4000-8000-000000000007")
SESSION = UUID("5e551011-0000-4000-8000-00000000000a")
PATIENT = UUID("9a71e070-0000-4000-8000-000000000001")
CURE = UUID("c07e0000-0000-4000-8000-000000000001")
STARTED_NS = int(datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp()) * 10**9
PERIOD_NS = 20_000_000
BLOCK = 10
CHUNK = 250


@dataclass(frozen=True)
class Session:
    """``offset`` idle samples come before; entries are (first, count, payload) as the hot store has them."""

    first: int  # seq of the load
    samples: Any  # int32[n, SAMPLES]
    tension: list[tuple[int, int, bytes]]
    blackbox: list[tuple[int, int, bytes]]
    summary: SessionSummary
    told: tuple[tuple[str, int, None, dict[str, Any]], ...] = ()  # more events: type, seq, None, data

    @property
    def last(self):
        """Seq of the last sample."""
        return len(self.samples) - 1

    def losing(self, first, after, *, link=False):
        """The same with load cell or link lost for these samples: what the gateway then publishes."""
        samples = self.samples.copy()
        lost = samples[first:after]
        if link:
            lost[:] = np.where(np.isin(layout.SAMPLES, layout.READINGS), samples[first - 1], lost)
            lost[:, layout.S_AGE] = np.arange(1, after - first + 1) * (PERIOD_NS // 1_000_000)
        else:
            lost[:, layout.S_FORCE] = 0
            lost[:, layout.S_STATUS] &= ~layout.STATUS_FORCE_VALID
        return replace(self, samples=samples, tension=_blocks(samples))

    def events(self):
        """Payloads of started, every guarding and completed."""
        told = [("session.started", self.first, None, {"region": "lumbar", "segment": "L4/L5"})]
        for bit, name in (
            (layout.EVENT_GUARDING_DETECTED, "guarding.detected"),
            (layout.EVENT_GUARDING_RELEASED, "guarding.released"),
        ):
            rows = np.flatnonzero(self.samples[:, layout.S_EVENTS] & bit).tolist()
            told += [(name, row, None, {}) for row in rows]
        told += self.told
        told.sort(key=lambda row: row[1])
        told.append(("session.completed", self.last, self.summary, {}))
        return [_event(index, *row) for index, row in enumerate(told)]


def _event(index, kind, seq, summary, data):
    return orjson.dumps({
        "id": str(UUID(int=10_000 + index)), "type": kind, "boot": str(BOOT), "seq": seq, "index": index,
        "at": datetime.fromtimestamp((STARTED_NS + seq * PERIOD_NS) / 1e9, UTC).isoformat(),
        "session": str(SESSION), "data": data,
        "summary": summary.model_dump(mode="json") if summary else None,
    })  # fmt: skip


def _times(samples):
    ticks = np.arange(len(samples), dtype=np.int64)
    return np.column_stack((ticks, ticks * PERIOD_NS, STARTED_NS + ticks * PERIOD_NS))


def _blocks(samples):
    times = _times(samples)
    return [
        (first, len(times[first : first + BLOCK]),
         tension_payload(BOOT, 20.0, times[first : first + BLOCK], samples[first : first + BLOCK]))
        for first in range(0, len(samples), BLOCK)
    ]  # fmt: skip


@cache
def simulated(minutes=1.0, offset=0, seed=7):
    """One session of so many minutes' traction, behind ``offset`` idle samples."""
    plan = simulation.Plan(simulation.prescribed(None), seed, minutes, PERIOD_NS / 1e9, None)
    course = simulation.simulate(plan)
    idle = np.zeros((offset, len(layout.SAMPLES)), np.int32)
    idle[:, layout.S_STATUS] = layout.STATUS_FORCE_VALID
    samples = np.concatenate([idle, course.samples])
    times, tension = _times(samples), _blocks(samples)
    cuts = sorted({*range(0, len(samples), CHUNK), offset, *chunk_edges(samples, 0, layout.IDLE)})
    blackbox = [
        (first, after - first,
         blackbox_payload(BOOT, 20.0, times[first:after], samples[first:after],
                          SESSION if first >= offset else None,
                          course.parameters if first == offset else None))
        for first, after in zip(cuts, [*cuts[1:], len(samples)], strict=True)
    ]  # fmt: skip
    tally = Tally(PERIOD_NS)
    tally.add(times[offset:], samples[offset:])
    facts = SessionFacts(SESSION, PATIENT, CURE, None, "lumbar", "L4/L5")
    summary = tally.summary(facts, "completed", STARTED_NS)
    return Session(offset, samples, tension, blackbox, summary)
