"""Hazards, requirements, alarms and tests hold together, in both directions."""

import ast
import functools
import re
import tomllib
from pathlib import Path

import pytest

from services.controller.alarms import ALARMS
from services.controller.kernel import layout

ROOT = Path(__file__).parent.parent
SAFETY = ROOT / "docs" / "safety"
HAZARDS = tomllib.loads((SAFETY / "hazards.toml").read_text(encoding="utf-8"))["hazard"]
REQUIREMENTS = tomllib.loads((SAFETY / "requirements.toml").read_text(encoding="utf-8"))["requirement"]


def identity(row):
    return row["id"] if isinstance(row, dict) else row.condition


@functools.cache
def functions_in(path):
    """Names of the test functions in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_ids_are_unique_and_readable():
    """An id is what people say to each other."""
    for rows in (HAZARDS, REQUIREMENTS):
        ids = [row["id"] for row in rows]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in ids)


@pytest.mark.parametrize("hazard", HAZARDS, ids=identity)
def test_every_hazard_is_answered_by_requirements_that_exist(hazard):
    """A hazard without an answer is an accident that waits."""
    assert set(hazard) == {"id", "hazard", "harm", "response", "priority", "requirements", "source"}
    assert all(hazard.values())
    assert hazard["priority"] in ("high", "medium", "low", "block")
    assert set(hazard["requirements"]) <= {row["id"] for row in REQUIREMENTS}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=identity)
def test_every_requirement_answers_a_hazard(requirement):
    """What nobody needs is not a safety requirement."""
    assert [row["id"] for row in HAZARDS if requirement["id"] in row["requirements"]]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=identity)
def test_every_requirement_is_shown_by_tests_that_exist(requirement):
    """A requirement whose test was renamed away is not shown any more."""
    assert requirement["tests"]
    for node in requirement["tests"]:
        path, _, name = node.partition("::")
        assert (ROOT / path).exists(), node
        assert name in functions_in(path), node


@pytest.mark.parametrize("alarm", ALARMS, ids=identity)
def test_every_alarm_has_its_hazard_and_no_lower_priority_than_it_says(alarm):
    """Staff act on the priority: the table and the risk file must agree on what is urgent."""
    (hazard,) = [row for row in HAZARDS if row["id"] == alarm.hazard]
    order = ("low", "medium", "high")
    if hazard["priority"] != "block":
        assert order.index(alarm.priority) <= order.index(hazard["priority"])


@pytest.mark.parametrize("hazard", [row for row in HAZARDS if row["priority"] != "block"], ids=identity)
def test_every_hazard_that_is_not_a_block_has_an_alarm_of_its_priority(hazard):
    """What can happen under way must be heard at its full priority."""
    assert hazard["priority"] in [alarm.priority for alarm in ALARMS if alarm.hazard == hazard["id"]]


def test_every_condition_of_the_kernel_leads_to_a_hazard():
    """A bit the kernel sets and nobody analysed would be noise or worse."""
    assert {alarm.condition for alarm in ALARMS if alarm.bit} == set(layout.CONDITIONS)
    assert {alarm.hazard for alarm in ALARMS} <= {row["id"] for row in HAZARDS}


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
