"""One id from the tap at the bed to the invoice: panel, gateway's events, broker, billing, broker again."""

import contextlib
import json
import logging
import sys
import threading
from uuid import uuid4

import pytest
import structlog
from bedside_rig import PATIENT, Served
from billing.billing_rig import BillingRig
from billing.test_invoices import drafts, turn
from sample_streams import PERIOD_NS, rows, whole_session
from servers import eventually

from broker.bus import Bus
from broker.contract import EVENT, STREAMS
from services.controller.recorder.events import Diary
from services.kit import correlation
from services.kit import logging as kit_logging
from services.kit.business.inbox import Consumer
from services.kit.business.outbox import Publisher

pytestmark = pytest.mark.system
TAP, OFFICE = "4bf92f3577b34da6a3ce929d0e0e4736", "a3ce929d0e0e47364bf92f3577b34da6"
PATIENT_S = 20.0


def header(trace):
    """A traceparent of somebody's."""
    return {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}


@pytest.fixture
def logged(capsys):
    """The lines so far, as objects: logging is on as in a service, from the first call."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    hooks = sys.excepthook, threading.excepthook
    lines = []

    def so_far():
        if structlog.is_configured():
            return read()
        kit_logging.configure("chain", "info")
        return lines

    def read():
        lines.extend(json.loads(line) for line in capsys.readouterr().err.splitlines() if line[:1] == "{")
        return lines

    yield so_far
    structlog.reset_defaults()
    logging.getLogger().handlers, logging.getLogger().level = before
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def rig(tmp_path):
    """A billing service that knows the patient at the bed."""
    made = BillingRig(tmp_path / "billing")
    made.clinic()
    made.screening.files[str(PATIENT)] = made.screening.files.pop(str(made.patient()))
    made.clinic_event("patient.registered", patient=PATIENT)
    yield made
    made.close()


@contextlib.contextmanager
def connected(mosquitto, name):
    """Somebody at the broker."""
    bus = Bus(mosquitto.url, name, session_expiry_s=600)
    bus.start()
    eventually(lambda: bus.connected, PATIENT_S)
    yield bus
    bus.close()


def told_by_the_bed(clinic, patient_cure):
    """What the recorder makes of a whole session's samples, and of what the panel wrote down."""
    diary = Diary(clinic.memory.boot, "bed-01", PERIOD_NS)
    confirmed = clinic.store.unfinished()[-1]
    events = diary.observe(*rows(*whole_session()), lambda _number: confirmed.facts())
    assert confirmed.cure == patient_cure
    done = events[-1]  # its samples are of six seconds: those of half an hour are told alike
    summary = done.summary.model_copy(update={"traction_s": 1800.0, "heat_s": 900.0})
    return [*events[:-1], done.model_copy(update={"summary": summary})]


def test_one_id_leads_from_the_tap_at_the_bed_to_the_invoice(clinic, rig, mosquitto, logged):
    """Whoever asks where a number on an invoice comes from finds every step of it, in every service's log."""
    logged()
    cure = rig.cure(PATIENT, sessions=1)
    served = Served(clinic.panel())
    served.sign_in()
    answer = served.post("bed-01/confirm", clinic.request(cure=str(cure)), headers=header(TAP))
    assert answer.headers[correlation.ANSWER] == TAP
    events = told_by_the_bed(clinic, cure)
    served.close()
    assert {event.correlation for event in events[1:]} == {TAP}
    with (
        connected(mosquitto, "billing") as bus,
        connected(mosquitto, "gw-north") as gateway,
        connected(mosquitto, "console") as console,
    ):
        console.subscribe(STREAMS["invoice"])
        consumer = Consumer(rig.engine, rig.office.tables, rig.office.outbox, bus, rig.handlers)
        publisher = Publisher(rig.office.outbox, bus)
        consumer.start()
        publisher.start()

        def charged():  # told again, as a gateway does: the first may come before who listens
            for event in events:
                gateway.publish(EVENT, event, "north", "bed-01").wait(PATIENT_S)
            return [line for line in logged() if line["event"] == "session charged"]

        eventually(charged, PATIENT_S)
        rig.clinic_event("cure.ended", cure=cure, patient=PATIENT, region="cervical", sessions=1)
        turn(rig)
        (draft,) = drafts(rig)
        body = {"request": str(uuid4()), "revision": draft["revision"]}
        rig.ask("POST", f"/drafts/{draft['id']}/issue", json=body, headers={**rig.header(), **header(OFFICE)})
        (issued,) = console.take(1, PATIENT_S)
        eventually(lambda: [line for line in logged() if line["event"] == "message told"], PATIENT_S)
        publisher.stop()
        consumer.stop()
    assert issued.message.correlation == OFFICE
    assert issued.message.data["correlations"] == [TAP]
    followed = [line["event"] for line in logged() if line.get("correlation") == TAP]
    steps = ["request", "patient confirmed", "session charged", "session drafted", "session invoiced"]
    assert [step for step in followed if step in steps] == [
        "patient confirmed", "request", "session charged", "session drafted", "session invoiced",
    ]  # fmt: skip
    assert {"message handled", "message told"} <= set(followed)
    invoiced = next(line for line in logged() if line["event"] == "session invoiced")
    assert (invoiced["tap"], invoiced["invoice"]) == (OFFICE, issued.message.data["invoice"])
