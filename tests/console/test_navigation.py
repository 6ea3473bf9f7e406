"""What the navigation shows to whom."""

import pytest
from fastapi import APIRouter, FastAPI

from services.console import navigation
from services.console.texts import TEXTS
from services.kit.auth.principal import Grant, Principal


def everything(_path):
    """An application that has every page."""
    return True


def reader(*grants):
    return Principal("a", "kim", tuple(Grant(*grant) for grant in grants))


@pytest.mark.parametrize(
    ("role", "ids"),
    [
        (
            "administrator",
            [
                "wall",
                "patients",
                "sessions",
                "planning",
                "homecare",
                "billing",
                "outcomes",
                "documents",
                "exchange",
                "users",
                "trail",
            ],
        ),
        (
            "clinician",
            [
                "wall",
                "patients",
                "sessions",
                "planning",
                "homecare",
                "billing",
                "attention",
                "outcomes",
                "documents",
                "exchange",
            ],
        ),
        ("reception", ["wall", "patients", "planning", "homecare", "billing", "exchange"]),
        ("monitor", ["wall"]),
        ("billing", ["sessions", "billing"]),
    ],
)
def test_a_reader_is_offered_only_what_the_role_may_open(role, ids):
    """A link that ends in a refusal is a false promise."""
    assert [entry.id for entry in navigation.shown(everything, reader((role,)))] == ids


def test_only_pages_that_exist_are_offered():
    """An installation without a room has no door to it."""
    app, rooms = FastAPI(), APIRouter()
    rooms.add_api_route("/sessions", lambda: None)
    app.include_router(rooms)
    shown = navigation.shown(lambda path: navigation.exists(app, path), None)
    assert [entry.id for entry in shown] == ["sessions"]
    assert not navigation.exists(app, "/sessions", "POST")


@pytest.mark.parametrize(
    ("path", "here"),
    [
        ("/", "wall"),
        ("/beds/bed-01", "wall"),
        ("/sessions", "sessions"),
        ("/sessions/1/notes", "sessions"),
        ("/sessionsextra", None),
    ],
)
def test_the_entry_of_the_page_one_is_on_is_marked(path, here):
    """Who comes by a link must see where they are."""
    found = [entry.id for entry in navigation.ENTRIES if entry.is_here(path)]
    assert found == ([here] if here else [])


def test_a_role_is_named_with_its_site_where_it_has_one():
    """The same person may be a therapist in one clinic and a reader in another."""
    who = reader(("therapist", "north"), ("monitor", "*"))
    assert navigation.roles(who, "en") == ["Therapist (north)", "Monitor"]
    assert navigation.roles(None, "en") == []


def test_every_entry_has_its_text():
    """A text that is missing would be found by a reader."""
    assert all(entry.text in TEXTS for entry in navigation.ENTRIES)
