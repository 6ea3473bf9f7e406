"""Several replicas of a business service over one PostgreSQL: all answer, one leads, whatever is ended."""

import contextlib
import random
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import uuid4

import httpx
import pytest
from access import somebody
from billing.billing_rig import BillingRig
from billing.test_chaos import Desk, gathered, sessions_billed, tell
from business_process import PATIENT_S, Process
from scheduler.scheduler_rig import SchedulerRig
from scheduler.test_chaos import future_cure
from servers import eventually
from sqlalchemy import select

from broker.bus import Bus
from broker.contract import STREAMS
from services.billing.charges.tables import CHARGES, SESSIONS
from services.billing.invoices import store
from services.billing.invoices.tables import INVOICES
from services.kit.auth import tokens
from services.kit.database import reading
from services.scheduler.booking import store as bookings
from services.scheduler.booking.tables import CURES

pytestmark = pytest.mark.system
REPLACED_S = 15.0  # within 5 s alone; beside a whole suite on two cores it may be more
# replicas, patients, sessions of each, rounds of a kill and a freeze
ROUNDS = [
    pytest.param(2, 4, 3, 1, id="short"),
    pytest.param(3, 20, 10, 8, marks=pytest.mark.soak, id="long"),
]


def ready(process):
    """What it says of itself; nothing while it is gone."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{process.url}/readyz", timeout=PATIENT_S).json()
    return {}


def leader(processes):
    """The one that says that it leads, once one alone does."""

    def one():
        threading.Event().wait(0.2)  # asked as a proxy asks: the processes have other work, too
        found = [process for process in processes if ready(process).get("leader") == "yes"]
        return found[0] if len(found) == 1 else None

    return eventually(one, REPLACED_S, "one leader")


def replicas(many, name, directory, broker, database, **environment):
    """Processes that share a database and the directory of their secrets."""
    told = {"SPONDYL_BUSINESS_DATABASE_URL": database, **environment}
    return [Process(name, directory, broker, **told).start() for _ in range(many)]


@pytest.mark.parametrize(("many", "patients", "sessions", "rounds"), ROUNDS)
def test_leaders_killed_and_frozen_while_all_replicas_bill_every_session_is_billed_once(
    mosquitto, postgres, tmp_path, many, patients, sessions, rounds
):
    """Desks at every replica, a leader killed, one that hangs and comes back: numbers without a gap."""
    dice = random.Random(patients)  # noqa: S311  (no secret)
    rig = BillingRig(tmp_path, postgres.database())
    rig.clinic()
    people = [rig.patient() for _ in range(patients)]
    token = tokens.mint(rig.keys.private, somebody("billing"), 3600, [tokens.BILLING])
    processes = replicas(
        many, "billing", tmp_path, mosquitto, rig.engine.url.render_as_string(hide_password=False),
        SPONDYL_SCREENING_URL=rig.screening.url, SPONDYL_BILLING_EVERY_S="0.2",
    )  # fmt: skip
    others = Bus(mosquitto.url, "others", session_expiry_s=600)
    others.subscribe(STREAMS["invoice"])
    others.start()
    eventually(lambda: others.connected, PATIENT_S)
    leader(processes)
    desks = [Desk(process.url, {"authorization": f"Bearer {token}"}) for process in processes]
    telling = threading.Thread(target=tell, args=(rig, others, people, sessions), daemon=True)
    for thread in (*desks, telling):
        thread.start()
    for _ in range(rounds):
        killed = leader(processes)
        threading.Event().wait(dice.uniform(0.05, 0.5))  # anywhere in its work
        killed.kill()
        frozen = leader([process for process in processes if process is not killed])
        killed.start()
        threading.Event().wait(dice.uniform(0.05, 0.5))
        frozen.running.send_signal(signal.SIGSTOP)
        leader([process for process in processes if process is not frozen])
        frozen.running.send_signal(signal.SIGCONT)
    telling.join(PATIENT_S * 4)

    def is_all_billed():
        with reading(rig.engine) as connection:
            return len(sessions_billed(connection)) == patients * sessions and not rig.office.outbox.waiting()

    eventually(is_all_billed, PATIENT_S * 4, "every session on an invoice")
    for desk in desks:
        desk.done.set()
        desk.join(PATIENT_S)
    heard = gathered(others, rig.count(INVOICES))
    leads = [httpx.get(f"{process.url}/metrics").text for process in processes]
    assert sum("spondyl_leader 1.0" in text for text in leads) == 1
    for process in processes:
        process.kill()
    others.close()
    with reading(rig.engine) as connection:
        assert store.gaps(connection) == []
        counted = connection.execute(select(INVOICES.c.counted).order_by(INVOICES.c.counted)).scalars().all()
        assert Counter(sessions_billed(connection).values()) == {1: patients * sessions}
    assert counted == list(range(1, len(counted) + 1))
    assert (rig.count(SESSIONS), rig.count(CHARGES)) == (patients * sessions, 3 * patients * sessions)
    assert heard == len(counted)
    found = rig.office.trail.verify()
    assert found.ok, f"{found}: written by every replica, one chain"
    rig.close()


@pytest.mark.soak  # tests/scheduler/test_desks_at_once.py is the same in one process
def test_desks_at_two_replicas_never_book_one_place_twice(mosquitto, postgres, tmp_path):
    """The same hours of the same bed, asked for at the same moment at both: somebody gets another time."""
    rig = SchedulerRig(tmp_path, postgres.database(), screening_url="")
    rig.clinic(beds={"bed_01": "lumbar"})
    database = rig.engine.url.render_as_string(hide_password=False)
    processes = replicas(2, "scheduler", tmp_path, mosquitto, database)
    token = tokens.mint(rig.keys.private, somebody("reception"), 3600, [tokens.SCHEDULER])
    header = {"authorization": f"Bearer {token}"}
    first = future_cure(0)
    asked = [
        first | {"patient": str(uuid4()), "request": str(uuid4()), "sessions": 15, "times": []}
        for _ in range(4)
    ]
    asked.append(asked[0])  # a desk whose connection broke asks the other replica
    with ThreadPoolExecutor(len(asked)) as desks:
        answers = list(
            desks.map(lambda row: processes[row[0] % 2].post("/cures", row[1], header), enumerate(asked))
        )
    assert answers[0]["cure"] == answers[-1]["cure"]
    for process in processes:
        process.kill()
    with reading(rig.engine) as connection:
        held = bookings.find(connection)
    assert (rig.count(CURES), len(held)) == (4, 60)
    for place in (lambda one: one.device, lambda one: one.therapist):
        spans = sorted((place(one), one.starts_at, one.ends_at) for one in held)
        for (where, _, ends_at), (there, starts_at, _) in pairwise(spans):
            assert where != there or ends_at <= starts_at
    rig.close()
