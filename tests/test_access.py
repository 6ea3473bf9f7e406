"""Who may do what, at every route of every service: expected from ROLES and from the route's own rule.

A new service is one line in SUBJECTS. A route without a rule, a path parameter that nobody has said a value
for, and a route that is public or for everybody who is signed in without standing in a list here: each fails.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import httpx
import pytest
from access import somebody
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
from services.kit.auth.guard import NOBODY, Rule, Ruled, bearer, ruled
from services.kit.auth.principal import Grant, Principal
from services.kit.auth.roles import ROLES
from services.kit.database import writing
from services.scheduler.booking.tables import APPOINTMENTS, CURES
from services.telemetry.api import create_router

pytestmark = pytest.mark.system
WATCHED = {"/livez", "/readyz", "/metrics", "/openapi.json"}  # of every service: nothing of anybody
OURS, OTHERS = "north", "south"  # everything that is stored is at OURS
UNKNOWN_ID = "5e551011-0000-4000-8000-0000000000ff"
MOVE = b'{"site": "north", "at": "2026-11-24T09:00", "device": "bed-01", "therapist": ""}'
PLACES = {"own site": (OURS,), "another site": (OTHERS,), "every site": ()}


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


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def subject(request, tmp_path_factory):
    """One service after the other."""
    with SUBJECTS[request.param](tmp_path_factory.mktemp(request.param)) as made:
        yield made


def doors(subject: Subject) -> list[tuple[Ruled, str | None]]:
    """Every route with every method."""
    found = [
        (route, method)
        for route in ruled(subject.app.routes)
        for method in sorted(route.methods - {"HEAD"}) or [None]
    ]
    assert found
    return found


# --- what is expected -----------------------------------------------------------------------------------
def expected(subject: Subject, route: Ruled, who: Principal | None) -> set[int] | None:
    """The statuses that the rules call for; None: any that is no refusal of the caller."""
    rules = [rule for rule in route.rules if not rule.is_public]
    if not rules:
        return None
    if who is None:
        return {401}
    permissions = [rule.permission for rule in rules if rule.permission]
    here = all(who.may(permission, OURS) for permission in permissions)
    somewhere = all(who.may(permission) for permission in permissions)
    if not somewhere or any(isinstance(rule, subject.never_by_token) for rule in rules):
        return {403}
    if subject.names_record(route.path):
        return None if here else {404}
    return {403} if subject.is_of_one_site and not here else None


def test_every_route_says_who_may_call_it(subject):
    """A rule for each; those that ask for no permission are known by name: none is so by chance."""
    for route, _ in doors(subject):
        assert route.rules, route.path
        asked = {rule.permission for rule in route.rules if not rule.is_public}
        if not asked:
            assert route.path in WATCHED | subject.public, f"{route.path} is open to everybody"
        elif asked == {None}:
            assert route.path in subject.for_anyone_known, f"{route.path} asks for no permission"


def test_a_stranger_is_let_in_nowhere_but_where_everybody_is(subject):
    """401 and not a word of what lies behind."""

    async def knock():
        for route, method in doors(subject):
            answer = await subject.ask(route, method, {})
            wanted = expected(subject, route, None)
            assert_answer(answer, wanted, route, method, "a stranger")
            if wanted:
                assert not [mark for mark in subject.marks if mark in answer.text]

    asyncio.run(knock())


@pytest.mark.parametrize("audience", [tokens.TELEMETRY, tokens.CONSOLE, tokens.PANEL])
def test_a_token_for_one_service_opens_no_other(subject, audience):
    """A panel's machine that keeps what it was shown must not be the administrator at the console."""
    token = subject.bearer(somebody("administrator"), audience)

    async def knock():
        for route, method in doors(subject):
            if not is_open(route):
                answer = await subject.ask(route, method, token)
                assert (answer.status == 401) == (audience != subject.audience), f"{method} {route.path}"

    asyncio.run(knock())


@pytest.mark.parametrize(("role", "place"), list(product(ROLES, PLACES)))
def test_a_role_may_what_its_permissions_say_and_nothing_else(subject, role, place):
    """Every route: 403 without the permission, 404 for another site's record, no refusal otherwise."""
    who = somebody(role, *PLACES[place])
    token = subject.bearer(who)

    async def knock():
        for route, method in doors(subject):
            wanted = expected(subject, route, who)
            answer = await subject.ask(route, method, token)
            assert_answer(answer, wanted, route, method, f"{role} of {place}")
            if place == "another site" and not is_open(route) and route.path not in subject.invented:
                text = beyond_question(subject, route, answer)
                assert not [mark for mark in subject.marks if mark in text], f"{method} {route.path}"
            if wanted == {404}:
                await assert_like_unknown(subject, route, method, token, answer)

    asyncio.run(knock())


@pytest.mark.parametrize("role", ROLES)
def test_who_signs_in_at_a_service_of_its_own_may_what_their_role_says(subject, role):
    """The bedside: what no token opens, its sign-in opens to those who may operate, and to nobody else."""
    who = somebody(role, OURS)

    async def knock():
        cookie = await subject.sign_in(role)
        for route, method in doors(subject):
            rules = [rule for rule in route.rules if isinstance(rule, subject.never_by_token)]
            if rules:
                answer = await subject.ask(route, method, cookie)
                may = all(who.may(rule.permission, OURS) for rule in rules)
                assert (answer.status not in (401, 403)) == may, f"{role}: {route.path}: {answer.status}"

    if subject.sign_in:
        asyncio.run(knock())


def test_a_tablet_with_a_questionnaire_opens_nothing_else(subject):
    """Whoever holds it may type any address: what was handed over is one questionnaire, no sign-in."""

    async def knock():
        for route, method in doors(subject):
            if not is_open(route):
                answer = await subject.ask(route, method, subject.restricted)
                handed = any(isinstance(rule, TabletRule) for rule in route.rules)
                assert (answer.status == 401) is not handed, f"{method} {route.path}: {answer.status}"

    if subject.restricted:
        asyncio.run(knock())


def is_open(route: Ruled) -> bool:
    """For everybody."""
    return all(rule.is_public for rule in route.rules)


def beyond_question(subject: Subject, route: Ruled, answer: Answer) -> str:
    """The answer without the names that the question itself held."""
    text, query = answer.text, subject.queries.get(route.path, "")
    for name, value in subject.records.items():
        if f"{{{name}}}" in route.path or value in query:
            text = text.replace(value, "")
    return text


async def assert_like_unknown(
    subject: Subject, route: Ruled, method: str | None, who: dict[str, str], answer: Answer
) -> None:
    """Another site's record is refused in the very words of one that does not exist."""
    unknown = await subject.ask(route, method, who, unknown=True)
    foreign_text, unknown_text = answer.text, unknown.text
    for name in subject.records:
        if f"{{{name}}}" in route.path:
            foreign_text = foreign_text.replace(subject.records[name], "")
            unknown_text = unknown_text.replace(subject.unknown[name], "")
    assert (answer.status, foreign_text) == (unknown.status, unknown_text), f"{method} {route.path}"


def assert_answer(
    answer: Answer, wanted: set[int] | None, route: Ruled, method: str | None, who: str
) -> None:
    """The status is what the rule calls for."""
    said = f"{who}: {method or 'WS'} {route.path} answers {answer.status}: {answer.text[:200]}"
    if wanted is None:  # (a sign-in that is open to everybody has refusals of its own)
        assert answer.status not in ({500} if is_open(route) else {401, 403, 500}), said
    else:
        assert answer.status in wanted, said
