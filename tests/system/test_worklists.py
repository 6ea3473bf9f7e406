"""From screening's word to a refusal at the bed: scheduler, a real broker, the recorder's process, the
panel.
"""

from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from os import getpid
from uuid import UUID, uuid4

import pytest
from bedside_rig import NECK, Served, Ticking
from recorder_rig import Process
from scheduler.scheduler_rig import SITE, SchedulerRig
from servers import eventually
from sqlalchemy import insert
from worklist_rig import ListedClinic

from broker.bus import Bus
from broker.contract import EVENT, STREAMS, WORKLIST
from broker.messages import ClinicEvent
from services.controller.kernel import memory as m
from services.controller.loop.shared import LoopFile
from services.kit.business.inbox import Consumer
from services.kit.business.outbox import Publisher
from services.kit.clearance import issue
from services.kit.database import writing
from services.kit.runfile import process_start
from services.kit.sealed import Person
from services.scheduler.booking import store as booking
from services.scheduler.booking.models import Appointment
from services.scheduler.handlers import handlers
from services.scheduler.progression.tables import PRESCRIPTIONS
from services.scheduler.worklists import publishing

pytestmark = pytest.mark.system
PERSON = Person("Erika Mustermann", date(1961, 5, 4))
SAID = {"region": None, "reason": "adverse", "adverse": True}


class Calm(Ticking):
    """A loop that leaves the machine room for the other processes."""

    rest_s = 0.004


class Registry:
    """Screening's answers."""

    def of(self, _patient):
        """Everybody has this name."""
        return PERSON


class Chain:
    """A centre and one gateway, and nothing between them but the broker."""

    def __init__(self, data, url, ending):
        self.patient, self.appointment = uuid4(), uuid4()
        self.ticking = Calm()
        ending.callback(self.ticking.close)
        self.recorder = Process(data, url)
        self._say_the_loop()
        self.clinic = ListedClinic(self.recorder.directory, self.ticking)
        ending.callback(self.clinic.store.close)
        ending.callback(self.clinic.clear_up)
        self.panel = Served(self.clinic.panel(todays=self.clinic.todays))
        ending.callback(self.panel.close)
        self.panel.sign_in()
        self.recorder.start()
        ending.callback(self.recorder.end)
        self._scheduler(data, url, ending)
        self.screening = Bus(url, "screening")
        self.screening.start()
        ending.callback(self.screening.close)
        self.heard = Bus(url, "listener")
        self.heard.subscribe(WORKLIST)
        self.heard.subscribe(EVENT)
        self.passed = []
        self.heard.start()
        ending.callback(self.heard.close)

    def _say_the_loop(self):
        memory, started = self.ticking.memory, process_start(getpid())
        memory.set_word(m.W_PID, getpid())
        memory.set_word(m.W_PID_STARTED, round(started * 1000))
        self.recorder.directory.mkdir(parents=True)
        LoopFile(memory.path, getpid(), started, str(memory.boot), None).save(self.recorder.directory)

    def _scheduler(self, data, url, ending):
        self.scheduler = SchedulerRig(data / "scheduler")
        office = self.scheduler.office
        bus = Bus(url, "scheduler", session_expiry_s=600)
        consumer = Consumer(office.engine, office.tables, office.outbox, bus, handlers(office))
        publisher = Publisher(office.outbox, bus)
        ending.callback(self.scheduler.close)
        ending.callback(bus.close)
        consumer.start()
        ending.callback(consumer.stop)
        bus.start()
        publisher.start()
        ending.callback(publisher.stop)
        ending.callback(publishing.begin(office, Registry()))

    def plan(self):
        """An appointment of now at bed-01, in the middle of its site's day, with a prescription."""
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        now -= timedelta(minutes=now.minute % 5)
        zone = f"Etc/GMT{now.hour - 12:+d}"
        self.scheduler.ask("PUT", "/sites/north", role="administrator", json={**SITE, "zone": zone})
        one = Appointment(
            self.appointment, uuid4(), self.patient, "north", "bed-01", uuid4(), "cervical", 5, now,
            now + timedelta(minutes=45), now + timedelta(minutes=60), "booked", confirmed=False,
        )  # fmt: skip
        given = {
            "cure": str(one.cure), "number": 5, "prescription": {**NECK, "traction_min": 20.0},
            "rule": "signed", "reason": {}, "automatic": False, "by": "a clinician", "at_us": 1,
        }  # fmt: skip
        with writing(self.scheduler.engine) as connection:
            connection.execute(insert(PRESCRIPTIONS).values(given))
            booking.add(connection, [one], "desk", "", 1)

    def screening_says(self, kind, **data):
        """An event of screening's, over the broker."""
        told = {name: str(value) if isinstance(value, UUID) else value for name, value in data.items()}
        event = ClinicEvent(id=uuid4(), type=kind, time=datetime.now(UTC), data=told)
        self.screening.publish(STREAMS["clearance"], event, "north").wait(10)

    def give_clearance(self):
        """Signed by screening, for the patient's neck."""
        token, given = issue(
            self.clinic.keys.private, self.patient, "cervical", valid_for=timedelta(days=1),
            valid_from=datetime.now(UTC) - timedelta(minutes=5),
        )  # fmt: skip
        self.screening_says(
            "clearance.given", clearance=given.id, patient=self.patient, region="cervical", token=token,
            valid_from=given.valid_from.isoformat(), valid_until=given.valid_until.isoformat(), conditions=[],
        )  # fmt: skip

    def whole_row(self):
        """The appointment as the panel lists it, with name and clearance; None while it does not."""
        rows = self.panel.get("/bed-01/worklist")["appointments"]
        return next((row for row in rows if row["clear"] and row["name"]), None)

    def texts(self, stream):
        """What passed the broker so far, as it was sent."""
        found = self.heard.take(1000, 0.2)
        self.heard.acknowledge(found)
        self.passed += [(delivery.stream, delivery.message.model_dump_json()) for delivery in found]
        return [text for one, text in self.passed if one is stream]

    def why(self):
        """Whether the record says why the bed was paused."""
        return [text for text in self.texts(EVENT) if '"from":"worklist"' in text and '"adverse"' in text]


@pytest.fixture
def chain(tmp_path, mosquitto):
    """Everything, ended in the reverse order."""
    with ExitStack() as ending:
        yield Chain(tmp_path, mosquitto.url, ending)


@pytest.mark.requirement("refuse-suspended", "pause-adverse")
def test_a_suspension_of_the_centre_is_refused_at_the_bed(chain):
    """The patient lies under traction when the desk hears of the dizziness of yesterday."""
    chain.plan()
    chain.give_clearance()
    row = eventually(chain.whole_row, 60, "the list")
    assert (row["name"], row["birth_date"]) == (PERSON.name, "1961-05-04")
    body = {"appointment": row["appointment"], "identity_asked": True}
    chain.panel.post("bed-01/confirm-listed", body).raise_for_status()
    chain.panel.post("bed-01/switch-test").raise_for_status()
    eventually(lambda: chain.panel.get("/bed-01")["switch"]["tested"], 60, "switch test")
    eventually(lambda: chain.panel.post("bed-01/start").is_success, 60, "start")
    chain.clinic.until("precondition", "ramp", "hold")

    suspension = uuid4()
    chain.screening_says("clearance.suspended", suspension=suspension, patient=chain.patient, **SAID)
    chain.clinic.until("paused")
    refusal = chain.panel.post("bed-01/resume")
    assert refusal.status_code == 409
    assert "an adverse event was reported" in refusal.json()["detail"]
    assert chain.panel.get("/bed-01")["suspension"]["adverse"]

    chain.screening_says("clearance.restored", suspension=suspension, patient=chain.patient, region=None)
    eventually(lambda: chain.panel.post("bed-01/resume").is_success, 60, "resume")
    eventually(chain.why, 60, "the record")
    lists = chain.texts(WORKLIST)
    assert lists
    assert not [text for text in lists if "Mustermann" in text or "1961-05-04" in text]
