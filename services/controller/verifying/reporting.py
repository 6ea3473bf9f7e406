"""What a verification found, as plain values, for a person and as a page of the documentation."""

import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import llvmlite
import numba
import numpy as np

from services.controller.kernel import layout
from services.controller.kernel.faults import FAULT_KINDS
from services.controller.verifying import rows as r
from services.controller.verifying.running import Outcome

SESSION_S = 1800.0
EXAMPLES = 5  # sessions named of each invariant that was broken


@dataclass(slots=True)
class Tally:
    """Sums over sessions; every invariant and every cause stands in it, zeros too."""

    seed: int
    asked: str  # kinds of faults, as told
    sessions: int = 0
    simulated_s: float = 0.0
    beyond_drive: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    periods: Counter[str] = field(default_factory=Counter)
    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    begun: float = field(default_factory=time.perf_counter)
    processor_begun: float = field(default_factory=time.process_time)

    def add(self, one: Outcome) -> None:
        """Count a session that is over."""
        self.sessions += 1
        self.simulated_s += one.ticks * one.period_s
        self.beyond_drive += one.beyond_drive
        self.violations.update(one.broken)
        self.excused.update(one.excused)
        self.faults.update(one.faults)
        self.reasons[one.reason] += 1
        self.phases[one.phase] += 1
        self.periods[f"{1000 * one.period_s:g}"] += 1
        for name in one.broken:
            examples = self.found.setdefault(name, [])
            if len(examples) < EXAMPLES:
                examples.append(self._example(one, name))

    def _example(self, one: Outcome, name: str) -> dict[str, Any]:
        return {
            "session": one.number,
            "at_s": one.first_s.get(name),
            "ticks": one.broken[name],
            "replay": self.replay(one),
        }

    def replay(self, one: Outcome) -> str:
        """The command that runs a session alone."""
        faults = "" if self.asked == "all" else f" --faults {self.asked}"
        return f"spondyl verify --seed {self.seed}{faults} --only {one.number}"

    def result(self) -> dict[str, Any]:
        """The report; rates are of this process's wall clock and of its processor time."""
        wall_s = time.perf_counter() - self.begun
        processor_s = max(time.process_time() - self.processor_begun, 1e-9)
        whole = self.simulated_s / SESSION_S
        return {
            "sessions": self.sessions,
            "seed": self.seed,
            "violations": {name: self.violations[name] for name in r.INVARIANT_NAMES},
            "violations_total": self.violations.total(),
            "found": self.found,
            "beyond_drive": self.beyond_drive,
            "excused": {name: self.excused[name] for name in r.EXCUSE_NAMES},
            "faults": {name: self.faults[name] for name in FAULT_KINDS},
            "reasons": dict(sorted(self.reasons.items())),
            "ended_in": dict(sorted(self.phases.items())),
            "by_period_ms": dict(sorted(self.periods.items())),
            "bed_hours": round(self.simulated_s / 3600.0, 2),
            "seconds": round(wall_s, 2),
            "sessions_per_minute": round(60.0 * self.sessions / wall_s, 1),
            "thirty_minute_sessions_per_minute": round(60.0 * whole / wall_s, 1),
            "thirty_minute_sessions_per_processor_minute": round(60.0 * whole / processor_s, 1),
            "versions": {
                "kernel": layout.KERNEL_VERSION,
                "python": platform.python_version(),
                "numba": numba.__version__,
                "llvmlite": llvmlite.__version__,
                "numpy": np.__version__,
            },
        }


def words(result: dict[str, Any]) -> str:
    """The report for a person."""
    broken = {name: count for name, count in result["violations"].items() if count}
    lines = [
        f"{result['sessions']} sessions, {result['bed_hours']:g} bed-hours",
        f"a minute: {result['sessions_per_minute']:g} sessions",
        f"... of thirty minutes: {result['thirty_minute_sessions_per_minute']:g}",
        f"violations: {broken or 'none'}",
        f"contractions faster than the drive can yield: {result['beyond_drive']}",
        "excused ticks: " + _listed(result["excused"]),
        "faults: " + _listed(result["faults"]),
        "ended: " + _listed(result["reasons"]),
    ]
    for name, examples in result["found"].items():
        lines += [f"{name} at {one['at_s']} s: {one['replay']}" for one in examples]
    return "\n".join(lines)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "none"


def page(result: dict[str, Any], command: str) -> str:
    """docs/verification.md."""
    lines = [
        "# What a verification found",
        "",
        f"Written by `{command}`;",
        "the invariants, what excuses a breach, and what is drawn stand in",
        "[simulation.md](simulation.md). Nobody was treated: beds, people and faults are models.",
        "",
        "| | |",
        "|---|---|",
        f"| sessions | {result['sessions']} (seed {result['seed']}) |",
        f"| bed-hours | {result['bed_hours']:g} |",
        f"| violations | {result['violations_total']} |",
        f"| contractions faster than the drive can yield | {result['beyond_drive']} |",
        f"| sessions a minute | {result['sessions_per_minute']:g} |",
        f"| ... of thirty minutes | {result['thirty_minute_sessions_per_minute']:g} |",
        f"| ... a minute of processor time | {result['thirty_minute_sessions_per_processor_minute']:g} |",
        f"| periods | {', '.join(f'{count} at {ms} ms' for ms, count in result['by_period_ms'].items())} |",
        f"| versions | {', '.join(f'{name} {value}' for name, value in result['versions'].items())} |",
        "",
        *_table("Invariants", ("invariant", "what may not be", "ticks"),
                ((name, r.INVARIANTS[name], count) for name, count in result["violations"].items())),
        *_table("Excused", ("cause", "what it is", "ticks"),
                ((name, r.EXCUSES[name], count) for name, count in result["excused"].items())),
        *_table("Faults given", ("fault", "times"), result["faults"].items()),
        *_table("How sessions ended", ("reason", "sessions"), result["reasons"].items()),
    ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def _table(title: str, heads: tuple[str, ...], rows: Any) -> list[str]:
    told = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return [f"## {title}", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *told, ""]
