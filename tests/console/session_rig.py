"""A console on a real telemetry with a real archive in this process: past sessions as a person sees them.

rig = SessionRig(valkey_url, directory)
rig.history.store("archived")
rig.get("ada", "/sessions").text            # as the person of that name, by her cookie
"""

import contextlib
import threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import httpx
import orjson
import simulated_session
import uvicorn
from asgi_client import Client
from console.account_rig import AccountRig
from history_rig import HistoryRig
from servers import answers, eventually, free_port
from simulated_session import PERIOD_NS, SESSION
from sqlalchemy import select

from services.console import api
from services.console.archive import Archive
from services.console.context import Console
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.remote import Remote
from services.console.store import Store
from services.console.tables import TRAIL
from services.controller.alarms.table import BY_CONDITION
from services.controller.alarms.table import text as alarm_text
from services.kit.auth.guard import bearer
from services.kit.auth.keys import public_pem
from services.kit.http import create_app
from services.telemetry.api import create_router
from services.telemetry.archive.rows import Commit
from services.telemetry.models import Place

DAY_US = 24 * 3600 * 1_000_000
PEOPLE = {
    "ada": ("clinician",),
    "nora": ("clinician@north",),
    "sam": ("clinician@south",),
    "tina": ("therapist@north",),
    "bill": ("billing",),
    "moni": ("monitor",),
}


def _at(seq):
    return datetime.fromtimestamp((simulated_session.STARTED_NS + seq * PERIOD_NS) / 1e9, UTC).isoformat()


class SessionRig:
    """The people of ``PEOPLE`` may sign in; ``away`` takes telemetry away."""

    def __init__(self, redis_url, directory, minutes=1.0, panels=None):
        self.history = HistoryRig(redis_url, directory, minutes=minutes)
        settings = ConsoleSettings(data=directory, telemetry_url="http://telemetry", panels=panels or {})
        self.store = Store(settings.database)
        self.console = Console(Live(), Remote(None), settings, self.store)
        telemetry = create_app(
            "telemetry", "0", (), [create_router(self.history.history, self.history.trail)],
            guard=bearer(public_pem(self.console.key)),
        )  # fmt: skip
        self.transport = httpx.ASGITransport(telemetry)
        self.away(is_away=False)
        self.app = api.create(self.console, "0", [])
        self.accounts = AccountRig(settings.database)
        self._signed_in = {}
        for name, roles in PEOPLE.items():
            self.accounts.person(name, *roles)

    def spike(self, seq, newtons):
        """One single sample of the session is this high; before it is stored."""
        session = self.history.session
        tension = list(session.tension)
        number = next(n for n, (first, count, _) in enumerate(tension) if first <= seq < first + count)
        first, count, payload = tension[number]
        block = orjson.loads(payload)
        block["tension_n"][seq - first] = newtons
        tension[number] = (first, count, orjson.dumps(block))
        self.history.session = replace(session, tension=tension)

    def alarm(self, condition, seq, cleared_seq, value=None, limit=None):
        """An alarm of the gateway's table during the session; before it is stored."""
        row = BY_CONDITION[condition]
        data = {
            "condition": condition, "priority": row.priority, "hazard": row.hazard, "latched": row.latching,
            "since": _at(seq), "value": value, "limit": limit,
            "text": {"de": alarm_text(row, "de", value, limit), "en": alarm_text(row, "en", value, limit)},
        }  # fmt: skip
        raised = ("alarm.raised", seq, None, data)
        cleared = ("alarm.cleared", cleared_seq, None, data | {"raised_at": _at(seq), "raised_seq": seq})
        self.history.session = replace(self.history.session, told=(raised, cleared))

    @contextlib.contextmanager
    def served(self):
        """The console at a real address, in a thread, until the end of the block."""
        port = free_port()
        self.console.live.broker(up=True)
        config = uvicorn.Config(
            self.app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, name="console", daemon=True)
        thread.start()
        try:
            eventually(lambda: answers(port), 20.0, "the console's answer")
            yield f"http://127.0.0.1:{port}"
        finally:
            self.app.state.stopping.set()
            server.should_exit = True
            thread.join(10)

    def away(self, is_away):
        """Telemetry does not answer any more, or does again."""
        transport = httpx.AsyncHTTPTransport() if is_away else self.transport
        address = "http://127.0.0.1:9" if is_away else "http://telemetry"
        self.console.archive = Archive(address, self.console.token_for, transport=transport)

    def close(self):
        """Let go of databases and servers."""
        self.accounts.close()
        self.store.close()
        self.history.close()

    def get(self, name, path, **options):
        """GET as this person, in a browser."""
        return self._client(name).get(path, **options)

    def post(self, name, path, **options):
        """POST as this person, in a browser, with what our own pages send against forgery."""
        return self._client(name).post(path, **options)

    def trail(self):
        """What was recorded, oldest first: (name, action, record, site)."""
        rows = self.console.trail.rows(select(TRAIL).order_by(TRAIL.c.seq))
        return [(row.name, row.action, row.record, row.site) for row in rows]

    def sign_in_anew(self, name):
        """From now on this person looks from another browser."""
        self._signed_in.pop(name, None)

    def _client(self, name):
        if name not in self._signed_in:
            self._signed_in[name] = self.accounts.headers(name)
        headers = {"accept": "text/html", "accept-language": "en"} | self._signed_in[name]
        return Client(self.app, headers)

    def another(self, number, *, days=0, site="north", appointment=None, outcome="completed", **said):
        """One more session in the archive, of the same cure and the same samples, so many days later.

        Gives its id; ``said`` is what its summary says otherwise. At another site it has no samples.
        """
        index = self.history.rig.archive.index
        first = index.session(SESSION)
        marks = index.marks(self.history.source)
        row = replace(
            first, id=UUID(int=0x5E55 << 112 | number), place=Place(site, first.place.device),
            started_at_us=first.started_at_us + days * DAY_US, ended_at_us=first.ended_at_us + days * DAY_US,
            summary=first.summary | said, appointment=appointment, ended_by=f"session.{outcome}",
        )  # fmt: skip
        if site != "north":
            row = replace(row, boot=None, first_seq=None, cure=UUID(int=number), patient=UUID(int=number))
        assert index.commit(Commit(self.history.source, marks, marks, sessions=[row]))
        return row.id

    def going_on(self, number, *, days=0):
        """A session on the same samples that is not over; gives its id."""
        wanted = UUID(int=0x5E55 << 112 | number)
        started_us = self.history.rig.archive.index.session(SESSION).started_at_us + days * DAY_US
        fields = next(iter(self.history._fields(over=False).values()))
        fields["started_at"] = datetime.fromtimestamp(started_us / 1e6, UTC).isoformat()
        self.history.rig.keep(sessions={wanted: fields})
        return wanted
