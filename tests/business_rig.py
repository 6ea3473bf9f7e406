"""What rigs of business services share: an office in this process, asked in any role, told of anything."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from access import somebody
from asgi_client import Client
from sqlalchemy import func, select

from broker import codec
from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.kit.auth import tokens
from services.kit.business.inbox import Heard
from services.kit.database import reading, writing


class BusinessRig:
    """A rig sets ``office``, ``handlers``, ``app``, ``keys``, ``now``; its class ``audience`` and role."""

    audience, role = "", ""
    now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)

    @property
    def engine(self):
        """The office's database."""
        return self.office.engine

    def header(self, role=None, *sites):
        """What speaks for somebody of this role, at these sites; at every one when none is named."""
        token = tokens.mint(self.keys.private, somebody(role or self.role, *sites), 600, [self.audience])
        return {"authorization": f"Bearer {token}"}

    def client(self, role=None, *sites):
        """Requests of this one."""
        return Client(self.app, self.header(role, *sites))

    def knock(self, method, path, *, role=None, sites=(), **options):
        """The answer, whatever it is."""
        return self.client(role, *sites).request(method, path, **options)

    def ask(self, method, path, *, role=None, sites=(), status=None, **options):
        """The JSON of an answer; ``status`` is asserted when given, else that it is no refusal."""
        answer = self.knock(method, path, role=role, sites=sites, **options)
        wanted = answer.is_success if status is None else answer.status_code == status
        assert wanted, f"{method} {path}: {answer.status_code} {answer.text[:900]}"
        return answer.json() if answer.content else None

    def hear(self, stream, message, site="north", device=None):
        """Let the service hear a message, as its inbox does when it is new."""
        with writing(self.engine) as connection:
            self.handlers[stream](connection, Heard(stream, site, device, message))

    def clinic_event(self, kind, site="north", *, stream=None, **data):
        """An event of another service; its stream is named by the first word of its type, unless told."""
        said = {name: str(value) if isinstance(value, UUID) else value for name, value in data.items()}
        event = ClinicEvent(id=uuid4(), type=kind, time=self.now, data=said)
        self.hear(STREAMS[stream or kind.partition(".")[0]], event, site)
        return event

    def told(self, stream=None):
        """The messages that wait in the outbox, oldest first; of one stream by its name."""
        return [
            codec.decode(STREAMS[row["stream"]], bytes(row["payload"]))
            for row in self.office.outbox.first(10_000)
            if stream in (None, row["stream"])
        ]

    def trail(self, action=None):
        """The rows of the audit trail, oldest first; of one action."""
        table = self.office.tables.trail
        with reading(self.engine) as connection:
            rows = [dict(row) for row in connection.execute(select(table).order_by(table.c.seq)).mappings()]
        return [row for row in rows if action in (None, row["action"])]

    def count(self, table):
        """How many rows a table has."""
        with reading(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def close(self):
        """Let go of the database."""
        self.engine.dispose()
