"""Billing in this process: its database, its API asked in any role, people that screening would tell of.

The clock stands at NOW until a test sets ``rig.now``.
"""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import migrated
from business_rig import BusinessRig

from broker.contract import EVENT
from broker.messages import Event
from services.billing.api import routers
from services.billing.handlers import handlers
from services.billing.people import People
from services.billing.settings import BillingSettings
from services.billing.tables import PACKAGE, TABLES
from services.kit import http
from services.kit.auth import tokens
from services.kit.auth.guard import bearer
from services.kit.business.service import open_office

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)  # a Monday, 08:00 in Berlin
POLL_S = 0.02  # after so long the server at hand sees that it is over
CLINIC = {
    "name": "Praxis am Park", "doctor": "Dr. med. Ada Beispiel", "speciality": "Orthopädie",
    "address": {"street": "Parkweg 1", "postal_code": "10115", "city": "Berlin"},
    "phone": "030 1234567", "email": "praxis@example.org", "account_holder": "Dr. Ada Beispiel",
    "iban": "DE02120300000000202051", "bic": "BYLADEM1001", "bank": "DKB", "tax_number": "12/345/67890",
    "identifier": "721234567",
}  # fmt: skip
ANNA = {
    "family_name": "Muster", "given_name": "Anna", "birth_date": "1980-05-17", "sex": "female",
    "street": "Hauptstraße 5", "postal_code": "10117", "city": "Berlin", "country": "DE", "phone": "",
    "email": "anna@example.org", "language": "de", "insurance": "private", "insurer": "Musterversicherung",
    "insurance_number": "X123", "diagnosis": "Bandscheibenvorfall L4/5",
}  # fmt: skip


class Screening:
    """Answers like screening's identity route; ``files`` is who has a file."""

    def __init__(self):
        outer = self
        self.files, self.asked, self.is_away = {}, [], False

        class Answer(BaseHTTPRequestHandler):
            """One question."""

            def do_GET(self):
                """Somebody's identity."""
                patient = self.path.split("/")[2]
                outer.asked.append(patient)
                row = outer.files.get(patient)
                body = json.dumps({"patient": patient, **(row or {})}).encode()
                self.send_response(503 if outer.is_away else 200 if row else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        """End."""
        self._server.shutdown()
        self._server.server_close()


class BillingRig(BusinessRig):
    """One billing service; on a PostgreSQL by its ``url``, else on SQLite below the directory."""

    audience, role = tokens.BILLING, "billing"

    def __init__(self, directory, url=None, **settings):
        self.directory = directory
        self.keys = tokens.ensure_keys(directory)
        self.now = NOW
        self.screening = Screening()
        given = {
            "data": directory, "business_database_url": url, "screening_url": self.screening.url, **settings,
        }  # fmt: skip
        self.settings = BillingSettings(**given)
        migrated.begin(self.settings.database("billing"), PACKAGE)
        self.office = open_office("billing", PACKAGE, TABLES, self.settings)
        self.people = People(self.settings)
        self.handlers = handlers(self.office, lambda: self.now)
        self.app = http.create_app(
            "billing",
            "0",
            routers=routers(self.office, self.people, lambda: self.now),
            guard=bearer(self.keys.public.read_bytes(), tokens.BILLING),
        )

    def clinic(self, site="north", **changed):
        """A site with everything that an invoice needs."""
        return self.ask("PUT", f"/clinics/{site}", json={**CLINIC, **changed})

    def patient(self, site="north", **changed):
        """The id of somebody with a file."""
        patient = uuid4()
        self.screening.files[str(patient)] = {**ANNA, **changed}
        self.clinic_event("patient.registered", site, patient=patient)
        return patient

    def cure(self, patient, site="north", region="lumbar", sessions=18):
        """The id of a planned cure."""
        cure = uuid4()
        told = {"cure": cure, "patient": patient, "region": region, "segment": "L4/5", "sessions": sessions}
        self.clinic_event("cure.planned", site, **told)
        return cure

    def session(self, patient, cure=None, site="north", *, completed=True, event=None, **summary):
        """A bed says that a session is over; the event, to be heard again."""
        event = event or self.session_event(patient, cure, completed=completed, **summary)
        self.hear(EVENT, event, site, "bed-01")
        return event

    def session_event(self, patient, cure=None, *, completed=True, **summary):
        """What a bed tells at the end of a session."""
        ended = summary.pop("at", self.now)
        given = {
            "session": uuid4(), "patient": patient, "cure": cure, "appointment": uuid4(), "region": "lumbar",
            "segment": "L4/5", "started_at": ended - timedelta(minutes=40), "ended_at": ended,
            "reason": "completed" if completed else "patient switch", "traction_s": 1800.0, "heat_s": 900.0,
            "peak_n": 150.0, "hold_mean_n": 145.0, "hold_rms_n": 2.0, "cycles": 15, "guardings": 0,
            "phase_s": {"hold": 900.0}, "pain_before": 6, "pain_after": 5,
        } | summary  # fmt: skip
        return Event(
            id=uuid4(), type="session.completed" if completed else "session.aborted", at=ended, boot=uuid4(),
            seq=1, index=1, session=given["session"], summary=given,
        )  # fmt: skip

    def close(self):
        """Let go of the database."""
        super().close()
        self.screening.close()
