"""A ward as it is on a working day: clinics and a bedside at work, past sessions, people of every role.

with ward(directory) as here:
    here.address, here.people, here.open(row), here.cookies(row)  # row: one of PAGES
"""

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import orjson
import simulated_session
from bedside_rig import BACK, PERIOD_NS, Served, Ticking
from bedside_rig import Clinic as Gateway
from browser import planned as planning
from browser.conftest import CONSOLES, Wall, service, stop
from browser.pages import Page
from console.account_rig import AccountRig
from console.clinic import PERIOD_S, Bed, alarm
from console.session_rig import SessionRig
from history_rig import OFFSET, HistoryRig
from operator_rig import PIN, THERAPIST
from servers import Valkey, answers, eventually, free_port
from simulated_session import CURE, SESSION

from services.controller.bedside.admission import Admission
from services.controller.bedside.reports import Reports
from services.controller.centre.worklists import Worklists
from services.controller.panel import pages as bedside_pages
from services.kit.auth import tokens
from services.kit.clearance import Clocks

PROVIDER = {  # whose button is on the sign-in page; nobody goes there
    "SPONDYL_OIDC_ISSUER": "http://127.0.0.1:9",
    "SPONDYL_OIDC_CLIENT_ID": "spondyl-console",
    "SPONDYL_OIDC_CLIENT_SECRET": "a secret of the provider's tests",
    "SPONDYL_OIDC_ROLES": '{"clinicians": ["clinician"]}',
    "SPONDYL_OIDC_LABEL": "Clinic login",
}
PEOPLE = {
    "ada": ("Ada Brandt", "administrator"),
    "nora": ("Dr. Nora Lindqvist", "clinician@north"),
    "tim": ("Tim Okafor", "therapist@north", "monitor@south"),
    "rosa": ("Rosa Weiss", "reception"),
    "bill": ("Bill Sander", "billing"),
    "wand": ("Wandanzeige Nord", "monitor@north"),
}
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"  # of no password
ROLES = {
    "administrator": "ada", "clinician": "nora", "therapist": "tim", "reception": "rosa", "monitor": "wand",
    "billing": "bill",
}  # fmt: skip
SESSION_S = 150.0  # behind bed-01 when the ward is open
NOTES = (
    "Verträgt den Grundzug gut, Atmung ruhig.",
    "Second pull guarded twice; peak kept at 320 N next time.",
)


@dataclass
class Ward:
    """Where it is, who may open it, and what its records are called."""

    wall: Wall
    panel: Served
    records: dict[str, str]
    addresses: dict[str, str] = field(init=False)
    people: AccountRig = field(init=False)

    def __post_init__(self) -> None:
        self.addresses = {"console": self.wall.address, "panel": f"http://127.0.0.1:{self.panel.port}"}
        self.people = self.wall.people

    def open(self, row: Page) -> str:
        """Where a row is, with its records."""
        return self.addresses[row.at] + row.path.format_map(self.records)

    def cookies(self, row: Page) -> list[dict[str, Any]]:
        """What the browser of whoever opens this row sends; nothing for nobody."""
        if row.role is None:
            return []
        if row.at == "console":
            return self.people.cookies(ROLES[row.role], self.wall.address)
        answer = httpx.post(
            f"{self.addresses['panel']}/api/sign-in", json={"name": THERAPIST, "pin": PIN}, trust_env=False
        )
        return [
            {"name": name, "value": value, "url": self.addresses["panel"]}
            for name, value in answer.raise_for_status().cookies.items()
        ]


class _Past:
    """Sessions of one cure, the newest this morning."""

    another, alarm, spike = SessionRig.another, SessionRig.alarm, SessionRig.spike

    def __init__(self, history: HistoryRig) -> None:
        self.history = history


@contextlib.contextmanager
def ward(directory, minutes=4.0):
    """Everything started, and ended again."""
    tokens.ensure_keys(directory)
    with contextlib.ExitStack() as stack:
        valkey = stack.enter_context(Valkey(directory))
        other = _past(valkey.url, directory, minutes)
        port = free_port()
        panel = stack.enter_context(_bedside(directory))
        panels = orjson.dumps({"bed-01": f"http://127.0.0.1:{panel.port}/bed-01"}).decode()
        planned, ports = planning.apart(planning.plan, directory), planning.free_ports()
        wall = Wall(
            directory, SPONDYL_TELEMETRY_URL=f"http://127.0.0.1:{port}", SPONDYL_PANELS=panels, **PROVIDER,
            **planning.addresses(ports),
        )  # fmt: skip
        stack.callback(wall.end)
        stack.enter_context(planning.offices(directory, ports, wall.broker.url))
        _ingest(stack, directory, wall.broker.url, valkey.url)
        telemetry = service(
            "telemetry", directory, SPONDYL_REDIS_URL=valkey.url, SPONDYL_DATA=str(directory),
            SPONDYL_HTTP_PORT=str(port),
        )  # fmt: skip
        stack.callback(stop, telemetry)
        eventually(lambda: answers(port), 60.0, "telemetry's answer")
        for name, (title, *roles) in PEOPLE.items():
            _person(wall.people, name, title, roles)
        _clinics(wall)
        tim = wall.people.store.user_named("tim")
        wall.people.store.change_user(tim.id, {"pin": HASH})
        here = Ward(
            wall, panel,
            {"session": str(SESSION), "other": str(other), "cure": str(CURE), "user_id": tim.id,
             "device": "bed-01", "free": "bed-02", "kind": "before", "of": "de", **planned},
        )  # fmt: skip
        _notes(here)
        looked = httpx.post(f"{wall.address}/trail/verify", headers=wall.people.headers("ada"))
        assert looked.status_code < 400, looked.text
        CONSOLES[wall.address] = wall.people
        yield here


def _ingest(stack, directory, mqtt_url, redis_url):
    """What is published from now on is stored."""
    port = free_port()
    ingest = service(
        "telemetry.ingest", directory, SPONDYL_MQTT_URL=mqtt_url, SPONDYL_REDIS_URL=redis_url,
        SPONDYL_HTTP_PORT=str(port), SPONDYL_DATA=str(directory), SPONDYL_INGEST_SITES="north,south",
    )  # fmt: skip
    stack.callback(stop, ingest)
    told = f"http://127.0.0.1:{port}/metrics"
    both = "spondyl_ingest_sites 2.0"
    eventually(lambda: answers(port) and both in httpx.get(told, trust_env=False).text, 60.0, "ingest")


def _past(url, directory, minutes):
    with (
        _begun_at(time.time() - 60.0 * minutes - 30.0),
        contextlib.closing(HistoryRig(url, directory, minutes=minutes)) as history,
    ):
        past = _Past(history)
        seq = OFFSET + round(0.37 * minutes * 60.0 / PERIOD_S)  # while a pull is held
        past.spike(seq, 402.0)
        past.alarm("over_force", seq, seq + 250, value=402.0, limit=380.0)
        history.store("archived")
        found = [
            past.another(number, days=-days, peak_n=peak, pain_before=before, pain_after=after)
            for number, (days, peak, before, after) in enumerate(
                ((2, 331.0, 6, 3), (4, 324.0, 6, 4), (7, 318.0, 7, 5), (9, 305.0, 7, 4), (11, 292.0, 8, 6)), 1
            )
        ]
    return found[0]


@contextlib.contextmanager
def _begun_at(seconds):
    """The simulated session's own start, for as long as it is made."""
    before = simulated_session.STARTED_NS
    simulated_session.STARTED_NS = round(seconds) * 10**9
    try:
        yield
    finally:
        simulated_session.STARTED_NS = before


def _person(people, name, title, roles):
    user = people.person(name, *roles)
    with people.store.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE console_users SET title = ?, password = ? WHERE id = ?", (title, HASH, user.id)
        )


def _clinics(wall):
    north = wall.clinic(
        "north",
        Bed("bed-01", peak_n=320.0, ceiling_n=446.0),
        Bed("bed-02", phase="guarded"),
        Bed("bed-03", phase="idle"),
        Bed("bed-04", offset_s=9, peak_n=240.0),
        Bed("bed-05", offset_s=17),
        Bed("bed-06", phase="ready"),
        history_s=SESSION_S,
    )
    south = wall.clinic(
        "south", Bed("bed-07", offset_s=4, peak_n=210.0), Bed("bed-08", offset_s=13),
        Bed("bed-09", phase="idle"),
    )  # fmt: skip
    south.alarm("bed-08", alarm("strap_slip", "medium", "GURT RUTSCHT 24 mm", "STRAP SLIPS 24 mm"))
    samples = round(SESSION_S / PERIOD_S)
    north.event("bed-01", "session.started", seq=0, region="lumbar")
    north.event("bed-01", "guarding.detected", seq=samples - 420, tension_n=180.0)
    north.event("bed-01", "guarding.released", seq=samples - 300, tension_n=150.0)


def _notes(here):
    headers = here.people.headers("nora") | {"accept": "text/html"}
    for text in NOTES:
        answer = httpx.post(
            f"{here.wall.address}/sessions/{SESSION}/notes", headers=headers, data={"text": text}
        )
        assert answer.status_code < 400, answer.text


@contextlib.contextmanager
def _bedside(directory):
    """The panel of a gateway: one bed holds, the other is free, three operators may sign in."""
    ticking = Ticking()
    ticking.memory.health["mqtt_connected"] = 1  # as its recorder would say,
    ticking.memory.health["recorder_ns"] = time.monotonic_ns() + 10**13  # and as if it went on saying so
    gateway = Gateway(directory, ticking)
    lists = Worklists(directory, reports=Reports(gateway.store.reports, gateway.store.add_report))
    gateway.bedside = gateway.new_bedside(admission=Admission(lists, Clocks(), silent_after_h=0.0))
    staff = gateway.staff
    others = (("jl", "J. Lindqvist"), ("tokafor", "Tim Okafor"))
    staff.enlist(
        directory, *staff.people,
        *(staff.person(name, badge=None, account=uuid4(), title=title) for name, title in others),
    )  # fmt: skip
    gateway.started(prescription=BACK | {"traction_min": 30.0}, operator="Tim Okafor", note=NOTES[0])
    gateway.until("hold")
    ticking.rest_s = PERIOD_NS / 1e9
    served = Served(gateway.panel(pages=bedside_pages.router))
    try:
        yield served
    finally:
        served.close()
        gateway.store.close()
        ticking.close()
