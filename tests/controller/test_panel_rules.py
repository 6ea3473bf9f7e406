"""Who may do what at the panel, and from where: nobody, a token from elsewhere, an operator."""

import asyncio
import json
from uuid import UUID

import httpx
import pytest
from controller.panel_rig import ACTING, told
from operator_rig import ACCOUNT, PIN, THERAPIST
from servers import eventually

from services.controller.panel.__main__ import PanelSettings
from services.kit.auth.roles import ROLES
from services.kit.errors import SpondylError


@pytest.mark.requirement("sign-in-to-operate")
def test_nothing_but_stop_is_done_by_somebody_unknown(panel, clinic):
    """A visitor at the bed must not start, change or note anything."""
    session = clinic.confirm().session
    for action, body in ACTING.items():
        answer = panel.post(f"bed-01/{action}", body)
        assert (action, answer.status_code) == (action, 401)
        assert "nobody is signed in at this panel" in answer.json()["detail"]
    assert clinic.phase() == "ready"
    assert [row["action"] for row in clinic.store.actions(session)] == ["confirm"]


@pytest.mark.requirement("no-token-acts")
@pytest.mark.parametrize("role", ROLES)
def test_a_token_from_elsewhere_never_acts_whatever_its_role(panel, clinic, role):
    """Only the bedside may start: not a console, not an integrator, not an administrator at home."""
    for action, body in ACTING.items():
        answer = panel.post(f"bed-01/{action}", body, headers=clinic.staff.bearer(role))
        assert (action, answer.status_code) == (action, 403)
        assert "only the bedside may start, resume or change" in answer.json()["detail"]
    assert clinic.phase() == "idle"


@pytest.mark.requirement("stop-without-sign-in")
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer forged"}, {"authorization": "Basic eDp5"}])
def test_stop_needs_no_sign_in_and_minds_no_forged_token(panel, clinic, headers):
    """Whoever stands at the bed may stop it."""
    clinic.under_way()
    answer = panel.post("bed-01/stop", headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (200, True)
    assert clinic.phase() == "stopped"


@pytest.mark.requirement("sign-in-to-operate")
def test_who_acts_is_who_signed_in(panel, clinic):
    """The record names the person that the PIN proved, and nothing that a browser claims."""
    panel.sign_in()
    forged = panel.post("bed-01/confirm", clinic.request() | {"operator": "somebody else"})
    assert forged.status_code == 422
    session = panel.post("bed-01/confirm", clinic.request(note="calm")).json()["session"]
    panel.post("bed-01/stop")
    stored = clinic.store.by_id(UUID(session))
    found = eventually(lambda: len(told(clinic, stored)) == 2 and told(clinic, stored), 10, "stop written")
    assert found == [("confirm", THERAPIST), ("stop", THERAPIST)]
    assert (stored.operator, stored.account) == (THERAPIST, str(ACCOUNT))
    assert [note.operator for note in clinic.store.notes(stored.session)] == [THERAPIST]


def test_faults_are_for_those_who_may_break_a_bed(panel, clinic):
    """By the table of roles: at the bed or by a token of this site."""
    body = {"kind": "drive-stuck", "clear": True}
    assert panel.post("bed-01/fault", body).status_code == 401
    assert panel.post("bed-01/fault", body, headers=clinic.staff.bearer("therapist")).status_code == 403
    elsewhere = panel.post("bed-01/fault", body, headers=clinic.staff.bearer("administrator", "south"))
    unknown = panel.post("bed-99/fault", body, headers=clinic.staff.bearer("administrator"))
    assert (elsewhere.status_code, unknown.status_code) == (404, 404)
    assert elsewhere.json()["detail"].replace("bed-01", "bed-99") == unknown.json()["detail"]
    right = clinic.staff.bearer("administrator")
    assert panel.post("bed-01/fault", body, headers=right).status_code == 200
    assert panel.post("bed-01/fault", {"kind": "cosmic-ray"}, headers=right).status_code == 409
    panel.sign_in()
    assert panel.post("bed-01/fault", body).status_code == 403


@pytest.mark.parametrize(
    ("client", "networks", "status"),
    [
        ("127.0.0.1", (), 200), ("::1", (), 200), ("10.1.2.3", (), 200), ("::ffff:10.1.2.3", (), 200),
        ("10.1.2.4", (), 403), ("2001:db8::7", (), 403), ("10.1.2.4", ("10.1.2.0/28",), 200),
        ("10.1.2.17", ("10.1.2.0/28",), 403), ("fe80::1%eth0", ("fe80::/10",), 200),
    ],
)  # fmt: skip
def test_only_browsers_at_the_bed_sign_in_and_act(clinic, client, networks, status):
    """A PIN that was seen must not start a bed from an office; STOP and the view are open to all."""
    clinic.confirm()
    app = clinic.panel(clients=networks, hosts=["10.1.2.3"])
    inside = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    outside = httpx.ASGITransport(app, client=(client, 1))

    async def knock():
        async with httpx.AsyncClient(transport=inside, base_url="http://10.1.2.3") as bed:
            signed = await bed.post("/api/sign-in", json={"name": THERAPIST, "pin": PIN})
            cookies = signed.cookies
        async with httpx.AsyncClient(transport=outside, base_url="http://10.1.2.3") as office:
            entry = await office.post("/api/sign-in", json={"name": THERAPIST, "pin": PIN})
            office.cookies = cookies
            acted = await office.post("/api/devices/bed-01/note", json={"text": "x"})
            seen = await office.get("/api/devices/bed-01")
            stopped = await office.post("/api/devices/bed-01/stop")
        return entry, acted, seen, stopped

    entry, acted, seen, stopped = asyncio.run(knock())
    assert [answer.status_code for answer in (entry, acted, seen, stopped)] == [status, status, 200, 200]
    if status == 403:
        assert "SPONDYL_PANEL_CLIENTS" in acted.json()["detail"]
        assert "nur am Bett" in entry.json()["detail_de"]


@pytest.mark.parametrize("text", ["10.1.2.3/24", "bed", "10.1.2.0/33"])
def test_a_network_that_is_none_is_refused_at_the_start(monkeypatch, text):
    """A slip of the pen must not open the panel to more, nor silently to nobody."""
    monkeypatch.setenv("SPONDYL_PANEL_CLIENTS", f"127.0.0.1, {text}")
    with pytest.raises(SpondylError, match="SPONDYL_PANEL_CLIENTS"):
        PanelSettings.load()


@pytest.mark.parametrize(
    ("role", "site", "status"),
    [
        (None, "north", 401), ("reception", "north", 403), ("monitor", "north", 403),
        ("billing", "north", 200), ("clinician", "north", 200), ("clinician", "*", 200),
        ("clinician", "south", 404),
    ],
)  # fmt: skip
def test_a_past_session_is_for_those_who_may_see_sessions_here(panel, clinic, role, site, status):
    """Another site's is answered like one that does not exist."""
    session = clinic.confirm()
    headers = clinic.staff.bearer(role, site) if role else {}
    answer = panel.http.get(f"/api/devices/bed-01/sessions/{session.session}", headers=headers)
    assert answer.status_code == status


def test_names_to_choose_from_are_open_and_no_digest_is_told(panel, clinic):
    """The page needs names; nobody needs what a PIN hashes to."""
    text = panel.http.get("/api/sign-in").text
    assert json.loads(text)["operators"] == [{"name": THERAPIST, "title": "M. Keller", "pin": True}]
    for secret in (clinic.staff.people[0].pin, clinic.staff.people[0].badge, str(ACCOUNT)):
        assert secret not in text
        assert secret not in panel.http.get("/bed-01").text
