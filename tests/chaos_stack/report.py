"""What a run of the table came to: JSON for programs, rows of docs/operations.md for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from chaos.watch import Figures

from deploy.reference import OPERATIONS, with_part

OUTPUT = Path(__file__).parents[2] / "test-output" / "chaos-stack.json"
MARK = "chaos-stack"
HEAD = (
    "| fault | lasts | lost | twice | billed, promised twice | committed after | oldest waited | in spools |",
    "|---|---:|---:|---:|---:|---:|---:|---:|",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fault's figures."""

    fault: str
    lasted_s: float  # 0: a kill
    lost: int  # samples and events
    duplicates: int
    double: (
        int  # sessions charged or billed twice, numbers missing, beds, therapists, patients promised twice
    )
    recovery_s: float  # from its end (a kill: from the kill) until the next second of every bed is committed
    behind_s: float  # the oldest sample that was not committed, at its oldest
    spool_rows: int  # uncommitted messages of all gateways together, at their most
    samples: int  # stored from its beginning to the audit
    sessions_billed: int  # so far
    desks: dict[str, int]  # what they have done so far

    @classmethod
    def of(
        cls, fault: str, lasted_s: float, recovery_s: float, figures: Figures, before: Mapping[str, Any],
        report: Mapping[str, Any], desks: dict[str, int],
    ) -> Self:  # fmt: skip
        """From the audits before and after it."""
        totals = {
            what: report[f"{what}_samples"] + report[f"{what}_events"] for what in ("lost", "duplicate")
        }
        lists = [found for name in ("billing", "scheduler") for found in report[name].values()]
        return cls(
            fault, lasted_s, totals["lost"], totals["duplicate"],
            sum(len(found) for found in lists if isinstance(found, list)), round(recovery_s, 1),
            round(figures.behind_s, 1), figures.spool_rows, report["samples"] - before["samples"],
            report["billing"]["sessions"], desks,
        )  # fmt: skip


def write_json(outcomes: Sequence[Outcome], *, form: str) -> None:
    """test-output/chaos-stack.json: the run and its outcomes so far."""
    OUTPUT.parent.mkdir(exist_ok=True)
    report = {
        "form": form,
        "lost": sum(outcome.lost for outcome in outcomes),
        "duplicates": sum(outcome.duplicates for outcome in outcomes),
        "double": sum(outcome.double for outcome in outcomes),
        "faults": [asdict(outcome) for outcome in outcomes],
    }
    OUTPUT.write_text(json.dumps(report, indent=2) + "\n")


def write_page(outcomes: Sequence[Outcome], page: Path = OPERATIONS) -> None:
    """Put the table between its marks."""
    rows = "\n".join([*HEAD, *(_row(outcome) for outcome in outcomes)])
    page.write_text(with_part(page.read_text(encoding="utf-8"), MARK, rows), encoding="utf-8")


def _row(outcome: Outcome) -> str:
    lasted = f"{outcome.lasted_s:g} s" if outcome.lasted_s else ""
    cells = (
        outcome.fault, lasted, outcome.lost, outcome.duplicates, outcome.double,
        f"{outcome.recovery_s:.1f} s", f"{outcome.behind_s:.1f} s", outcome.spool_rows,
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"
