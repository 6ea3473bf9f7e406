"""The threat model holds: every letter of every interface stands, and every test it names exists."""

import ast
import functools

import pytest

from deploy.dependencies import ROOT
from deploy.reference import SECURITY, STRIDE, current_security, threats

INTERFACES = threats()
WANTED = {
    "bedside-panel", "gateway-broker", "bridge", "enrolment", "console", "service-apis", "integrators",
    "phone-page", "gdt-folder", "imports", "databases", "redis", "archive", "backups", "supply-chain",
    "operator",
}  # fmt: skip
CELLS = [(name, letter) for name in INTERFACES for letter in STRIDE]
FORMS = ({"threat", "answer", "tests"}, {"threat", "open"}, {"none"})


@functools.cache
def functions_in(path):
    """Names of the functions in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_every_interface_is_looked_at():
    """An interface that nobody wrote down is the one that is used."""
    assert set(INTERFACES) == WANTED
    for interface in INTERFACES.values():
        assert set(interface) == {"title", "attackers", *STRIDE}


@pytest.mark.parametrize(("name", "letter"), CELLS)
def test_every_threat_has_an_answer_that_is_tested_or_says_why_not(name, letter):
    """A threat whose test was renamed away is answered no more."""
    cell = INTERFACES[name][letter]
    assert set(cell) in FORMS
    assert all(cell.values())
    for node in cell.get("tests", ()):
        path, _, test = node.partition("::")
        assert test.startswith("test_")
        assert test in functions_in(path), node


def test_the_page_is_current():
    """What is read is what is checked."""
    page = SECURITY.read_text(encoding="utf-8")
    assert page == current_security(page), "run `python -m deploy.reference`"


def test_every_interface_answers_more_than_it_leaves_open():
    """A table of excuses would pass the others."""
    for name, interface in INTERFACES.items():
        kinds = ["tests" if "tests" in interface[letter] else "left" for letter in STRIDE]
        assert kinds.count("tests") >= 3, name
