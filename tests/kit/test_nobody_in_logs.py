"""Nobody is named by a log, a metric or a trace: services driven with known people through all that fails."""

import asyncio
import logging
import sys
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
import structlog
from billing.bank import entry, statement
from billing.billing_rig import BillingRig
from billing.test_invoices import cured, drafts, issued, turn
from otlp_receiver import OtlpReceiver
from screening.screening_rig import PERSON, ScreeningRig
from servers import eventually
from sqlalchemy import text

from broker import codec
from broker.bus import Bus, Delivery
from broker.contract import EVENT
from services.billing.figures import figures as of_billing
from services.kit import logging as kit_logging
from services.kit import metrics, tracing
from services.kit.business.figures import figures
from services.kit.business.identity import Unreachable
from services.kit.business.inbox import Consumer
from services.kit.business.repeating import Repeating
from services.kit.health import Check, readiness

WHO = {
    "family_name": "Quirrenbach", "given_name": "Theodora", "birth_date": "1957-03-21",
    "street": "Zwetschgengasse 4", "city": "Oberquembach", "phone": "+49 6003 998877",
    "email": "theodora@quirrenbach.example", "diagnosis": "Spondylolisthesis vera",
}  # fmt: skip
IBAN, PURPOSE = "DE89370400440532013000", "Rechnung fuer Theodora"
NAMED = (*WHO.values(), "21.03.1957", IBAN, PURPOSE, "Quirrenb", "Theodor")


@pytest.fixture
def read(capsys, monkeypatch, tmp_path):
    """Everything that leaves a process: its log at the finest, and its spans; on from the first call."""
    receiver = OtlpReceiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    before = logging.getLogger().handlers[:], logging.getLogger().level
    hooks = sys.excepthook, threading.excepthook
    said = []

    def so_far():
        if not structlog.is_configured():
            kit_logging.configure("chain", "debug")
        said.append(capsys.readouterr().err)
        return "".join(said) + receiver.bytes.decode(errors="replace")

    yield so_far
    structlog.reset_defaults()
    logging.getLogger().handlers, logging.getLogger().level = before
    sys.excepthook, threading.excepthook = hooks
    receiver.close()


def refuse_in(said):
    """An assertion with the name, not with a megabyte of log."""
    found = [name for name in NAMED if name in said]
    lines = [line[:600] for line in said.splitlines() if any(name in line for name in found)]
    assert not found, (found, lines[:3])


def scraped(app, rig, *more):
    """What Prometheus gets of a service."""
    app.state.registry.register(figures(rig.engine, rig.office.tables, more))
    return metrics.exposition(app.state.registry).decode()


def heard(rig, message):
    """Let the real inbox handle a message as it comes from the broker; nobody waits for the answer."""
    consumer = Consumer(
        rig.engine, rig.office.tables, rig.office.outbox, Bus("mqtt://127.0.0.1:1", "x"), rig.handlers
    )
    payload = codec.encode(EVENT, message)
    delivery = Delivery(EVENT, "north", "bed-01", message, payload, False, False, None, None, 0, 0, 0)
    taking = threading.Thread(target=consumer.take, args=([delivery],), daemon=True)
    taking.start()
    eventually(lambda: consumer.last_error or not taking.is_alive(), what="the message")
    consumer._ending.set()  # with its database away it is tried again until then
    taking.join(5)
    return consumer.last_error


def test_screening_s_log_metrics_and_spans_name_nobody(tmp_path, read):
    """Files are made, looked for, refused, and the database fails in the middle of it."""
    read()
    with tracing.exporting("screening", "1"):
        rig = ScreeningRig(tmp_path)
        patient = rig.patient(**WHO)
        rig.ask("GET", "/patients", params={"q": WHO["family_name"], "site": "north"})
        rig.knock("GET", f"/patients/{WHO['email']}")
        rig.knock(
            "POST", "/patients", json={"site": "north", "content": {**PERSON, **WHO, "sex": WHO["email"]}}
        )
        rig.knock("POST", f"/{WHO['family_name']}", json=WHO)
        rig.knock("PUT", f"/patients/{patient}", content=f"{{{WHO['family_name']}".encode())
        with rig.engine.begin() as connection:
            connection.execute(text("ALTER TABLE patient_gram RENAME TO gone"))
        fault = rig.knock(
            "POST", "/patients", json={"site": "north", "content": PERSON | WHO, "anyway": True}
        )
        assert fault.status_code == 500

        @rig.app.get("/broken")
        def broken():
            raise RuntimeError(f"there is no {WHO['family_name']} in {WHO}")

        assert rig.knock("GET", "/broken").status_code == 500
        exposed = scraped(rig.app, rig)
        rig.close()
    said = read()
    assert '"request failed"' in said
    assert "OperationalError" in said
    refuse_in(said + exposed)


def test_billing_s_log_metrics_and_spans_name_nobody(tmp_path, read):
    """From a session to a payment with the payer's account, and every refusal on the way."""
    read()
    with tracing.exporting("billing", "1"):
        rig = BillingRig(tmp_path)
        rig.clinic()
        cured(rig, **WHO)
        issued(rig)
        files = {"file": ("bank.xml", statement(entry("1.00", PURPOSE, name=WHO["family_name"])), "text/xml")}
        rig.ask("POST", "/bank-statements", params={"site": "north"}, files=files)
        broken = {"file": (f"{WHO['family_name']}.xml", f"<a>{IBAN}".encode(), "text/xml")}
        rig.knock("POST", "/bank-statements", params={"site": "north"}, files=broken)
        patient = rig.patient(**{**WHO, "birth_date": WHO["family_name"]})
        rig.session(patient, rig.cure(patient), at=rig.now - timedelta(days=3))
        with pytest.raises(Unreachable):  # what screening said is no date
            turn(rig)
        for draft in drafts(rig):
            body = {"request": str(uuid4()), "revision": draft["revision"]}
            rig.knock("POST", f"/drafts/{draft['id']}/issue", json=body)
        rig.knock("GET", "/invoices", params={"site": "north", "q": WHO["family_name"]})
        session = rig.session_event(rig.patient(**WHO), reason=WHO["email"])
        heard(rig, session)
        heard(
            rig, session.model_copy(update={"id": uuid4(), "type": "session.aborted"})
        )  # another end: refused
        with rig.engine.begin() as connection:
            connection.execute(text("ALTER TABLE billing_sessions RENAME TO gone"))
        assert heard(rig, session_of(rig)) == "OperationalError: SQLITE_ERROR no such table: billing_sessions"
        exposed = scraped(rig.app, rig, of_billing)
        rig.close()
    said = read()
    assert '"message refused' in said
    assert "spondyl_billing_invoices" in exposed
    refuse_in(said + exposed)


def session_of(rig):
    """The end of a session of somebody who is known."""
    return rig.session_event(rig.patient(**WHO))


def test_work_in_the_background_and_probes_repeat_no_words(read):
    """/readyz is open to whoever reaches the port."""
    read()
    failed = threading.Event()

    def turn_of():
        failed.set()
        raise ValueError(f"no letter to {WHO['email']}, {WHO['given_name']}")

    work = Repeating("letters", turn_of, 0.01)
    end = work.start()
    assert failed.wait(10)
    end()

    def probe():
        raise LookupError(WHO["family_name"])

    found = asyncio.run(readiness([Check("files", probe), work.check()]))
    assert not found.ready
    assert found.findings[1].detail == "ValueError: [withheld]"
    refuse_in(read() + found.detail)
