"""The applications at whose doors the tests of access knock: each with what must be known to do so.

A new service is one line in SUBJECTS.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from asgi_ask import Answer, ask
from bedside_rig import PATIENT, Clinic, Ticking
from billing import doors as billing_doors
from console.samples import NORTH, block, status
from fastapi import FastAPI
from history_rig import HistoryRig
from homecare import doors as homecare_doors
from operator_rig import PIN, THERAPIST
from registry_rig import RegistryRig
from scheduler import doors as scheduler_doors
from scheduler.scheduler_rig import SchedulerRig
from screening import screening_doors
from servers import Valkey
from simulated_session import CURE, SESSION
from sqlalchemy import update

from broker.bus import Bus
from services.console import api
from services.console.archive import Archive
from services.console.context import Console
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.offices import OfficeClient
from services.console.remote import Remote
from services.console.screening.tablet_pages import TabletRule
from services.console.store import Store
from services.controller.panel import pages
from services.controller.panel.rules import AtThePanel
from services.kit import http
from services.kit.auth import tokens
from services.kit.auth.guard import NOBODY, Rule, Ruled, bearer
from services.kit.auth.principal import Grant, Principal
from services.kit.database import writing
from services.scheduler.booking.tables import APPOINTMENTS, CURES
from services.telemetry.api import create_router

OURS, OTHERS = "north", "south"  # everything that is stored is at OURS
UNKNOWN_ID = "5e551011-0000-4000-8000-0000000000ff"
MOVE = b'{"site": "north", "at": "2026-11-24T09:00", "device": "bed-01", "therapist": ""}'


@dataclass
class Subject:
    """One application, and what must be known to knock at its doors."""

    app: FastAPI
    data: Path  # the private key that it trusts lies below
    audience: str = tokens.TELEMETRY  # whose tokens it takes
    public: set[str] = field(default_factory=set)  # routes that are for everybody, beside WATCHED
    for_anyone_known: set[str] = field(default_factory=set)  # whatever their role
    records: dict[str, str] = field(default_factory=dict)  # path parameter: one that lies at OURS
    unknown: dict[str, str] = field(default_factory=dict)  # path parameter: one that does not exist
    others: dict[str, str] = field(default_factory=dict)  # path parameters that name no record of a site
    queries: dict[str, str] = field(default_factory=dict)  # route: what it must be asked
    bodies: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # route: content type and body
    marks: tuple[str, ...] = ()  # must be in no answer to whoever is of OTHERS
    invented: set[str] = field(default_factory=set)  # routes that show made-up things, which look alike
    is_of_one_site: bool = False  # a gateway's: what is not about a record is of OURS all the same
    never_by_token: tuple[type[Rule], ...] = ()  # rules that ask for a sign-in of the service's own
    sign_in: Callable[[str], Awaitable[dict[str, str]]] | None = None  # such a one, in a role at OURS
    restricted: dict[str, str] = field(default_factory=dict)  # headers of what is less than a sign-in

    def address(self, path: str, *, unknown: bool = False) -> str:
        """The route with its parameters filled in."""
        values = self.others | self.records | (self.unknown if unknown else {})
        names = re.findall(r"{(\w+)(?::\w+)?}", path)
        missing = [name for name in names if name not in values]
        assert not missing, f"{path}: say in SUBJECTS what {missing} may be"
        filled = re.sub(r"{(\w+)(?::\w+)?}", lambda found: values[found[1]], path)
        return filled + self.queries.get(path, "")

    def names_record(self, path: str) -> bool:
        """Whether the route is about one thing of one site."""
        return any(f"{{{name}}}" in path for name in self.records)

    def bearer(self, who: Principal, audience: str = "") -> dict[str, str]:
        """The header that speaks for them."""
        token = tokens.mint(tokens.keys_of(self.data).private, who, 600, [audience or self.audience])
        return {"authorization": f"Bearer {token}"}

    async def ask(
        self, route: Ruled, method: str | None, who: dict[str, str], *, unknown: bool = False
    ) -> Answer:
        """Knock, with the headers of somebody."""
        kind, body = self.bodies.get(route.path, ("application/json", b""))
        headers = {"content-type": kind, "accept": "application/json", **who}
        return await ask(self.app, method, self.address(route.path, unknown=unknown), headers, body)


# --- the services ---------------------------------------------------------------------------------------
@contextlib.contextmanager
def telemetry(directory: Path) -> Iterator[Subject]:
    """The API over a session that lies in the archive."""
    public = tokens.ensure_keys(directory).public.read_bytes()
    with Valkey(directory) as valkey, contextlib.closing(HistoryRig(valkey.url, directory, 1.0)) as rig:
        rig.store("archived")
        app = http.create_app(
            "telemetry",
            "0",
            routers=[create_router(rig.history, rig.trail)],
            guard=bearer(public, tokens.TELEMETRY),
        )
        yield Subject(
            app,
            directory,
            records={"device": "bed-01", "session": str(SESSION)},
            unknown={"device": "bed-zz", "session": UNKNOWN_ID},
            queries={"/sessions/{session}/export": "?format=csv"},
            marks=("bed-01", str(SESSION), "lumbar"),
        )


@contextlib.contextmanager
def console(directory: Path) -> Iterator[Subject]:
    """The console over a bed of OURS, with a telemetry behind it that checks for itself."""
    with telemetry(directory) as behind:
        settings = ConsoleSettings(
            data=directory, telemetry_url="http://telemetry", oidc_issuer="http://127.0.0.1:9"
        )
        with contextlib.closing(Store(settings.database)) as store, contextlib.ExitStack() as stack:
            live = Live()
            live.status(OURS, status("online"))
            live.tension(NORTH, block(0))
            made = Console(live, Remote(Bus("mqtt://127.0.0.1:9", "nobody")), settings, store)
            made.archive = Archive(
                "http://telemetry", made.token_for, transport=httpx.ASGITransport(behind.app)
            )
            appointment = stack.enter_context(planned_behind(made, directory))
            yield Subject(
                api.create(made, "0", []),
                directory,
                tokens.CONSOLE,
                public={"/sign-in", "/sign-in/oidc", "/sign-in/oidc/callback", "/preferences"},
                # What /events tells of alarms is by site.
                for_anyone_known={
                    "/sign-out",
                    "/password",
                    "/here",
                    "/design",
                    "/events",
                    "/tablet",
                    "/tablet/{rule}",
                },
                records=behind.records | {"cure": str(CURE), "appointment": appointment},
                unknown=behind.unknown | {"cure": UNKNOWN_ID, "appointment": UNKNOWN_ID},
                others={
                    "action": "stop",
                    "user_id": UNKNOWN_ID,
                    "patient": UNKNOWN_ID,
                    "attachment": UNKNOWN_ID,
                    "rule": "implant",
                    "consent": UNKNOWN_ID,
                    "step": "copy",
                    "kind": "before",
                    "of": "de",
                    "number": "3",
                    "file": "0" * 64,
                    "place": "1",
                    "site": OURS,
                    "what": "device",
                    "change": "confirm",
                    "waiting": UNKNOWN_ID,
                    "replan": UNKNOWN_ID,
                    "feed": UNKNOWN_ID,
                    "form": "xml",
                    "name": "private",
                    **dict.fromkeys(("invoice", "payment", "entry", "letter", "draft", "paper"), UNKNOWN_ID),
                    **dict.fromkeys(("programme", "report", "link"), UNKNOWN_ID),
                    "drawing": "bridge",
                    "delivery": "1",
                    "papers": "estimates",
                    "document": "pdf",
                },
                queries={
                    "/sessions/{session}/export": "?format=csv",
                    "/api/sessions/{session}/curve": "?from=0&to=100",
                    "/sessions/compare": f"?session={SESSION}&session={SESSION}",
                },
                bodies={
                    "/sessions/{session}/notes": ("application/x-www-form-urlencoded", b"text=calm"),
                    "/api/appointments/{appointment}/check": ("application/json", MOVE),
                    "/api/appointments/{appointment}/move": ("application/json", MOVE),
                },
                marks=("bed-01", str(SESSION)),
                invented={"/design"},
                never_by_token=(TabletRule,),
                restricted=handed_over(made),
            )


def handed_over(made: Console) -> dict[str, str]:
    """What a tablet's browser sends while a patient answers there."""
    giver = made.store.add_user("desk", "Desk", [Grant("administrator", "*")])
    secret = made.handovers.make(UNKNOWN_ID, "lumbar", OURS, giver.principal)
    return {"cookie": f"{made.tablet_cookie}={secret}; {made.accounts.cookie}={secret}"}


@contextlib.contextmanager
def planned_behind(made: Console, directory: Path) -> Iterator[str]:
    """A scheduler behind the console that checks for itself, with a cure of OURS: one of its appointments."""
    rig = SchedulerRig(directory)
    rig.clinic(OURS)
    cure = rig.cure(site=OURS)
    with writing(rig.engine) as connection:
        for table in (CURES, APPOINTMENTS):
            connection.execute(update(table).where(table.c.cure == cure["cure"]).values(cure=str(CURE)))
    made.scheduler = OfficeClient(
        "scheduler",
        "http://scheduler",
        lambda who: tokens.mint(made.key, who, audiences=(tokens.SCHEDULER,)),
        transport=httpx.ASGITransport(rig.app),
    )
    yield str(cure["appointments"][0]["appointment"])
    rig.close()


@contextlib.contextmanager
def scheduler(directory: Path) -> Iterator[Subject]:
    """The scheduler with a cure, somebody who waits, an outage and a plan for it."""
    behind = scheduler_doors.Doors(directory)
    yield Subject(
        behind.rig.app,
        directory,
        tokens.SCHEDULER,
        public={"/feeds/{secret}.ics", "/fhir/metadata"},
        records=behind.records,
        unknown=behind.unknown,
        others={"secret": "none-such"},
        queries=scheduler_doors.QUERIES,
        bodies=behind.bodies,
        marks=("bed-01", behind.cure["patient"]),
    )
    behind.rig.close()


@contextlib.contextmanager
def screening(directory: Path) -> Iterator[Subject]:
    """Screening with a patient's file and a finding."""
    behind = screening_doors.Doors(directory)
    yield Subject(
        behind.rig.app,
        directory,
        tokens.SCREENING,
        public={"/fhir/metadata"},
        for_anyone_known=screening_doors.ANYBODYS,
        records=behind.records,
        unknown=behind.unknown,
        others=screening_doors.OTHERS,
        queries=screening_doors.QUERIES,
        bodies=behind.bodies,
        marks=(behind.patient, "Xanthippe"),
    )
    behind.rig.close()


@contextlib.contextmanager
def billing(directory: Path) -> Iterator[Subject]:
    """Billing with a draft, an invoice, a payment, a reminder and a bank's entry."""
    behind = billing_doors.Doors(directory)
    yield Subject(
        behind.rig.app,
        directory,
        tokens.BILLING,
        records=behind.records,
        unknown=behind.unknown,
        others={"number": "516", "name": "self"},
        queries=billing_doors.QUERIES,
        bodies=behind.bodies,
        marks=("Xanthippe", behind.patient),
    )
    behind.rig.close()


@contextlib.contextmanager
def homecare(directory: Path) -> Iterator[Subject]:
    """Homecare with a programme that runs, its link, and a report of pain."""
    behind = homecare_doors.Doors(directory)
    yield Subject(
        behind.rig.app,
        directory,
        tokens.HOMECARE,
        public=homecare_doors.PUBLIC,
        records=behind.records,
        unknown=behind.unknown,
        others=homecare_doors.OTHERS,
        queries=homecare_doors.QUERIES,
        bodies=behind.bodies,
        marks=(behind.patient, behind.home.programme),
    )
    behind.rig.close()


@contextlib.contextmanager
def registry(directory: Path) -> Iterator[Subject]:
    """The registry with a gateway that joined."""
    behind = RegistryRig(directory)
    behind.joined()
    taken = b'{"name": "gw-north", "site": "north", "devices": ["bed-01"]}'
    yield Subject(
        behind.app,
        directory,
        tokens.REGISTRY,
        public={"/authority", "/revoked.pem", "/enrolments", "/renewals"},
        records={"gateway": "gw-north"},
        unknown={"gateway": "gw-zz"},
        bodies={
            "/gateways": ("application/json", taken),
            "/gateways/{gateway}/revoke": ("application/json", b'{"reason": "stolen"}'),
        },
        marks=("gw-north", "bed-01"),
    )
    behind.close()


@contextlib.contextmanager
def watched_only(directory: Path) -> Iterator[Subject]:
    """Ingest and archiver: health and metrics."""
    tokens.ensure_keys(directory)
    yield Subject(http.create_app("ingest", "0", guard=NOBODY), directory)


@contextlib.contextmanager
def panel(directory: Path) -> Iterator[Subject]:
    """The bedside's panel over two beds of OURS and the record of a session."""
    ticking = Ticking()
    clinic = Clinic(directory, ticking)
    record = clinic.confirm()
    app = clinic.panel(pages=pages.router)

    async def sign_in(role: str) -> dict[str, str]:
        clinic.staff.enlist(directory, clinic.staff.person(roles=(role,)))
        body = f'{{"name": "{THERAPIST}", "pin": "{PIN}"}}'.encode()
        kind = {"content-type": "application/json"}
        answer = await ask(app, "POST", "/api/sign-in", kind, body)
        return {"cookie": answer.headers.get("set-cookie", "").partition(";")[0]}

    yield Subject(
        app,
        directory,
        tokens.PANEL,
        public={
            "/", "/{device}", "/preferences", "/api/devices", "/api/devices/{device}", "/api/segments",
            "/api/devices/{device}/live", "/api/devices/{device}/stop", "/api/sign-in", "/api/sign-out",
        },
        records={"device": "bed-01", "session": str(record.session)},
        unknown={"device": "bed-zz", "session": UNKNOWN_ID},
        marks=(str(record.session), str(PATIENT)),
        is_of_one_site=True,
        never_by_token=(AtThePanel,),
        sign_in=sign_in,
    )  # fmt: skip
    clinic.clear_up()
    clinic.store.close()
    ticking.close()


SUBJECTS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Subject]]] = {
    "telemetry": telemetry,
    "ingest": watched_only,
    "console": console,
    "panel": panel,
    "screening": screening,
    "scheduler": scheduler,
    "billing": billing,
    "homecare": homecare,
    "registry": registry,
}
