"""What a run of the table came to: JSON for programs, rows of docs/operations.md for people."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.reference import OPERATIONS, with_part

OUTPUT = Path(__file__).parents[2] / "test-output" / "chaos.json"
MARK = "chaos"
HEAD = (
    "| fault | lasts | lost | twice | committed after | oldest waited | rows in spools | late blocks |",
    "|---|---:|---:|---:|---:|---:|---:|---:|",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fault's figures; ``clean`` is the exit status of `spondyl audit` being 0."""

    fault: str
    lasted_s: float  # 0: a kill
    lost: int  # samples and events
    duplicates: int
    clean: bool
    recovery_s: float  # from its end (a kill: from the kill) until the next second of every bed is committed
    behind_s: float  # the oldest sample that was not committed, at its oldest
    spool_rows: int  # uncommitted messages of all gateways together, at their most
    spool_bytes: int  # of the largest spool
    late_blocks: int  # stored behind their successors because of it
    samples: int  # stored from its beginning to the audit
    audit_s: float  # until `spondyl audit` had an answer, what it waited for gateways included


def write_json(outcomes: Sequence[Outcome], *, form: str, seed: int) -> None:
    """test-output/chaos.json: the run and its outcomes so far."""
    OUTPUT.parent.mkdir(exist_ok=True)
    report = {
        "form": form,
        "seed": seed,
        "lost": sum(outcome.lost for outcome in outcomes),
        "duplicates": sum(outcome.duplicates for outcome in outcomes),
        "clean": all(outcome.clean for outcome in outcomes),
        "faults": [asdict(outcome) for outcome in outcomes],
    }
    OUTPUT.write_text(json.dumps(report, indent=2) + "\n")


def table(outcomes: Sequence[Outcome]) -> str:
    """The rows of docs/operations.md."""
    return "\n".join([*HEAD, *(_row(outcome) for outcome in outcomes)])


def write_page(outcomes: Sequence[Outcome], page: Path = OPERATIONS) -> None:
    """Put the table between its marks."""
    page.write_text(with_part(page.read_text(encoding="utf-8"), MARK, table(outcomes)), encoding="utf-8")


def _row(outcome: Outcome) -> str:
    lasted = f"{outcome.lasted_s:g} s" if outcome.lasted_s else ""
    cells = (
        outcome.fault, lasted, outcome.lost, outcome.duplicates, f"{outcome.recovery_s:.1f} s",
        f"{outcome.behind_s:.1f} s", outcome.spool_rows, outcome.late_blocks,
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"
