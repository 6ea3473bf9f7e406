"""Golden scenarios at the beds of a demo: few, in turn, said to be simulated, and taken away again."""

import asyncio
import json
from collections import Counter

import httpx
import pytest
from operator_rig import PIN, THERAPIST
from servers import eventually

from services.controller.kernel.faults import BITS
from services.controller.scenarios import staging
from services.controller.scenarios.files import DIRECTORY, load
from services.controller.therapist import rights
from services.controller.therapist.attending import Therapist
from services.kit.auth import tokens
from services.kit.errors import SpondylError

LIBRARY = staging.library(DIRECTORY)


def test_most_beds_treat_in_peace_and_every_scenario_has_its_turn():
    """Whoever looks at a demo first must see treatments, not a chamber of horrors."""
    played = Counter()
    for index in range(6):
        shown = [staging.in_turn(LIBRARY, index, sessions) for sessions in range(40)]
        played[index] = sum(one is not None for one in shown)
        if index == 1:
            assert {one.demo for one in shown if one} == {one.demo for one in LIBRARY}
    assert played == {0: 0, 1: 20, 2: 0, 3: 0, 4: 20, 5: 0}
    first = [staging.in_turn(LIBRARY, index, 0) for index in (1, 4)]
    assert first[0] != first[1]
    assert staging.in_turn([], 1, 0) is None


@pytest.mark.parametrize("scenario", LIBRARY, ids=lambda one: one.demo)
def test_a_scenario_says_first_that_it_is_simulated_and_leaves_no_fault_behind(scenario):
    """In German and English, on the session's page; and the next patient finds a sound bed."""
    steps = staging.steps(scenario)
    at_s, route, body = steps[0]
    assert (at_s, route) == (0.0, "note")
    assert body["text"] == f"Simulation: {scenario.demo_de} / {scenario.demo}"
    on = set()
    for _, route, body in steps:
        if route == "fault":
            (on.discard if body["clear"] else on.add)(body["kind"])
            assert body["kind"] in BITS
    assert (on, steps[-1][0] < 300) == (set(), True)


def test_what_was_set_is_mended_although_the_session_ended_early_and_nothing_else_is_done_then():
    """A fault ends its session: that is what it is for. Pausing a bed that is free would only be refused."""
    slip = {"kind": "strap-slip", "clear": False}
    mended = (25.0, "fault", slip | {"clear": True})
    play = staging.Play([(0.0, "note", {}), (5.0, "fault", slip), (10.0, "pause", {}), mended])
    assert play.due("ready", 100.0) is None
    assert play.due("slack", 101.0) == ("note", {})
    assert play.due("hold", 105.0) is None
    assert play.due("hold", 106.5)[1] == {"kind": "strap-slip", "clear": False}
    assert play.due("fault", 112.0) is None
    assert play.due("idle", 127.0) == ("fault", {"kind": "strap-slip", "clear": True})
    assert play.due("idle", 500.0) is None


def test_the_panel_takes_every_step_of_every_scenario(clinic, home):
    """With the rights that a demo's therapist has, and no others."""
    stage = staging.Stage(LIBRARY, home)
    run = json.loads((home / "run.json").read_text())
    root = run["panels"]["bed-01"] + "/api/devices/bed-01"
    headers = {"authorization": f"Bearer {stage.authority('north')}"}
    faults = {
        json.dumps(body) for one in LIBRARY for _, route, body in staging.steps(one) if route == "fault"
    }
    for body in sorted(faults, key=lambda text: '"clear": true' in text):
        answer = httpx.post(f"{root}/fault", json=json.loads(body), headers=headers)
        assert answer.status_code == 200, answer.text
    eventually(lambda: int(clinic.memory.faults[0]) == 0, 5, "a sound bed")
    assert httpx.post(f"{root}/start", json={}, headers=headers).status_code in (401, 403)


def test_a_token_that_was_made_for_faults_serves_without_the_access_key(clinic, home):
    """A container that shows scenarios must not hold what signs tokens in anybody's name."""
    key = tokens.keys_of(home).private
    path = rights.faults_path(home, "north")
    path.write_text(rights.faults_token(key, "north"))
    key.unlink()
    headers = {"authorization": f"Bearer {staging.Stage(LIBRARY, home).authority('north')}"}
    run = json.loads((home / "run.json").read_text())
    root = run["panels"]["bed-01"] + "/api/devices/bed-01"
    for clear in (False, True):
        body = {"kind": "cough", "clear": clear}
        assert httpx.post(f"{root}/fault", json=body, headers=headers).status_code == 200
    with pytest.raises(SpondylError):
        staging.Stage(LIBRARY, home).authority("south")


def test_a_therapist_who_is_signed_in_lets_a_fault_come_and_says_so_in_a_note(clinic, home):
    """The panel takes a cookie for who asks: a therapist's own must not be sent along with a fault."""
    run = json.loads((home / "run.json").read_text())
    sign_in = {"name": THERAPIST, "pin": PIN}
    stage = staging.Stage(LIBRARY, home)
    someone = Therapist(run["panels"], home / "none", 1, **sign_in, stage=stage)
    root = run["panels"]["bed-01"]

    async def shown():
        async with httpx.AsyncClient() as client:
            (await client.post(f"{root}/api/sign-in", json=sign_in)).raise_for_status()
            body = {"kind": "cough", "clear": False}
            await someone._stage(client, f"{root}/api/devices/bed-01/fault", body, "north")

    asyncio.run(shown())
    assert clinic.memory.faults[0] & BITS["cough"]
    clinic.bedside.fault("bed-01", "cough", clear=True)


def test_a_scenario_without_words_for_a_demo_is_not_shown_there():
    """What only a simulation can be given (a chain of ticks that come late) would show nothing at a bed."""
    assert load(DIRECTORY / "late-ticks.json") not in LIBRARY
    assert len(LIBRARY) >= 6
