"""What the patient's screen says, and the links that open it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from console.account_rig import AccountRig
from console.samples import BOOT, NORTH, Clock, block, status

from broker.messages import DeviceState
from services.console import patient, screens
from services.console.errors import ScreenRefused, UnknownScreen
from services.console.live import Live
from services.console.models import STALE_S, Key
from services.console.screens import LONGEST_DAYS, MOST_LINKS, Screens
from services.kit.auth.principal import Grant, Principal
from services.kit.errors import NotSignedIn
from services.kit.words import PHASES

ANNA = Principal("anna-id", "anna", (Grant("therapist", "north"),))
BEN = Principal("ben-id", "ben", (Grant("therapist", "south"),))


@pytest.fixture
def live():
    found = Live(Clock())
    found.broker(up=True)
    found.status("north", status("online"))
    return found


def bed(live, phase, seq=0, remaining_s=600.0, tension=200.0):
    """A bed in this phase, ten samples old."""
    state = DeviceState(
        boot=BOOT, seq=seq, at=datetime.now(UTC), phase=phase, cycle=1, target_n=200.0, peak_n=280.0,
        ceiling_n=400.0, session=UUID(int=7), remaining_s=remaining_s, traction_s=1800.0,
    )  # fmt: skip
    live.state(NORTH, state)
    live.tension(NORTH, block(seq, phase=phase, tension=tension))


LOST = {"tension_n": [[3, 10]], "residual_n": [[3, 10]]}


def past(live):
    return patient.past(live, live.devices[NORTH], live.clock())


def shown(live, language="en"):
    return patient.shown(live, live.devices[NORTH], live.clock(), language)


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_has_its_own_plain_words(live, phase, language):
    """A patient must never read the machine's word for what happens to them."""
    bed(live, phase)
    found = shown(live, language)
    assert found["title"]
    assert found["mood"] in ("calm", "pull", "yield", "still")
    assert PHASES[phase].name[language] not in (found["title"], found["hint"]) or phase == "rest"
    for words in ("title", "hint", "next"):
        assert found[words] != "-"


def test_the_gauges_are_shares_of_the_sessions_own_limit(live):
    """A gauge that is full at another patient's force would frighten this one."""
    bed(live, "hold", tension=280.0)
    found = shown(live)
    assert found["pull_share"] == pytest.approx(280 / 400)
    assert (found["pull"], found["pull_word"]) == ("280", "about 29 kg")
    assert found["muscle_word"] == "relaxed"


def test_a_table_that_yields_says_what_to_do(live):
    """The one moment in which a patient can help."""
    bed(live, "guarded")
    found = shown(live)
    assert (found["title"], found["hint"]) == ("The table yields", "Breathe out, let go.")
    assert found["muscle_word"] == "The table yields"


def test_time_left_is_told_in_whole_minutes_and_the_end_before_it_comes(live):
    """Seconds that run make minutes long."""
    bed(live, "hold", remaining_s=605.0)
    assert shown(live)["left"] == "about 10 minutes left"
    bed(live, "hold", seq=10, remaining_s=65.0)
    assert shown(live, "de")["left"] == "noch etwa eine Minute"
    bed(live, "hold", seq=20, remaining_s=20.0)
    assert shown(live)["left"] == "less than a minute"
    assert shown(live)["next"] == "Next: a gentle end"


def test_a_session_that_cannot_be_seen_shows_no_number(live):
    """A frozen number would be believed by the one who cannot walk away."""
    bed(live, "hold")
    live.clock.now += STALE_S + 0.1
    found = shown(live)
    assert (found["known"], found["left"]) == (False, "")
    assert "pull" not in found
    assert found["next"] == "Your team is nearby."  # how to stop stands below, on every screen
    assert patient.past(live, live.devices[NORTH], live.clock()) is None


def test_a_load_cell_that_is_lost_shows_no_number(live):
    """A zero would say that nothing pulls."""
    bed(live, "fault")
    assert shown(live)["known"] is True
    live.tension(NORTH, block(10, phase="fault", tension=0.0, unmeasured=LOST))
    assert shown(live)["known"] is False
    assert past(live)["points"] == []


def test_a_curve_begins_behind_what_nobody_measured(live):
    """A gentle line drawn over the gap, or down to zero and back, would be believed."""
    bed(live, "hold")
    live.tension(NORTH, block(10, tension=0.0, unmeasured=LOST))
    live.tension(NORTH, block(20))
    live.tension(NORTH, block(30))
    assert [point[0] for point in past(live)["points"]] == [0.58, 0.78]


def test_the_curve_of_the_last_half_minute_comes_with_the_page(live):
    """An empty curve for a minute looks like a fault."""
    bed(live, "hold")
    live.tension(NORTH, block(10, tension=210.0))
    found = patient.past(live, live.devices[NORTH], live.clock())
    assert [point[0] for point in found["points"]] == [0.18, 0.38]
    assert found["points"][0][1] < found["points"][1][1]


@pytest.fixture
def links(tmp_path):
    rig = AccountRig(f"sqlite:///{tmp_path / 'console.db'}")
    yield Screens(rig.store.engine)
    rig.close()


def test_a_link_opens_its_bed_until_it_is_withdrawn(links):
    """A monitor that was sold must not go on showing a treatment room."""
    made, secret = links.make(NORTH, ANNA, 7)
    assert links.open(secret).key == NORTH
    assert [screen.id for screen in links.of(NORTH)] == [made.id]
    assert links.of(Key("north", "bed-02")) == []
    links.withdraw(made.id)
    with pytest.raises(NotSignedIn):
        links.open(secret)
    assert links.of(NORTH) == []


def test_a_link_opens_nothing_while_its_makers_account_is_disabled(tmp_path):
    """Whoever is dismissed must not go on watching a bed by a link that they made."""
    rig = AccountRig(f"sqlite:///{tmp_path / 'console.db'}")
    links = Screens(rig.store.engine)
    maker = rig.store.add_user("ben", "Ben", [Grant("therapist", "north")])
    _, secret = links.make(NORTH, maker.principal, 7)
    assert links.open(secret).key == NORTH
    rig.store.change_user(maker.id, {"disabled_at_us": 1})
    with pytest.raises(NotSignedIn):
        links.open(secret)
    assert links.of(NORTH) == []
    rig.close()


def test_a_link_ends_by_itself(links, monkeypatch):
    """Nobody remembers the screens of last summer."""
    _, secret = links.make(NORTH, ANNA, 1)
    later = screens.now_us() + screens.DAY_US + 1
    monkeypatch.setattr(screens, "now_us", lambda: later)
    with pytest.raises(NotSignedIn):
        links.open(secret)


@pytest.mark.parametrize("secret", ["", "x", "x" * 10_000, "' OR 1=1 --"])
def test_a_made_up_link_opens_nothing(links, secret):
    """256 random bits are not guessed, and what is typed is never part of a statement."""
    links.make(NORTH, ANNA, 7)
    with pytest.raises(NotSignedIn):
        links.open(secret)


@pytest.mark.parametrize("days", [0, -1, LONGEST_DAYS + 1])
def test_a_link_is_not_for_ever(links, days):
    """The refusal says which limit and where it stands."""
    with pytest.raises(ScreenRefused, match=f"1 to {LONGEST_DAYS}"):
        links.make(NORTH, ANNA, days)


def test_a_bed_has_so_many_links_and_no_more(links):
    """A form that is sent again and again fills no table."""
    for _ in range(MOST_LINKS):
        links.make(NORTH, ANNA, 1)
    with pytest.raises(ScreenRefused, match="withdraw one"):
        links.make(NORTH, ANNA, 1)


def test_another_sites_link_is_answered_like_none(links):
    """Which screens another clinic has is nobody's business."""
    made, _ = links.make(NORTH, ANNA, 7)
    assert links.visible(made.id, ANNA).key == NORTH
    for screen, who in ((made.id, BEN), ("none", ANNA)):
        with pytest.raises(UnknownScreen, match=f"no link of the id '{screen}' is known"):
            links.visible(screen, who)
