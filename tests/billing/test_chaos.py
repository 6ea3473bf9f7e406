"""Billing's process killed at any point while sessions are billed: no gap, no double, every session once."""

import contextlib
import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from access import somebody
from billing.billing_rig import BillingRig
from business_process import PATIENT_S, Process
from servers import Mosquitto, eventually
from sqlalchemy import select

from broker import codec
from broker.bus import Bus
from broker.contract import EVENT, STREAMS
from broker.messages import ClinicEvent
from services.billing.charges.tables import CHARGES, SESSIONS
from services.billing.invoices import store
from services.billing.invoices.tables import INVOICES
from services.kit.auth import tokens
from services.kit.database import reading

pytestmark = pytest.mark.system
# patients, sessions of each, kills
ROUNDS = [
    pytest.param(8, 3, 3, id="short"),
    pytest.param(20, 10, 25, marks=pytest.mark.soak, id="long"),
]


class Desk(threading.Thread):
    """Issues every draft as soon as it is there, and asks again whenever the connection breaks."""

    def __init__(self, url, header):
        super().__init__(daemon=True)
        self.url, self.header, self.done = url, header, threading.Event()

    def run(self):
        """Until it is told to stop."""
        while not self.done.wait(0.1):
            with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                self._issue_all()

    def _issue_all(self):
        waiting = httpx.get(f"{self.url}/drafts?site=north", headers=self.header, timeout=20).json()
        for draft in waiting["drafts"]:
            body = {"request": draft["id"], "revision": draft["revision"]}
            httpx.post(
                f"{self.url}/drafts/{draft['id']}/issue", json=body, headers=self.header, timeout=PATIENT_S
            )


@pytest.mark.parametrize(("patients", "sessions", "kills"), ROUNDS)
def test_killed_at_any_point_every_session_is_billed_once(tmp_path, patients, sessions, kills):
    """Told twice, killed again and again: numbers without a gap, each session on one invoice, told once."""
    dice = random.Random(patients)  # noqa: S311  (no secret)
    rig = BillingRig(tmp_path)
    rig.clinic()
    people = [rig.patient() for _ in range(patients)]
    token = tokens.mint(rig.keys.private, somebody("billing"), 3600, [tokens.BILLING])
    with Mosquitto(tmp_path) as broker:
        process = Process(
            "billing",
            tmp_path,
            broker,
            SPONDYL_SCREENING_URL=rig.screening.url,
            SPONDYL_BILLING_EVERY_S="0.2",
        ).start()
        others = Bus(broker.url, "others", session_expiry_s=600)
        others.subscribe(STREAMS["invoice"])
        others.start()
        eventually(lambda: others.connected, PATIENT_S)
        desk = Desk(process.url, {"authorization": f"Bearer {token}"})
        desk.start()
        telling = threading.Thread(target=tell, args=(rig, others, people, sessions), daemon=True)
        telling.start()
        for _ in range(kills):
            threading.Event().wait(dice.uniform(0.05, 1.0))  # anywhere in its work
            process.kill()
            process.start()
        telling.join(PATIENT_S * 4)
        billed = set()

        def is_all_billed():
            with reading(rig.engine) as connection:
                billed.update(sessions_billed(connection))
                return len(billed) == patients * sessions and rig.office.outbox.waiting() == 0

        eventually(is_all_billed, PATIENT_S * 4, f"{patients * sessions} sessions on invoices")
        desk.done.set()
        desk.join(PATIENT_S)
        heard = gathered(others, rig.count(INVOICES))
        process.kill()
        others.close()
    with reading(rig.engine) as connection:
        assert store.gaps(connection) == []
        counted = connection.execute(select(INVOICES.c.counted).order_by(INVOICES.c.counted)).scalars().all()
        assert counted == list(range(1, len(counted) + 1))
        assert Counter(sessions_billed(connection).values()) == {1: patients * sessions}
    assert rig.count(SESSIONS) == patients * sessions
    assert rig.count(CHARGES) == 3 * patients * sessions
    assert heard == len(counted)
    rig.close()


def tell(rig, bus, people, sessions):
    """Every session twice, and each cure's end, as the others tell them."""
    for patient in people:
        cure = uuid4()
        at = datetime.now(UTC) - timedelta(days=20)
        planned = {
            "cure": cure,
            "patient": patient,
            "region": "lumbar",
            "segment": "L4/5",
            "sessions": sessions,
        }
        publish_clinic(bus, "cure.planned", planned)
        for day in range(sessions):
            event = rig.session_event(patient, cure, at=at + timedelta(days=day))
            payload = codec.encode(EVENT, event)
            assert bus.publish(EVENT, payload, "north", "bed-01").wait(PATIENT_S)
            assert bus.publish(EVENT, payload, "north", "bed-01").wait(PATIENT_S)
        publish_clinic(bus, "cure.ended", {"cure": cure, "patient": patient, "reason": "completed"})


def publish_clinic(bus, kind, data):
    """An event of another service."""
    told = {name: str(value) if isinstance(value, UUID) else value for name, value in data.items()}
    event = ClinicEvent(id=uuid4(), type=kind, time=datetime.now(UTC), data=told)
    stream = STREAMS[kind.partition(".")[0]]
    assert bus.publish(stream, codec.encode(stream, event), "north").wait(PATIENT_S)


def sessions_billed(connection):
    """On how many invoices each session stands."""
    of_charge = {row.id: row.session for row in connection.execute(select(CHARGES.c.id, CHARGES.c.session))}
    rows = connection.execute(select(INVOICES.c.charges)).scalars()
    return Counter(session for charges in rows for session in {of_charge[charge] for charge in charges})


def gathered(bus, wanted):
    """How many different events of invoices were told."""
    told = set()

    def is_enough():
        batch = bus.take(100, 0.1)
        told.update(delivery.message.id for delivery in batch)
        bus.acknowledge(batch)
        return len(told) >= wanted

    eventually(is_enough, PATIENT_S, f"{wanted} events")
    return len(told)
