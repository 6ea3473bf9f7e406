"""The risk file read and followed: hazard -> requirement -> test, failure mode -> hazard, alarm -> hazard.

Tests say what they show by ``@pytest.mark.requirement("id")``; they are read here without being run.
"""

import ast
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from services.controller.alarms.table import ALARMS, MARKS, Alarm

ROOT: Final = Path(__file__).parent.parent
SAFETY: Final = ROOT / "docs" / "safety"
MATRIX: Final = SAFETY / "matrix.md"
FILES: Final = {"hazards": "hazards", "requirements": "requirements", "failures": "fmea"}
MARK: Final = "requirement"
SILENT: Final = ("block", "design")  # a hazard that lets nothing start, or that cannot sound, needs no alarm
Row = Mapping[str, Any]


class Mark(NamedTuple):
    """A test, as pytest names it, and a requirement that it says it shows."""

    test: str
    requirement: str


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of one of the risk file's tables: hazards, requirements, failures (``fmea.toml``)."""
    path = SAFETY / f"{FILES[name]}.toml"
    found: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))[name.removesuffix("s")]
    return found


def marks(root: Path = ROOT) -> list[Mark]:
    """Every mark of every test below ``root``, by file and line; ValueError for a stray one."""
    found: list[Mark] = []
    for path in sorted(root.glob("tests/**/test_*.py")):
        text = path.read_text(encoding="utf-8")
        if f"mark.{MARK}" in text:
            found += marks_in(text, path.relative_to(root).as_posix())
    return found


def marks_in(source: str, name: str) -> list[Mark]:
    """The marks of one file; ValueError for one that is on no test, or names no id."""
    tree = ast.parse(source)
    found: dict[ast.Call, list[Mark]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for call in _calls(*node.decorator_list):
                found[call] = [Mark(f"{name}::{node.name}", word) for word in _words(call, name)]
    stray = [call for call in _calls(tree) if call not in found]
    if stray:
        raise ValueError(f"{name}:{stray[0].lineno}: mark.{MARK} stands on no test: it decorates one")
    return [mark for call in sorted(found, key=lambda call: call.lineno) for mark in found[call]]


def _calls(*trees: ast.AST) -> Iterator[ast.Call]:
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name == MARK:  # first: `unparse` takes its time
                if ast.unparse(node.func).endswith(f"mark.{MARK}"):
                    yield node


def _words(call: ast.Call, name: str) -> list[str]:
    words = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if not words or len(words) != len(call.args) or call.keywords:
        raise ValueError(f"{name}:{call.lineno}: mark.{MARK} takes ids of requirements, each in quotes")
    return words


def orphans(
    hazards: Sequence[Row],
    requirements: Sequence[Row],
    shown: Sequence[Mark],
    alarms: Sequence[Alarm],
    failures: Sequence[Row] = (),
) -> list[str]:
    """Everything that hangs in the air, in sentences; an empty list when the risk file holds together."""
    known, tables = {row["id"] for row in requirements}, (hazards, requirements, failures)
    return [
        *(f"two rows are called {name}" for table in tables for name in _twice(table)),
        *_lost(hazards, failures, alarms),
        *_unanswered(hazards, known),
        *_unshown(hazards, requirements, shown),
        *_unheard(hazards, alarms),
    ]


def _unanswered(hazards: Sequence[Row], known: set[str]) -> Iterator[str]:
    for row in hazards:
        if not row["requirements"]:
            yield f"hazard {row['id']} names no requirement"
        for name in row["requirements"]:
            if name not in known:
                yield f"hazard {row['id']} names {name}: there is no such requirement"


def _unshown(hazards: Sequence[Row], requirements: Sequence[Row], shown: Sequence[Mark]) -> Iterator[str]:
    needed = {name for row in hazards for name in row["requirements"]}
    tested = {mark.requirement for mark in shown}
    known = [row["id"] for row in requirements]
    for name in known:
        if name not in needed:
            yield f"requirement {name} answers no hazard"
        if name not in tested:
            yield f"requirement {name} is shown by no test"
    for mark in shown:
        if mark.requirement not in known:
            yield f"{mark.test} shows {mark.requirement}: there is no such requirement"


def _lost(hazards: Sequence[Row], failures: Sequence[Row], alarms: Sequence[Alarm]) -> Iterator[str]:
    """Failure modes that lead to no hazard, or are said to raise an alarm that there is not."""
    known, raised = {row["id"] for row in hazards}, {alarm.condition for alarm in alarms}
    for row in failures:
        if row["hazard"] not in known:
            yield f"failure {row['id']} leads to {row['hazard']}: there is no such hazard"
        if "alarm" in row and row["alarm"] not in raised:
            yield f"failure {row['id']} raises {row['alarm']}: there is no such alarm"


def _unheard(hazards: Sequence[Row], alarms: Sequence[Alarm]) -> Iterator[str]:
    """Alarms without a hazard; hazards that can happen under way and are not heard at their full priority."""
    known = {row["id"] for row in hazards}
    heard = {(alarm.hazard, alarm.priority) for alarm in alarms}
    for alarm in alarms:
        if alarm.hazard not in known:
            yield f"alarm {alarm.condition} names {alarm.hazard}: there is no such hazard"
    for row in hazards:
        if row["priority"] not in SILENT and (row["id"], row["priority"]) not in heard:
            yield f"hazard {row['id']} is of priority {row['priority']}: no alarm of that priority names it"


def _twice(table: Sequence[Row]) -> list[str]:
    names = [row["id"] for row in table]
    return sorted({name for name in names if names.count(name) > 1})


# --- the matrix ---------------------------------------------------------------------------------------------
def matrix() -> str:
    """docs/safety/matrix.md: hazard -> requirements -> tests -> alarm, then every failure mode."""
    return "\n".join([*_HEAD, *_hazard_lines(), "", *_FAILURE_HEAD, *_failure_lines(), ""])


_HEAD: Final = (
    "# Traceability matrix",
    "",
    "Written by `python -m deploy.reference` from [hazards.toml](hazards.toml),",
    "[requirements.toml](requirements.toml), [fmea.toml](fmea.toml), the alarm table and the marks of the",
    "tests; `tests/test_safety.py` fails when it is not current. `***` high, `**` medium, `*` low.",
    "",
    "## Hazards",
    "",
    "| hazard | priority | requirement | shown by | alarms |",
    "|---|---|---|---|---|",
)
_FAILURE_HEAD: Final = (
    "## Failure modes",
    "",
    "By the method of IEC 60812:2018. Severity, occurrence and detectability from 1 to 5, without and with",
    "what is done, and their product, which only sorts. All are estimates of the developers; there is no",
    "field data. *Measured* names the command that counts a row's cases on simulated beds.",
    "",
    "| part | failure mode | effect | noticed by | what is done | before | after | hazard | alarm |",
    "|---|---|---|---|---|---|---|---|---|",
)


def _hazard_lines() -> Iterator[str]:
    shown: dict[str, list[str]] = {}
    for mark in marks():
        shown.setdefault(mark.requirement, []).append(mark.test)
    for row in rows("hazards"):
        raised = [f"`{a.condition}` {MARKS[a.priority]}" for a in ALARMS if a.hazard == row["id"]]
        first = (f"`{row['id']}` {row['hazard']}", row["priority"], "<br>".join(raised).replace("*", "\\*"))
        for number, name in enumerate(row["requirements"]):
            hazard, priority, alarms = ("", "", "") if number else first
            tests = "<br>".join(_test(test) for test in shown.get(name, ()))
            yield f"| {hazard} | {priority} | `{name}` | {tests} | {alarms} |"


def _test(node: str) -> str:
    """A test's sentence, linked to its file."""
    path, _, name = node.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../../{path})"


def _failure_lines() -> Iterator[str]:
    for row in sorted(rows("failures"), key=lambda row: -_product(row["after"])):
        figures = (
            f"{' x '.join(map(str, row[when]))} = {_product(row[when])}" for when in ("before", "after")
        )
        alarm = f"`{row['alarm']}`" if "alarm" in row else ""
        noticed = row["detection"] + (f"<br>Measured: {row['measured']}" if "measured" in row else "")
        cells = (row["part"], row["mode"], row["effect"], noticed, row["reaction"], *figures)
        yield f"| {' | '.join(cells)} | `{row['hazard']}` | {alarm} |"


def _product(figures: Sequence[int]) -> int:
    return figures[0] * figures[1] * figures[2]
