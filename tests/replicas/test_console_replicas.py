"""Two consoles over one database behind a proxy: whichever is asked, one sign-in, one acknowledgement."""

import contextlib
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from business_process import PATIENT_S, Process
from console.account_rig import AccountRig
from console.room_rig import over_force
from console.samples import block, status
from servers import eventually

from broker.bus import Bus
from broker.contract import ALARM, OPERATORS, STATUS, TENSION
from broker.messages import AlarmState
from services.kit.auth import operators, tokens

pytestmark = pytest.mark.system


@pytest.fixture
def rig(postgres, tmp_path):
    """People in one database, which both consoles are told of."""
    made = AccountRig(postgres.database())
    made.keys = tokens.ensure_keys(tmp_path)
    made.person("tom", "therapist@north")
    made.person("ada", "administrator")
    yield made
    made.close()


@pytest.fixture
def pair(rig, mosquitto, tmp_path):
    """Two consoles that share database and secrets."""
    url = rig.store.engine.url.render_as_string(hide_password=False)
    made = [Process("console", tmp_path, mosquitto, SPONDYL_CONSOLE_DATABASE_URL=url) for _ in range(2)]
    for process in made:
        process.start()
    yield made
    for process in made:
        process.kill()


@pytest.fixture
def bed(mosquitto):
    """A gateway with one bed, and what it is told of its operators."""
    bus = Bus(mosquitto.url, "gw-north", site="north")
    bus.subscribe(OPERATORS, device="gw-north")
    bus.start()
    eventually(lambda: bus.connected, PATIENT_S)
    bus.announce(STATUS, status("online"), "north", "gw-north")
    yield bus
    bus.close()


def alarms(process, headers):
    """The alarms of the bed that this console shows."""
    rows = httpx.get(f"{process.url}/api/alarms", headers=headers, timeout=PATIENT_S).json()["alarms"]
    return [row for row in rows if row["condition"] == "over_force"]


@contextlib.contextmanager
def page(process, headers):
    """What an open page gets from this console, line by line."""
    with httpx.stream("GET", f"{process.url}/events", headers=headers, timeout=PATIENT_S) as answer:
        yield answer.iter_lines()


def said_of_operators(bed, public):
    """The versions of the lists that came until nothing came any more; all say the same."""
    found = []
    while (batch := bed.take(100, 2.0)) or not found:
        bed.acknowledge(batch)
        found += [operators.read(delivery.message.signed, public, "north") for delivery in batch]
    assert {row.operators for row in found} == {found[0].operators}
    return [row.version for row in found]


def test_whichever_console_is_asked_sees_the_same_people_alarms_and_acknowledgements(rig, pair, bed):
    """A proxy sends each request where it likes; one console may be gone a moment later."""
    one, other = pair
    headers = rig.headers("tom")
    bed.publish(TENSION, block(0), device="bed-01")
    active = AlarmState(boot=uuid4(), seq=0, at=datetime.now(UTC), alarms=[over_force()])
    bed.announce(ALARM, active, "north", "bed-01")
    for process in pair:
        eventually(lambda process=process: alarms(process, headers), PATIENT_S, "the alarm at both")
    named = {name: alarms(one, headers)[0][name] for name in ("site", "device", "condition", "occurrence")}
    assert named == {name: alarms(other, headers)[0][name] for name in named}, "one name for one occurrence"
    newest = said_of_operators(bed, rig.keys.public.read_bytes())
    assert newest == sorted(newest), "the later list counts: two consoles do not take it back from each other"
    told = httpx.post(f"{other.url}/api/alarms/acknowledge", json=named, headers=headers, timeout=PATIENT_S)
    assert (told.status_code, told.json()["first"]) == (200, True)
    again = httpx.post(f"{one.url}/api/alarms/acknowledge", json=named, headers=headers, timeout=PATIENT_S)
    assert (again.status_code, again.json()["first"]) == (200, False)
    eventually(lambda: alarms(one, headers)[0]["acknowledged"], PATIENT_S, "seen at the other within 1 s")
    with page(one, headers) as lines:
        assert next(lines) == "event: summary"
        one.kill()
        with contextlib.suppress(httpx.HTTPError):
            list(lines)
    with page(other, headers) as lines:
        assert next(lines) == "event: summary", "the page goes on at the other"
    signed_out = httpx.post(f"{other.url}/sign-out", headers=headers, timeout=PATIENT_S)
    assert signed_out.status_code in (200, 303)
    one.start()
    refused = httpx.get(f"{one.url}/api/alarms", headers=headers, timeout=PATIENT_S)
    assert refused.status_code == 401, "signed out at one is signed out at both"
