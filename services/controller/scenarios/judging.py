"""What came of a scenario against what must come of it."""

from dataclasses import dataclass
from typing import Any

from services.controller.scenarios.files import Expect, Scenario
from services.controller.scenarios.playing import Played, play

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Differs:
    """One expectation that was not met."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        """For a person."""
        return f"{self.what}: expected {self.expected}, found {self.found}"

    def as_json(self) -> dict[str, str]:
        """For ``--json``."""
        return {"what": self.what, "expected": self.expected, "found": self.found}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A scenario that was played, its report, and where it is not what was expected."""

    played: Played
    report: dict[str, Any]
    differences: tuple[Differs, ...]

    @property
    def ok(self) -> bool:
        """All was as expected."""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """The report, and the verdict."""
        rows = [one.as_json() for one in self.differences]
        return self.report | {"why": self.played.scenario.why, "ok": self.ok, "differences": rows}


def judged(scenario: Scenario) -> Verdict:
    """Play a scenario and hold it to what it expects; raises SpondylError when it cannot be given."""
    played = play(scenario)
    report = played.report()
    return Verdict(played, report, tuple(differences(scenario.expect, report)))


def differences(expect: Expect, report: dict[str, Any]) -> list[Differs]:
    """Every expectation that a report does not meet."""
    found = [
        Differs(name, str(wanted), str(report[name]))
        for name, wanted in (("reason", expect.reason), ("ends", expect.ends))
        if report[name] != wanted
    ]
    if set(report["alarms"]) != set(expect.alarms):
        found.append(Differs("alarms", _listed(expect.alarms), _listed(report["alarms"])))
    for name, (value, bounds) in _spans(expect, report).items():
        if value is not None and not _within(value, bounds):
            found.append(Differs(name, told(bounds), f"{value:g}"))
    found += [
        Differs(f"invariant {name}", "0 ticks", str(count))
        for name, count in report["violations"].items()
        if count
    ]
    found += [
        Differs(f"excused {name}", "0 ticks", str(count))
        for name, count in report["excused"].items()
        if count and name not in expect.excused
    ]
    return found


def _spans(expect: Expect, report: dict[str, Any]) -> dict[str, tuple[float | None, Bounds]]:
    """Every number that is held to bounds: its value (None: there is none) and they."""
    met = [row for row in report["guarding"] if row["onset_s"] is not None]
    latencies = [row["latency_ms"] for row in met if row["latency_ms"] is not None]
    excesses = [row["peak_over_target_n"] for row in met]
    plain = ("guardings", "cycles", "traction_s", "max_tension_n", "last_peak_n", "left_n")
    return {
        **{name: (report[name], getattr(expect, name)) for name in plain},
        **{
            f"phase {name}": (report["phases"].get(name, 0.0), bounds)
            for name, bounds in expect.phases.items()
        },
        "contractions": (len(met), (expect.contractions, expect.contractions)),
        "missed": (sum(row["detected_s"] is None for row in met), expect.missed),
        "false_stops": (len(report["guarding"]) - len(met), expect.false_stops),
        "least latency_ms": (min(latencies, default=None), (expect.latency_ms[0], None)),
        "latency_ms": (max(latencies, default=None), (None, expect.latency_ms[1])),
        "over_n": (max(excesses, default=None), expect.over_n),
        "hold_rms_n": (report["tracking"]["hold_rms_n"], expect.hold_rms_n),
        "ramp_rms_n": (report["tracking"]["ramp_rms_n"], expect.ramp_rms_n),
    }


def _within(value: float, bounds: Bounds) -> bool:
    low, high = bounds
    return (low is None or value >= low) and (high is None or value <= high)


def told(bounds: Bounds) -> str:
    """A span in words."""
    low, high = bounds
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
