"""`spondyl verify`: imports the compiled parts when it runs."""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from services.kit.errors import SpondylError
from services.kit.options import AsJson

BAR = 30
EVERY_S = 0.5
SHARE = 0.1  # without a terminal: a line for every tenth
COMMAND = "spondyl verify --sessions {sessions} --faults {faults} --seed {seed} --write docs/verification.md"


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("verify")(verify)


def verify(
    sessions: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many sessions.")] = 2000,
    faults: Annotated[str, typer.Option(help="all, none, or kinds of faults by comma.")] = "all",
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Which sessions.")] = 1,
    only: Annotated[int | None, typer.Option(min=0, help="Run this session of the seed alone.")] = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Break copies of the kernel instead; each must be caught.")
    ] = False,
    write: Annotated[Path | None, typer.Option(help="Write the report as a page, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate random sessions on faulty beds and hold every tick to invariants; 0 only without a breach."""
    from services.controller import outputs

    if write is not None:
        outputs.require_writable(write)
    if mutants:
        _verify_mutants(as_json)
        return
    from services.controller.verifying import reporting

    numbers = list(range(sessions)) if only is None else [only]
    result = _run(seed, numbers, faults)
    interrupted = result["sessions"] < len(numbers)
    if interrupted:
        page = "" if write is None else f"; {write} is left as it was"
        print(f"interrupted after {result['sessions']} of {len(numbers)} sessions{page}", file=sys.stderr)
    elif write is not None:
        told = COMMAND.format(sessions=sessions, faults=faults, seed=seed)
        outputs.write_whole(write, reporting.page(result, told).encode())
    print(json.dumps(result) if as_json else reporting.words(result))
    if interrupted or result["violations_total"]:
        raise typer.Exit(130 if interrupted else 1)


def _run(seed: int, numbers: list[int], faults: str) -> dict[str, Any]:
    """What was found, of as many sessions as there were before somebody pressed Ctrl-C."""
    from services.controller.verifying import reporting, running

    kinds = fault_kinds(faults)
    running.load()
    tally = reporting.Tally(seed, faults)
    progress = Progress(len(numbers), sys.stderr)
    try:
        for outcome in running.outcomes(seed, numbers, kinds):
            tally.add(outcome)
            progress.found(
                f"{name} at {outcome.first_s.get(name)} s: {tally.replay(outcome)}" for name in outcome.broken
            )
            progress.show(tally.sessions, tally.violations.total())
    except KeyboardInterrupt:
        pass  # what is counted so far is told, and the status says that it is not all
    progress.close()
    return tally.result() | {"asked": len(numbers)}


def fault_kinds(told: str) -> tuple[str, ...]:
    """The kinds of faults of an option: all, none, or some by comma; raises SpondylError on any other."""
    from services.controller.kernel.faults import FAULT_KINDS

    if told == "all":
        return FAULT_KINDS
    if told == "none":
        return ()
    kinds = tuple(kind.strip() for kind in told.split(","))
    for kind in kinds:
        if kind not in FAULT_KINDS:
            raise SpondylError(f"--faults names {kind!r}: there are all, none, {', '.join(FAULT_KINDS)}")
    return kinds


class Progress:
    """How far it is: a bar on a terminal, a line for every tenth elsewhere."""

    def __init__(self, total: int, stream: TextIO) -> None:
        """Nothing is shown before the first session is over."""
        self._total, self._stream = total, stream
        self._begun = time.monotonic()
        self._shown_s, self._shown = 0.0, 0
        self._bar = stream.isatty()

    def show(self, done: int, violations: int) -> None:
        """Say it, when it is time to."""
        now = time.monotonic()
        due = now - self._shown_s > EVERY_S if self._bar else done - self._shown >= SHARE * self._total
        if not due and not (self._bar and done == self._total):
            return
        self._shown_s, self._shown = now, done
        share = done / self._total
        rate = 60.0 * done / max(now - self._begun, 1e-9)
        told = f"{done}/{self._total} sessions, {rate:.0f} a minute, {violations} violations"
        if self._bar:
            filled = "#" * round(BAR * share)
            self._stream.write(f"\r[{filled:<{BAR}}] {told} ")
        else:
            self._stream.write(f"{told}\n")
        self._stream.flush()

    def found(self, breaches: Iterable[str]) -> None:
        """Say at once which sessions to look at: a long run need not come to its end for it."""
        for breach in breaches:
            self._stream.write(f"\r{breach}\n" if self._bar else f"{breach}\n")
            self._stream.flush()

    def close(self) -> None:
        """End the bar's line."""
        if self._bar:
            self._stream.write("\n")


def _verify_mutants(as_json: bool) -> None:
    from services.controller.verifying import mutants

    table = []
    for mutant in mutants.MUTANTS:
        caught = mutants.caught_by(mutant)
        table.append({"mutant": mutant.name, "caught_by": caught})
        print(f"{mutant.name}: {', '.join(caught) or 'NOT CAUGHT'}", file=sys.stderr)
    sound = mutants.caught_by(None)
    missed = [row["mutant"] for row in table if not row["caught_by"]]
    result = {"mutants": table, "missed": missed, "sound_kernel": sound}
    print(json.dumps(result) if as_json else f"{len(table)} mutants, {len(missed)} not caught: {missed}")
    if missed or sound:
        raise typer.Exit(1)
