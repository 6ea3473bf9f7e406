"""What the bedside's panel keeps of a session, read by the console from a real panel."""

import asyncio
from uuid import uuid4

import pytest
from bedside_rig import Clinic, Served, Ticking
from operator_rig import THERAPIST

from services.console.context import Console
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.remote import Remote
from services.console.sessions import bedside
from services.console.store import Store
from services.console.texts import TEXTS
from services.controller.words import ACTIONS
from services.kit.auth import tokens
from services.kit.auth.keys import public_pem
from services.kit.auth.principal import Grant, Principal
from services.kit.errors import NotSignedIn
from services.kit.language import LANGUAGES


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A bed with a session that somebody confirmed, acted on and noted."""
    ticking = Ticking()
    made = Clinic(tmp_path_factory.mktemp("bedside"), ticking)
    made.session = made.confirm(operator=THERAPIST)
    made.bedside.act("bed-01", "switch-test", THERAPIST)
    made.bedside.note("bed-01", THERAPIST, "left leg warm <b>")
    served = Served(made.panel())
    made.address = f"http://127.0.0.1:{served.port}/bed-01"
    yield made
    served.close()
    made.clear_up()
    made.store.close()
    ticking.close()


def read(clinic, *, role="clinician", site="north", session=None, device="bed-01", language="en"):
    who = Principal(str(uuid4()), "ada", (Grant(role, site),))
    token = tokens.mint(clinic.staff.keys.private, who, audiences=(tokens.PANEL,))
    session = session or clinic.session.session
    return asyncio.run(bedside.read(clinic.address, token, device, session, language))


def test_actions_and_notes_come_in_their_order_with_who(clinic):
    """The archive knows what was pulled; only the panel knows who pressed what."""
    found = read(clinic)
    assert (found.trouble, found.operator) == ("", THERAPIST)
    assert [line.at for line in found.lines] == sorted(line.at for line in found.lines)
    assert [(line.text, line.who) for line in found.lines if line.is_note] == [
        ("left leg warm <b>", THERAPIST)
    ]
    assert "switch test" in [line.text for line in found.lines if not line.is_note]


@pytest.mark.parametrize(
    ("language", "words"),
    [("de", ["Patient bestätigt", "Taster prüfen"]), ("en", ["patient confirmed", "switch test"])],
)
def test_actions_are_named_in_the_reader_s_language(clinic, language, words):
    """The same page's events said it in German, the list beside them `confirm`."""
    found = read(clinic, language=language)
    assert [line.text for line in found.lines if not line.is_note] == words


@pytest.mark.parametrize("action", [*ACTIONS, "pain"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_action_that_a_panel_keeps_has_words(action, language):
    """The panel's name of an action stood on the page as it is: `pain`, in German too."""
    row = {"at": "2026-11-22T09:00:00Z", "operator": THERAPIST, "action": action, "accepted": True}
    name = bedside.WORDS.get(action, f"did_{action.replace('-', '_')}")
    (line,) = bedside._bedside({"actions": [row], "notes": []}, language).lines
    assert line.text == TEXTS[name][language]


def test_a_pain_score_at_the_bed_is_named(clinic):
    """What is kept beside the actions of the loop is an action on the page too."""
    clinic.bedside.pain("bed-01", THERAPIST, "before", 4)
    assert read(clinic, language="de").lines[-1].text == "Schmerz erfragt"


@pytest.mark.parametrize(
    ("how", "trouble"),
    [
        ({"session": uuid4()}, "bedside_knows_not"),
        ({"device": "bed-77"}, "bedside_knows_not"),
        ({"role": "monitor"}, "bedside_refuses"),
    ],
)
def test_what_the_panel_does_not_show_is_said(clinic, how, trouble):
    """The rest of the page stands all the same."""
    found = read(clinic, **how)
    assert (found.trouble, found.lines) == (trouble, ())


def test_a_panel_is_shown_a_token_for_panels_that_names_its_site_alone(tmp_path):
    """A panel's machine may be stolen: what it was shown must open nothing else, and nothing elsewhere."""
    store = Store(f"sqlite:///{tmp_path / 'console.db'}")
    console = Console(Live(), Remote(None), ConsoleSettings(data=tmp_path), store)
    grants = (Grant("administrator"), Grant("clinician", "north"), Grant("clinician", "south"))
    token = console.token_for_panel(Principal("a1", "ada", grants), "north")
    public = public_pem(console.key)
    assert tokens.read(token, public, tokens.PANEL).grants == (
        Grant("administrator", "north"), Grant("clinician", "north")
    )  # fmt: skip
    for audience in (tokens.CONSOLE, tokens.TELEMETRY):
        with pytest.raises(NotSignedIn, match="another service"):
            tokens.read(token, public, audience)
    store.close()


@pytest.mark.parametrize(
    ("panels", "north", "south"),
    [
        ({"bed-01": "http://a"}, "http://a", "http://a"),
        ({"north/bed-01": "http://a"}, "http://a", None),
        ({"north/bed-01": "http://a", "bed-01": "http://b"}, "http://a", None),
        ({"north/bed-01": "http://a", "south/bed-01": "http://b"}, "http://a", "http://b"),
    ],
)
def test_a_bed_of_the_same_name_at_another_site_has_a_panel_of_its_own(tmp_path, panels, north, south):
    """Whoever looks at the south's bed must not be shown, or show a token to, the north's panel."""
    store = Store(f"sqlite:///{tmp_path / 'console.db'}")
    console = Console(Live(), Remote(None), ConsoleSettings(data=tmp_path, panels=panels), store)
    assert [console.panel_of(site, "bed-01") for site in ("north", "south")] == [north, south]
    store.close()


def test_a_clinician_of_another_site_reads_nothing(clinic):
    """The panel checks for itself."""
    assert read(clinic, site="south").trouble in ("bedside_knows_not", "bedside_refuses")


@pytest.mark.parametrize(
    ("panel", "trouble"),
    [
        (None, "bedside_no_address"),
        ("", "bedside_no_address"),
        ("http://127.0.0.1:9/bed-01", "bedside_away"),
        ("no address at all", "bedside_away"),
    ],
)
def test_a_panel_that_is_not_there_is_said_so(panel, trouble):
    """A bedside computer that is switched off is an everyday matter."""
    assert asyncio.run(bedside.read(panel, "token", "bed-01", uuid4(), "en")).trouble == trouble
