"""Who sees which past session, and what those who may not are told."""

import re
from uuid import UUID, uuid4

import pytest
from console.past_rig import shown
from simulated_session import CURE, SESSION

pytestmark = pytest.mark.system


WAYS = {
    "page": lambda rig, who, one: rig.get(who, f"/sessions/{one}"),
    "curve": lambda rig, who, one: rig.get(who, f"/api/sessions/{one}/curve?from=0&to=9"),
    "export": lambda rig, who, one: rig.get(who, f"/sessions/{one}/export?format=csv"),
    "note": lambda rig, who, one: rig.post(who, f"/sessions/{one}/notes", data={"text": "seen"}),
    "compare": lambda rig, who, one: rig.get(who, f"/sessions/compare?session={one}&session={uuid4()}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_another_sites_session_answers_like_one_that_does_not_exist(rig, way):
    """The difference would tell who is treated where."""
    nowhere = uuid4()
    before = rig.trail()
    theirs, none = (WAYS[way](rig, "sam", one) for one in (SESSION, nowhere))
    assert theirs.status_code == none.status_code == 404
    assert _plain(theirs) == _plain(none)
    assert rig.trail() == before


def _plain(answer):
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", shown(answer))


def test_another_sites_cure_answers_like_one_that_does_not_exist(rig):
    """A cure is known by its sessions alone."""
    theirs, none = rig.get("sam", f"/cures/{CURE}/sessions"), rig.get("sam", f"/cures/{UUID(int=5)}/sessions")
    assert theirs.status_code == none.status_code == 404
    assert _plain(theirs) == _plain(none)


@pytest.mark.parametrize(
    ("who", "path"),
    [
        ("moni", "/sessions"), ("moni", f"/sessions/{SESSION}"), ("moni", f"/cures/{CURE}/sessions"),
        ("tina", f"/sessions/{SESSION}/export?format=csv"),
        ("bill", f"/sessions/{SESSION}/export?format=csv"),
    ],
)  # fmt: skip
def test_who_may_not_is_told_which_role_may(rig, who, path):
    """A refusal that names nobody to ask is a dead end."""
    answer = rig.get(who, path)
    assert answer.status_code == 403
    assert "it comes with the role" in shown(answer)


def test_a_page_offers_only_what_its_reader_may_do(rig):
    """Billing reads; it neither notes nor exports."""
    bill, tina = (shown(rig.get(who, f"/sessions/{SESSION}")) for who in ("bill", "tina"))
    assert "/export?format" not in bill + tina
    assert "Add note" not in bill
    assert "Add note" in tina
