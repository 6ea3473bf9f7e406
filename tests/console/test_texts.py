"""Every text there is, in both languages."""

import json
import re
import string
from pathlib import Path
from typing import get_args

import pytest

from broker.fields import Phase, Priority
from broker.messages import EventType
from services.console import context
from services.console.texts import TEXTS as CONSOLE
from services.controller.panel.texts import TEXTS as PANEL
from services.kit import words
from services.kit.catalogues import counted
from services.kit.pages import LANGUAGES, accepted, own_path

ROOT = Path(__file__).parents[2] / "services"
TABLES = {"console": CONSOLE, "panel": PANEL, "reasons": words.REASONS, "priorities": words.PRIORITIES}


@pytest.mark.parametrize("table", TABLES)
def test_every_text_is_there_in_german_and_english_with_the_same_values(table):
    """A missing text is a blank button in one of the two languages."""
    for key, text in TABLES[table].items():
        assert set(text) == set(LANGUAGES), key
        assert all(value.strip() for value in text.values()), key
        fields = [
            {name for _, name, _, _ in string.Formatter().parse(value) if name} for value in text.values()
        ]
        assert fields[0] == fields[1], key


def test_every_phase_priority_and_event_of_the_contract_has_its_words():
    """A phase without words would be shown as a code."""
    assert set(words.PHASES) == set(get_args(Phase))
    assert set(words.PRIORITIES) == set(words.PRIORITY_SYMBOLS) == set(get_args(Priority))
    assert {f"event_{kind}" for kind in get_args(EventType)} <= set(CONSOLE)
    for phase in words.PHASES.values():
        assert set(phase.name) == set(phase.meaning) == set(LANGUAGES)


def test_every_phase_has_its_symbol():
    """Colour alone is no information for one man in twelve."""
    icons = (ROOT / "kit/static/icons.svg").read_text()
    missing = [name for name in words.PHASES if f'id="{name}"' not in icons]
    assert missing == []


@pytest.mark.parametrize(
    ("service", "table"), [("console", CONSOLE), ("controller/panel", PANEL)], ids=["console", "panel"]
)
def test_pages_and_scripts_name_only_texts_that_exist(service, table):
    """A typing error in a template would be seen by a reader first."""
    sources = [*(ROOT / service / "templates").glob("*.html"), ROOT / "kit/templates/shared.html"]
    used = {name for path in sources for name in re.findall(r"\bt\.(\w+)", path.read_text())}
    scripts = (ROOT / service / "static").glob("*.js")
    used |= {name for path in scripts for name in re.findall(r"\btexts\.(\w+)", path.read_text())} - {
        "phases"
    }
    assert used - set(table) == set()


def test_the_console_hands_its_scripts_every_text_they_use():
    """A script that finds no text would say `undefined`."""
    texts = {key: text["en"] for key, text in CONSOLE.items()}
    handed = context.script_texts(texts, "en")
    scripts = (ROOT / "console/static").glob("*.js")
    used = {name for path in scripts for name in re.findall(r"\btexts\.(\w+)", path.read_text())}
    assert used <= set(handed)
    assert json.dumps(handed)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("fr, de;q=0.5, en;q=0.7", "en"),
        ("de;q=0", "en"),
        ("de;q=nonsense", "en"),
        ("xx", "en"),
    ],
)
def test_the_browsers_language_is_taken_where_it_is_ours(header, language):
    """A nurse in Kassel and one in Leeds open the same address."""
    assert accepted(header) == language


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("/beds/bed-01?site=north", "/beds/bed-01?site=north"),
        ("//evil.example/", "/"),
        ("//[", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_the_language_switch_leads_nowhere_else(address, safe):
    """An open redirect lends our address to somebody's trap."""
    assert own_path(address) == safe


def test_one_is_said_as_one_in_both_languages():
    """'Move 1 appointments' is read as a fault of the plan."""
    said = [
        counted(CONSOLE, "replanning_apply", count, language) for language in LANGUAGES for count in (1, 2)
    ]
    assert sorted(said) == sorted(
        ["1 Termin verschieben", "2 Termine verschieben", "Move 1 appointment", "Move 2 appointments"]
    )
    assert counted(CONSOLE, "beds_line", 1, "en", session=0, lost=0).startswith("1 bed ")


def test_one_remark_on_a_file_is_one():
    """Most files of a practice system have one: "1 Hinweise" stood on every page of the exchange."""
    assert [counted(CONSOLE, "exchange_warnings", count, "de") for count in (1, 2)] == [
        "1 Hinweis",
        "2 Hinweise",
    ]
    assert [counted(CONSOLE, "exchange_warnings", count, "en") for count in (1, 2)] == ["1 note", "2 notes"]
