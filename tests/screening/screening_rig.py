"""Screening in this process: its database, its API asked in anybody's role, what it would tell on the bus."""

import migrated
from business_rig import BusinessRig

from services.kit import http
from services.kit.auth import tokens
from services.kit.auth.guard import bearer
from services.kit.business.inbox import Consumer
from services.kit.business.service import open_office
from services.screening.api import routers
from services.screening.handlers import handlers
from services.screening.settings import ScreeningSettings
from services.screening.tables import PACKAGE, TABLES

MOST_BYTES = 100_000_000


class ScreeningRig(BusinessRig):
    """One screening; on a PostgreSQL by its ``url``, else on SQLite below the directory."""

    audience, role = tokens.SCREENING, "clinician"

    def __init__(self, directory, url=None, **settings):
        self.directory = directory
        self.keys = tokens.ensure_keys(directory)
        given = {"data": directory, "business_database_url": url, **settings}
        wanted = ScreeningSettings(**given)
        migrated.begin(wanted.database("screening"), PACKAGE)
        self.office = open_office("screening", PACKAGE, TABLES, wanted)
        self.handlers = handlers(self.office)
        self.app = http.create_app(
            "screening",
            "0",
            routers=routers(self.office),
            guard=bearer(self.keys.public.read_bytes(), tokens.SCREENING),
            max_request_bytes=MOST_BYTES,
        )

    def consumer(self, bus):
        """What hears the bus, for tests that deliver: ``take([...])`` handles in one transaction."""
        return Consumer(self.engine, self.office.tables, self.office.outbox, bus, self.handlers)

    def patient(self, site="north", *, role="clinician", **content):
        """The id of a new patient; what is not said is Erika Mustermann's."""
        body = {"site": site, "content": PERSON | content, "anyway": True}
        return self.ask("POST", "/patients", role=role, json=body, status=201)["patient"]


PERSON = {
    "family_name": "Mustermann",
    "given_name": "Erika",
    "birth_date": "1964-08-12",
    "sex": "female",
    "street": "Heidestraße 17",
    "postal_code": "51147",
    "city": "Köln",
    "phone": "+49 2203 1234",
    "email": "erika@example.org",
    "insurance": "private",
    "body_weight_kg": 70.5,
    "body_height_cm": 168,
    "diagnosis": "Bandscheibenvorfall L4/5",
    "region": "lumbar",
    "segment": "L4/5",
}
