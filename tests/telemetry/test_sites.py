"""Another site's devices, sessions and figures: there is nothing of them, and nothing says that there is."""

from contextlib import closing
from uuid import UUID

import pytest
from access import header, somebody
from asgi_client import Client
from history_rig import HistoryRig
from simulated_session import BOOT, SESSION

from services.telemetry.models import Entry, Place, Source

pytestmark = pytest.mark.system
ELSEWHERE = Source(Place("south", "bed-01"), UUID(int=77))
UNKNOWN = UUID("5e551011-0000-4000-8000-0000000000ff")
THEIRS = UUID("5e551011-0000-4000-8000-0000000000bb")
MARKS = ("south", str(THEIRS), str(ELSEWHERE.boot))


@pytest.fixture(params=["hot", "archived"])
def stored(request, valkey, tmp_path):
    """A session at north/bed-01, and another at south/bed-01."""
    with closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        keep_elsewhere(rig)
        rig.store(request.param)
        yield rig


def keep_elsewhere(rig):
    """The same samples at the other site, in a session of its own."""
    rows = [("tension", row) for row in rig.session.tension]
    entries = [Entry(kind, ELSEWHERE, row[0], row[0] + row[1], row[2]) for kind, row in rows]
    fields = rig._fields(over=True)[SESSION] | {
        "site": "south", "boot": str(ELSEWHERE.boot), "end_boot": str(ELSEWHERE.boot),
    }  # fmt: skip
    rig.rig.keep(entries, sessions={THEIRS: fields})


def asked(rig, path, *sites, role="integrator"):
    """Status and body, for somebody of these sites."""
    answer = Client(rig.app, header(somebody(role, *sites))).get(path)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("path", ["/devices", "/sessions", "/audit"])
def test_a_list_holds_the_caller_s_sites_and_no_others(stored, path):
    """Not a row, not a sum, not a count of them."""
    status, north = asked(stored, path, "north")
    assert status == 200
    assert not [mark for mark in MARKS if mark in str(north)]
    _, everywhere = asked(stored, path)
    _, both = asked(stored, path, "north", "south")
    assert both == everywhere != north
    assert asked(stored, path, "nowhere")[0] == 200


def test_totals_are_those_of_the_caller_s_sites(stored):
    """A sum over all sites would tell what another one does."""
    _, mine = asked(stored, "/audit", "north")
    _, theirs = asked(stored, "/audit", "south")
    _, everyone = asked(stored, "/audit")
    assert (mine["devices"], theirs["devices"], everyone["devices"]) == (1, 1, 2)
    assert mine["samples"] + theirs["samples"] == everyone["samples"] > mine["samples"] > 0


@pytest.mark.parametrize("path", ["/sessions", "/statistics"])
def test_a_filter_for_another_site_finds_what_one_for_an_unknown_site_finds(stored, path):
    """`site=` is a question, not a key."""
    foreign, unknown = (asked(stored, f"{path}?site={site}", "north") for site in ("south", "atlantis"))
    assert foreign == unknown
    assert foreign[0] == 200


PARTS = ("", "/state", "/window", "/blocks", "/blocks?points=10")


@pytest.mark.parametrize("part", PARTS)
def test_another_site_s_device_is_refused_in_the_words_of_an_unknown_one(stored, part):
    """404, and nothing to tell the two apart."""
    mark = "&" if "?" in part else "?"
    foreign = asked(stored, f"/devices/bed-01{part}{mark}site=south", "north")
    unknown = asked(stored, f"/devices/bed-01{part}{mark}site=aaaaa", "north")
    assert foreign[0] == unknown[0] == 404
    assert str(foreign).replace("south", "aaaaa") == str(unknown)


def test_a_name_that_two_sites_have_is_no_question_for_whoever_knows_one_of_them(stored):
    """Being told that a name is ambiguous would tell that the other site has it."""
    status, row = asked(stored, "/devices/bed-01", "north")
    assert (status, row["site"], row["boot"]) == (200, "north", str(BOOT))
    status, told = asked(stored, "/devices/bed-01")
    assert (status, "north and south" in told["detail"]) == (409, True)


@pytest.mark.parametrize(
    "part",
    ["", "/summary", "/prescribed", "/blocks", "/window?points=10", "/recording", "/export?format=csv"],
)
def test_another_site_s_session_is_refused_in_the_words_of_an_unknown_one(stored, part):
    """404 and never 403: whether a session exists is itself a patient's secret."""
    foreign = asked(stored, f"/sessions/{THEIRS}{part}", "north")
    unknown = asked(stored, f"/sessions/{UNKNOWN}{part}", "north")
    assert foreign[0] == unknown[0] == 404
    assert str(foreign).replace(str(THEIRS), str(UNKNOWN)) == str(unknown)
    assert Client(stored.app, header(somebody("integrator", "south"))).get(
        f"/sessions/{THEIRS}{part}"
    ).status_code in (200, 422)  # (it has no black box)


def test_a_page_of_sessions_is_full_although_others_lie_between(stored):
    """The limit counts what may be seen: a page that comes up short would tell what is missing."""
    _, rows = asked(stored, "/sessions?limit=1", "north")
    assert [row["session"] for row in rows] == [str(SESSION)]
    answer = Client(stored.app, header(somebody("integrator", "north"))).get("/sessions?limit=1")
    assert "link" not in answer.headers


def test_with_redis_away_another_site_s_session_is_still_like_an_unknown_one(valkey, tmp_path):
    """An outage must not become an oracle."""
    with closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        keep_elsewhere(rig)
        rig.store("archived")
        valkey.kill()
        foreign, unknown = (asked(rig, f"/sessions/{session}", "north") for session in (THEIRS, UNKNOWN))
    assert foreign == unknown
    assert foreign[0] == 503
