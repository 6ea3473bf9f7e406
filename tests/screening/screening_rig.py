"""Screening in this process: its database, its API asked in anybody's role, what it would tell on the bus."""

import migrated
from access import somebody
from asgi_client import Client
from sqlalchemy import func, select

from broker import codec
from broker.contract import STREAMS
from services.kit import http
from services.kit.auth import tokens
from services.kit.auth.guard import bearer
from services.kit.business.inbox import Consumer
from services.kit.business.service import open_office
from services.kit.database import reading
from services.screening.api import routers
from services.screening.handlers import handlers
from services.screening.settings import ScreeningSettings
from services.screening.tables import PACKAGE, TABLES

MOST_BYTES = 100_000_000


class ScreeningRig:
    """One screening; on a PostgreSQL by its ``url``, else on SQLite below the directory."""

    def __init__(self, directory, url=None, **settings):
        self.directory = directory
        self.keys = tokens.ensure_keys(directory)
        given = {"data": directory, "business_database_url": url, **settings}
        wanted = ScreeningSettings(**given)
        migrated.begin(wanted.database("screening"), PACKAGE)
        self.office = open_office("screening", PACKAGE, TABLES, wanted)
        self.engine = self.office.engine
        self.handlers = handlers(self.office)
        self.app = http.create_app(
            "screening",
            "0",
            routers=routers(self.office),
            guard=bearer(self.keys.public.read_bytes(), tokens.SCREENING),
            max_request_bytes=MOST_BYTES,
        )

    def header(self, role="clinician", *sites):
        """What speaks for somebody of this role, at these sites; at every one when none is named."""
        token = tokens.mint(self.keys.private, somebody(role, *sites), 600, [tokens.SCREENING])
        return {"authorization": f"Bearer {token}"}

    def client(self, role="clinician", *sites):
        """Requests of this one."""
        return Client(self.app, self.header(role, *sites))

    def ask(self, method, path, *, role="clinician", sites=(), status=None, **options):
        """The JSON of an answer; ``status`` is asserted when given, else that it is no refusal."""
        answer = self.client(role, *sites).request(method, path, **options)
        wanted = answer.is_success if status is None else answer.status_code == status
        assert wanted, f"{method} {path}: {answer.status_code} {answer.text[:600]}"
        return answer.json() if answer.content else None

    def told(self, stream=None):
        """The messages that wait in the outbox, oldest first; of one stream by its name."""
        rows = self.office.outbox.first(10_000)
        return [
            codec.decode(STREAMS[row["stream"]], bytes(row["payload"]))
            for row in rows
            if stream in (None, row["stream"])
        ]

    def trail(self, action=None):
        """The rows of the audit trail, oldest first; of one action."""
        table = self.office.tables.trail
        query = select(table).order_by(table.c.seq)
        with reading(self.engine) as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [row for row in rows if action in (None, row["action"])]

    def count(self, table):
        """How many rows a table has."""
        with reading(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def consumer(self, bus):
        """What hears the bus, for tests that deliver: ``take([...])`` handles in one transaction."""
        return Consumer(self.engine, self.office.tables, self.office.outbox, bus, self.handlers)

    def patient(self, site="north", *, role="clinician", **content):
        """The id of a new patient; what is not said is Erika Mustermann's."""
        body = {"site": site, "content": PERSON | content, "anyway": True}
        return self.ask("POST", "/patients", role=role, json=body, status=201)["patient"]

    def close(self):
        """Let go of the database."""
        self.engine.dispose()


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
