"""Hazards, requirements, alarms and tests hold together, in both directions."""

import dataclasses
import re

import pytest

from deploy import safety
from deploy.safety import Mark
from services.controller.alarms.table import ALARMS
from services.controller.kernel import layout
from services.controller.verifying.rows import INVARIANTS

KERNEL_BITS = [1 << number for number in range(len(layout.CONDITIONS))]
HAZARDS, REQUIREMENTS, FAILURES = (safety.rows(name) for name in safety.FILES)
MARKS = safety.marks()
PARTS = {
    "loop", "link", "recorder", "panel", "restart", "operator", "drive", "sensors", "second sensor channel",
    "the bed's watchdog", "detector", "commissioning", "prescription by force at the segment", "clock",
    "replay", "network",
}  # fmt: skip


NO_FAILURE = {  # hazards of people, of the order of treatment, and of home: nothing breaks
    "repeated-guarding", "suspended-patient", "silent-centre",
    *(row["id"] for row in HAZARDS if row["id"].startswith("home-")),
}  # fmt: skip
ALARM_OF_FIRE = dataclasses.replace(ALARMS[0], hazard="fire")


def identity(row):
    return row["id"] if isinstance(row, dict) else row.condition


def test_ids_are_unique_and_readable():
    """An id is what people say to each other."""
    for rows in (HAZARDS, REQUIREMENTS):
        ids = [row["id"] for row in rows]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in ids)


def test_nothing_hangs_in_the_air():
    """A hazard without an answer is an accident that waits; a mark without a requirement shows nothing."""
    assert safety.orphans(HAZARDS, REQUIREMENTS, MARKS, ALARMS, FAILURES) == []


@pytest.mark.parametrize("hazard", HAZARDS, ids=identity)
def test_every_hazard_is_filled_in(hazard):
    """An empty cell is a question that nobody asked."""
    assert set(hazard) == {"id", "hazard", "harm", "response", "priority", "requirements", "source"}
    assert all(hazard.values())
    assert hazard["priority"] in ("high", "medium", "low", "block", "design")


@pytest.mark.parametrize("failure", FAILURES, ids=identity)
def test_every_failure_mode_is_analysed_to_the_end(failure):
    """What nobody notices and nothing answers is no analysis; what is done makes nothing worse."""
    cells = {"id", "part", "mode", "effect", "cause", "detection", "reaction", "hazard", "before", "after"}
    assert set(failure) - {"alarm", "measured"} == cells
    assert all(failure.values())
    for figures in (failure["before"], failure["after"]):
        assert len(figures) == 3
        assert all(1 <= figure <= 5 for figure in figures)
    assert all(after <= before for before, after in zip(failure["before"], failure["after"], strict=True))


COUNTERS = {  # what counts, and where the fields of its JSON are named
    "spondyl verify": "services/controller/verifying",
    "spondyl bench guarding": "services/controller/benches/bench_guarding.py",
    "spondyl bench loop": "services/controller/benches/bench_loop.py",
    "spondyl bench link": "services/controller/benches/bench_link.py",
    "spondyl bench beds": "services/controller/benches/bench_beds.py",
    "spondyl replay": "services/controller/blackbox/replay.py",
    "spondyl audit": "services/telemetry/audit.py",
}


@pytest.mark.parametrize("failure", [row for row in FAILURES if "measured" in row], ids=identity)
def test_what_counts_a_failure_exists(failure):
    """A figure that names a count nobody makes is a wish."""
    commands = re.findall(r"`(spondyl [a-z ]+)`", failure["measured"])
    assert commands
    assert set(commands) <= set(COUNTERS)
    source = "".join(source_of(COUNTERS[command]) for command in commands)
    fields = re.findall(r"[a-z]+(?:_[a-z0-9]+)+", failure["measured"])
    assert fields or "`slow`" in failure["measured"] or "refused" in failure["measured"]
    assert [name for name in fields if f'"{name}"' not in source] == []
    if "invariant" in failure["measured"]:
        named = failure["measured"].partition("invariant")[2].partition(" of `spondyl verify`")[0]
        told = set(re.findall(r"[a-z]+(?:_[a-z]+)+", named))
        assert told
        assert told <= set(INVARIANTS)


def source_of(place):
    """A module's text, or a package's."""
    path = safety.ROOT / place
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    return "".join(file.read_text(encoding="utf-8") for file in files)


def test_every_part_is_analysed():
    """A part that nobody looked at is where it fails."""
    assert {row["part"] for row in FAILURES} == PARTS


def test_every_hazard_of_the_controller_comes_of_a_failure_mode_or_of_people():
    """A hazard that no failure leads to was not thought through; those of people are not failures."""
    led_to = {row["hazard"] for row in FAILURES}
    assert {row["id"] for row in HAZARDS} - led_to <= NO_FAILURE


def test_the_matrix_is_current():
    """Whoever marks a test or changes a row writes it anew."""
    is_current = safety.MATRIX.read_text(encoding="utf-8") == safety.matrix()
    assert is_current, "docs/safety/matrix.md is not current: `python -m deploy.reference` writes it"


def test_every_requirement_is_one_sentence_or_more():
    """What must be done is said in words; the tests say by their marks that they show it."""
    assert all(set(row) == {"id", "text"} and row["text"].endswith(".") for row in REQUIREMENTS)


# --- the checker itself -------------------------------------------------------------------------------------
SOUND = {
    "hazards": [{"id": "fire", "priority": "high", "requirements": ["put-out"]}],
    "requirements": [{"id": "put-out"}],
    "shown": [Mark("tests/test_fire.py::test_out", "put-out")],
    "alarms": [ALARM_OF_FIRE],
    "failures": [{"id": "spark", "hazard": "fire", "alarm": "over_force"}],
}
BROKEN = (  # what is broken, and what is said of it
    ({"hazards": [*SOUND["hazards"], *SOUND["hazards"]]}, ["two rows are called fire"]),
    (
        {"hazards": [{"id": "fire", "priority": "high", "requirements": []}]},
        ["hazard fire names no requirement", "requirement put-out answers no hazard"],
    ),
    (
        {"hazards": [{"id": "fire", "priority": "high", "requirements": ["put-out", "ring"]}]},
        ["hazard fire names ring: there is no such requirement"],
    ),
    (
        {"requirements": [{"id": "put-out"}, {"id": "sweep"}]},
        ["requirement sweep answers no hazard", "requirement sweep is shown by no test"],
    ),
    ({"shown": []}, ["requirement put-out is shown by no test"]),
    (
        {"shown": [*SOUND["shown"], Mark("tests/test_fire.py::test_old", "put-off")]},
        ["tests/test_fire.py::test_old shows put-off: there is no such requirement"],
    ),
    (
        {"alarms": [], "failures": []},
        ["hazard fire is of priority high: no alarm of that priority names it"],
    ),
    (
        {"failures": [{"id": "spark", "hazard": "flood"}]},
        ["failure spark leads to flood: there is no such hazard"],
    ),
    (
        {"failures": [{"id": "spark", "hazard": "fire", "alarm": "siren"}]},
        ["failure spark raises siren: there is no such alarm"],
    ),
    (
        {"alarms": [ALARM_OF_FIRE, dataclasses.replace(ALARM_OF_FIRE, hazard="flood")]},
        ["alarm over_force names flood: there is no such hazard"],
    ),
)


def test_what_holds_together_is_left_alone():
    """A checker that always complains is switched off."""
    assert safety.orphans(**SOUND) == []
    lets_nothing_start = [{"id": "fire", "priority": "block", "requirements": ["put-out"]}]
    assert safety.orphans(**SOUND | {"hazards": lets_nothing_start, "alarms": [], "failures": []}) == []


@pytest.mark.parametrize(
    ("change", "said"), BROKEN, ids=lambda value: value[0] if isinstance(value, list) else ""
)
def test_an_orphan_of_either_side_is_named(change, said):
    """The risk file is only as good as what finds its holes."""
    assert safety.orphans(**SOUND | change) == said


def test_marks_are_read_from_the_source():
    """Nothing is run for it; a mark may name several requirements, and stand on one case of many."""
    source = """
@pytest.mark.soak
@pytest.mark.requirement("one", "two")
async def test_it(): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.requirement("three"))])
def test_that(x): ...
"""
    names = [("test_it", "one"), ("test_it", "two"), ("test_that", "three")]
    assert safety.marks_in(source, "test_a.py") == [Mark(f"test_a.py::{test}", word) for test, word in names]


@pytest.mark.parametrize(
    "source",
    [
        'pytestmark = pytest.mark.requirement("one")',
        '@pytest.mark.requirement("one")\ndef helper(): ...',
        "@pytest.mark.requirement()\ndef test_it(): ...",
        "@pytest.mark.requirement(ONE)\ndef test_it(): ...",
        '@pytest.mark.requirement(name="one")\ndef test_it(): ...',
    ],
)
def test_a_mark_that_shows_nothing_is_refused(source):
    """It would look as if something were shown."""
    with pytest.raises(ValueError, match=r"^test_a\.py:1: mark\.requirement "):
        safety.marks_in(source, "test_a.py")


# --- the tables ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("alarm", ALARMS, ids=identity)
def test_every_alarm_has_its_hazard_and_no_lower_priority_than_it_says(alarm):
    """Staff act on the priority: the table and the risk file must agree on what is urgent."""
    (hazard,) = [row for row in HAZARDS if row["id"] == alarm.hazard]
    order = ("low", "medium", "high")
    if hazard["priority"] not in safety.SILENT:
        assert order.index(alarm.priority) <= order.index(hazard["priority"])


def test_every_condition_of_the_kernel_leads_to_a_hazard():
    """A bit the kernel sets and nobody analysed would be noise or worse."""
    assert {alarm.condition for alarm in ALARMS if alarm.bit in KERNEL_BITS} == set(layout.CONDITIONS)


RESEARCH = {  # every row of the hazard table this file began with: (id, priority, a word of its response)
    "over-force": ("high", "limiter"),
    "patient-switch": ("high", "second channel"),
    "switch-untested": ("block", "No start"),
    "load-cell": ("high", "by position only"),
    "actuator-stuck": ("high", "power off"),
    "sudden-drop": ("high", "never tension again"),
    "missed-deadline": ("high", "watchdog"),
    "mains-lost": ("medium", "battery"),
    "network-lost": ("low", "never start"),
    "repeated-guarding": ("medium", "lower peak"),
    "wrong-patient": ("block", "newtons everywhere"),
}


@pytest.mark.parametrize("name", RESEARCH)
def test_no_row_of_the_hazard_table_is_lost_or_weakened(name):
    """Rows may be added; these stand as they were analysed."""
    (hazard,) = [row for row in HAZARDS if row["id"] == name]
    priority, word = RESEARCH[name]
    assert hazard["priority"] == priority
    assert word in hazard["response"]
