"""A simulated session on the archive's rig, wherever its samples are to lie, and the API in front of it."""

from access import GUARD, header
from archive_rig import Rig
from asgi_client import Client
from simulated_session import BOOT, SESSION, simulated

from services.kit.http import create_app
from services.telemetry.api import create_router
from services.telemetry.hot import Hot
from services.telemetry.models import Entry, Place, Source
from services.telemetry.query import History
from services.telemetry.settings import TelemetrySettings
from services.telemetry.trail import ReadTrail

OFFSET = 500
WHERE = ("hot", "archived", "half")


class HistoryRig:
    """``hot``: all in Redis; ``archived``: all in the archive; ``half``: the seam lies inside the session."""

    def __init__(self, redis_url, directory, minutes=3.0):
        self.session = simulated(minutes, OFFSET)
        self.rig = Rig(
            redis_url, f"file://{directory}/telemetry/archive", f"sqlite:///{directory}/telemetry/archive.db"
        )
        self.rig.source = self.source = Source(Place("north", "bed-01"), BOOT)
        self.hot = Hot(redis_url)
        self.history = History(self.hot, self.rig.archive)
        self.archive_alone = History(None, self.rig.archive)
        self.settings = TelemetrySettings(
            data=directory, archive_database_url=f"sqlite:///{directory}/telemetry/archive.db"
        )
        self.trail = ReadTrail(self.settings)
        self.app = create_app("telemetry", "0", (), [create_router(self.history, self.trail)], guard=GUARD)
        self.client = Client(self.app, header())

    def close(self):
        """Let go of the servers."""
        self.trail.close()
        self.hot.close()
        self.rig.close()

    def store(self, where, *, leave_out=()):
        """The session, but for the blocks of these numbers."""
        tension = [row for number, row in enumerate(self.session.tension) if number not in leave_out]
        cut = len(self.session.samples) // 2 // 250 * 250 if where == "half" else 0
        rows = [("tension", row) for row in tension] + [("blackbox", row) for row in self.session.blackbox]
        first, second = (
            [self._entry(kind, row) for kind, row in rows if (row[0] < cut) == early]
            for early in (True, False)
        )
        payloads = enumerate(self.session.events())
        events = [self._entry("event", (index, 1, payload)) for index, payload in payloads]
        if where == "half":
            self.rig.keep([*first, *events[:1]], sessions=self._fields(over=False))
            self.rig.turn(hurry=True)
            events = events[1:]
        self.rig.keep([*second, *events], sessions=self._fields(over=True))
        if where == "archived":
            self.rig.turn()
            self.rig.turn(after_s=3601)
            self.rig.turn(after_s=3601)
        return self

    def store_beginning(self):
        """The first half of the session, which goes on."""
        half = len(self.session.samples) // 2
        rows = [("tension", row) for row in self.session.tension] + [
            ("blackbox", row) for row in self.session.blackbox
        ]
        entries = [self._entry(kind, row) for kind, row in rows if row[0] + row[1] <= half]
        started = self._entry("event", (0, 1, self.session.events()[0]))
        self.rig.keep([*entries, started], sessions=self._fields(over=False))

    def get(self, path, **options):
        """GET from the API."""
        return self.client.get(path, **options)

    def _entry(self, kind, row):
        first, count, payload = row
        return Entry(kind, self.source, first, first + count, payload)

    def _fields(self, *, over):
        fields = {
            "site": "north", "device": "bed-01", "boot": str(BOOT), "first_seq": str(self.session.first),
            "started_at": self.session.summary.started_at.isoformat(), "region": "lumbar", "segment": "L4/L5",
        }  # fmt: skip
        if over:
            fields |= {
                "end_boot": str(BOOT), "end_seq": str(self.session.last), "ended_by": "session.completed",
                "summary": self.session.summary.model_dump_json(),
            }  # fmt: skip
        return {SESSION: fields}
