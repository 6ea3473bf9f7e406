"""docs/scenarios.md and its pictures: `python -m services.controller.scenarios.page` writes them.

A test fails when the page is not current; the pictures are drawn anew when somebody writes it.
"""

from pathlib import Path
from typing import Final

from services.controller import outputs
from services.controller.scenarios.command import picture
from services.controller.scenarios.files import (
    DIRECTORY,
    Action,
    Contraction,
    Expect,
    Fault,
    Given,
    Scenario,
    files,
    load,
)
from services.controller.scenarios.judging import judged, told

PAGE: Final = Path(__file__).parents[3] / "docs" / "scenarios.md"
PICTURES: Final = PAGE.with_suffix("")
DRAWN: Final = ("cough", "repeated-guarding", "strap-slips-in-a-contraction", "drive-runs-away")
HEAD: Final = Path(__file__).with_name("head.md")


def text() -> str:
    """The page, from the files alone."""
    scenarios = {path.stem: load(path) for path in files(DIRECTORY)}
    rows = [_row(name, scenario) for name, scenario in scenarios.items()]
    drawn = [f"## {name}\n{scenarios[name].why}\n\n![{name}](scenarios/{name}.png)\n" for name in DRAWN]
    table = "| scenario | what it guards | given | must come |\n|---|---|---|---|\n"
    return HEAD.read_text(encoding="utf-8") + table + "\n".join(rows) + "\n\n" + "\n".join(drawn)


def _row(name: str, scenario: Scenario) -> str:
    hazard = f" ([{scenario.hazard}](safety/README.md))" if scenario.hazard else ""
    return f"| `{name}` | {scenario.why}{hazard} | {_given(scenario.given)} | {_expected(scenario.expect)} |"


def _given(given: Given) -> str:
    parts = [f"{given.minutes:g} min"]
    if given.period_ms != Given.model_fields["period_ms"].default:
        parts.append(f"every {given.period_ms:g} ms")
    if given.prescription:
        person = given.prescribed
        parts.append(f"{person.region}, {person.body_weight_kg:g} kg, {person.peak_n:g} N")
    traits = given.patient.model_dump(exclude_defaults=True)
    parts += [f"{name} {value:g}" if value is not True else name for name, value in traits.items()]
    parts += [_contraction(one) for one in given.contractions]
    parts += [f"{one.coughs} coughs of {one.peak_n:g} N at {one.at_s:g} s" for one in given.coughs]
    parts += [_fault(one) for one in given.faults]
    parts += [_action(one) for one in given.actions]
    return ", ".join(parts)


def _contraction(one: Contraction) -> str:
    shape = f"in {one.lasts_s:g} s" if one.lasts_s else f"from {one.recording}"
    held = f", {one.held_s:g} s long at its peak" if one.held_s else ""
    often = f", {one.times} times, every {one.every_s:g} s" if one.times > 1 else ""
    return f"{one.peak_n:g} N {shape} at {one.at_s:g} s{held}{often}"


def _fault(one: Fault) -> str:
    return f"`{one.kind}` at {one.at_s:g} s" + (f" for {one.for_s:g} s" if one.for_s else "")


def _action(one: Action) -> str:
    changed = ", ".join(f"{name} {value:g}" for name, value in (one.prescription or {}).items())
    return f"{one.do.replace('_', ' ')} at {one.at_s:g} s" + (f" ({changed})" if changed else "")


def _expected(expect: Expect) -> str:
    parts = [f"{expect.ends} ({expect.reason.replace('_', ' ')})"]
    if expect.alarms:
        parts.append("alarm " + ", ".join(f"`{name}`" for name in expect.alarms))
    for name, words in SPOKEN.items():
        span = getattr(expect, name)
        if span not in ((None, None), Expect.model_fields[name].default):
            parts.append(words.format(told(span)))
    parts += [f"{name} {told(span)} s" for name, span in expect.phases.items() if span != (0, 0)]
    return ", ".join(parts)


SPOKEN: Final = {
    "guardings": "{} stops", "latency_ms": "within {} ms", "over_n": "{} N above target",
    "traction_s": "{} s under traction", "max_tension_n": "{} N in all", "last_peak_n": "last peak {} N",
}  # fmt: skip


def main() -> None:
    """Write the page and its pictures."""
    PICTURES.mkdir(exist_ok=True)
    for name in DRAWN:
        outputs.write_whole(PICTURES / f"{name}.png", picture(name, judged(load(DIRECTORY / f"{name}.json"))))
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
