"""Who read what straight from telemetry: one row each, none for what the console asked in somebody's name."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import httpx
import pytest
from access import PRIVATE, header, somebody
from asgi_client import Client
from console.samples import Clock
from console.session_rig import SessionRig
from fastapi import APIRouter
from history_rig import HistoryRig
from servers import Postgres, Valkey, eventually
from simulated_session import PATIENT, SESSION
from sqlalchemy import select

from services.kit.auth import tokens
from services.kit.auth.guard import allow, ruled
from services.kit.auth.principal import SYSTEM, Principal
from services.kit.database import writing
from services.kit.errors import SpondylError
from services.kit.http import create_app
from services.kit.looks import ONE_LOOK_S, Looks
from services.kit.trail import TrailUnavailable
from services.kit.trail_pages import Wanted
from services.telemetry.api import create_router
from services.telemetry.archive.tables import TRAIL
from services.telemetry.routes.rules import NamesNobody, Shows, require_declared
from services.telemetry.settings import TelemetrySettings
from services.telemetry.trail import Reader, ReadTrail, open_trail

pytestmark = pytest.mark.system
EXPORT = f"/sessions/{SESSION}/export?format=csv"
NORTH = somebody("integrator", "north")
UNKNOWN_ID = "5e551011-0000-4000-8000-0000000000ff"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A session of north that lies in the archive."""
    directory = tmp_path_factory.mktemp("reads")
    with Valkey(directory) as valkey, closing(HistoryRig(valkey.url, directory, 0.5)) as rig:
        yield rig.store("archived")


@pytest.fixture
def rig(stored):
    """That one, before anybody has looked."""
    stored.clock = Clock()
    stored.trail._looks = Looks(stored.clock)
    stored.before = len(rows(stored.settings))
    return stored


def rows(settings):
    """All of the trail, oldest first."""
    engine, trail = open_trail(settings)
    try:
        return trail.rows(select(*(column for column in TRAIL.c if column.name != "previous")))
    finally:
        engine.dispose()


def new(rig):
    """What was written since the test began."""
    return rows(rig.settings)[rig.before :]


def get(rig, path, who=NORTH, headers=None):
    """GET in somebody's name, from a machine of theirs."""

    async def ask():
        transport = httpx.ASGITransport(rig.app, client=("10.1.2.3", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://telemetry") as client:
            return await client.get(path, headers=headers or header(who))

    return asyncio.run(ask())


def test_an_export_leaves_exactly_one_row(rig):
    """Who, what, which site, from which address: the questions after a leak."""
    assert get(rig, EXPORT).status_code == 200
    [row] = new(rig)
    assert (row.account, row.name, row.action) == (NORTH.account, "integrator", "session.exported")
    assert (row.record, row.site, row.address) == (str(SESSION), "north", "10.1.2.3")
    assert row.detail == {"format": "csv"}
    assert get(rig, EXPORT).status_code == 200
    assert len(new(rig)) == 2  # a second copy is a second export


def declared(router):
    """Path and rule of every route."""
    for route in ruled(router.routes):
        [rule] = [rule for rule in route.rules if isinstance(rule, Shows | NamesNobody)]
        yield route.path, rule


def test_every_route_that_shows_records_leaves_a_row_and_no_other_does(rig):
    """A route that was declared and whose handler forgot would leave none."""
    names = {"device": "bed-01", "session": str(SESSION)}
    seen = 0
    for path, rule in declared(create_router(rig.history, rig.trail)):
        rig.trail._looks = Looks()
        address = re.sub(r"{(\w+)}", lambda found: names[found[1]], path)
        answer = get(rig, address + ("?format=csv" if path.endswith("/export") else ""), SYSTEM)
        assert answer.status_code == 200, (path, answer.text)
        written, seen = new(rig)[seen:], seen + isinstance(rule, Shows)
        assert [row.action for row in written] == ([rule.action] if isinstance(rule, Shows) else []), path


def test_a_route_that_says_nothing_of_the_trail_is_refused_at_the_start():
    """Whoever adds a route is told where to say it."""
    router = APIRouter()
    router.add_api_route("/everything", lambda: None, dependencies=[allow("samples.see")])
    with pytest.raises(SpondylError, match=r"/everything do not say what the audit trail calls them"):
        require_declared(router.routes)


def test_polling_is_one_look_in_a_quarter_of_an_hour(rig):
    """A dashboard must not write a row a second; who looks on is put down once more."""
    path = "/devices/bed-01/blocks?seconds=10"
    for _ in range(5):
        assert get(rig, path).status_code == 200
        assert get(rig, f"/sessions/{SESSION}").status_code == 200
        assert get(rig, f"/sessions/{SESSION}/blocks?points=10").status_code == 200
    looks = [("bed.seen", "north/bed-01", "north"), ("session.seen", str(SESSION), "north")]
    assert [(row.action, row.record, row.site) for row in new(rig)] == looks
    rig.clock.now += ONE_LOOK_S
    assert get(rig, path).status_code == 200
    assert len(new(rig)) == 3


def test_another_day_or_another_patient_is_another_look(rig):
    """Else one question about today would cover ten years, and one patient all others."""
    window = "/devices/bed-01/window?from={0}T08:00:00Z&to={0}T09:00:00Z"
    for day in ("2026-11-20", "2026-11-21", "2026-11-21"):
        assert get(rig, window.format(day)).status_code == 200
    for query in (f"patient={PATIENT}", f"patient={UNKNOWN_ID}", "since=2026-11-01T00:00:00Z&limit=5"):
        assert get(rig, f"/sessions?{query}").status_code == 200
    told = [(row.action, row.record, row.detail) for row in new(rig)]
    days = [{"since": day, "until": day} for day in ("2026-11-20", "2026-11-21")]
    assert told == [
        *(("bed.seen", "north/bed-01", detail) for detail in days),
        ("sessions.listed", str(PATIENT), {"by": "patient"}),
        ("sessions.listed", UNKNOWN_ID, {"by": "patient"}),
        ("sessions.listed", None, {"since": "2026-11-01"}),
    ]
    assert {row.site for row in new(rig)} == {"north"}


def test_what_is_refused_leaves_no_row(rig):
    """South's integrator has seen nothing of north's; nobody has seen a format that there is none of."""
    south = somebody("integrator", "south")
    assert get(rig, EXPORT, south).status_code == 404
    assert get(rig, f"/sessions/{SESSION}", south).status_code == 404
    assert get(rig, "/devices/bed-01", south).status_code == 404
    assert get(rig, f"/sessions/{SESSION}/export?format=docx").status_code == 422
    assert get(rig, f"/sessions/{SESSION}/export?format=csv", somebody("monitor")).status_code == 403
    assert new(rig) == []


@pytest.mark.parametrize("via", ["console", "panel", "Console"])
def test_only_a_service_that_keeps_a_trail_is_believed_to_have_written(rig, via):
    """A token that names any other is recorded like one that names none."""
    token = tokens.mint(PRIVATE, NORTH, via=via)
    assert get(rig, EXPORT, headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert len(new(rig)) == (0 if via == "console" else 1)


def test_what_the_console_shows_stands_in_the_console_s_trail_alone(tmp_path):
    """One export, one row: not one in each trail."""
    with Valkey(tmp_path) as valkey, closing(SessionRig(valkey.url, tmp_path, minutes=0.5)) as clinic:
        clinic.history.store("archived")
        assert clinic.get("nora", EXPORT).status_code == 200
        assert clinic.get("nora", f"/sessions/{SESSION}").status_code == 200
        assert clinic.get("nora", "/sessions").status_code == 200
        told = [action for _, action, *_ in clinic.trail()]
        assert told == ["session.exported", "session.seen", "sessions.listed"]
        assert rows(clinic.history.settings) == []


def test_nothing_is_shown_that_cannot_be_written_down(rig, tmp_path):
    """503 in words, and again by itself; what the console has written down is shown meanwhile."""
    blocked = tmp_path / "keys"
    blocked.write_text("a file where the directory should be")
    settings = TelemetrySettings(data=tmp_path, telemetry_trail_key=blocked / "key")
    with closing(ReadTrail(settings)) as trail:
        app = create_app("telemetry", "0", (), [create_router(rig.history, trail)], guard=rig.app.state.guard)
        client = Client(app, header(NORTH))
        for path in (EXPORT, f"/sessions/{SESSION}", "/devices"):
            refused = client.get(path)
            assert refused.status_code == 503
            assert "the audit trail cannot be opened" in refused.json()["detail"]
        through = {"authorization": f"Bearer {tokens.mint(PRIVATE, NORTH, via='console')}"}
        assert Client(app, through).get(EXPORT).status_code == 200
        blocked.unlink()
        eventually(lambda: client.get(EXPORT).status_code == 200, 20, "the trail, by itself")


def test_a_row_that_the_database_refuses_is_a_refusal(rig, tmp_path):
    """A full disk, a lost connection: the same words as the console's."""
    settings = TelemetrySettings(data=tmp_path)
    with closing(ReadTrail(settings)) as trail:
        app = create_app("telemetry", "0", (), [create_router(rig.history, trail)], guard=rig.app.state.guard)
        client = Client(app, header(NORTH))
        assert client.get(EXPORT).status_code == 200
        engine, _ = open_trail(settings)
        with writing(engine) as connection:
            connection.exec_driver_sql("ALTER TABLE telemetry_trail RENAME TO telemetry_gone")
        engine.dispose()
        refused = client.get(EXPORT)
        assert refused.status_code == 503
        assert "the audit trail cannot be written" in refused.json()["detail"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/archive.db"
        return
    with Postgres() as server:
        yield server.database()


def test_replicas_on_one_database_write_one_chain(url, tmp_path):
    """Two machines behind one address: the key is the same, each has a seal; nothing is lost or forked."""
    settings = [
        TelemetrySettings(
            data=tmp_path / name, archive_database_url=url, telemetry_trail_key=tmp_path / "key"
        )
        for name in ("one", "two")
    ]
    numbers = count()
    reader = Reader(NORTH, frozenset({"north"}), "10.1.2.3", "session.exported", each_time=True)

    def read(trail):
        for _ in range(10):
            trail.shown(reader, None, f"session-{next(numbers)}", "north")

    with closing(ReadTrail(settings[0])) as one, closing(ReadTrail(settings[1])) as two:
        read(one)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(read, [one, two, one, two]))
    engine, trail = open_trail(settings[0])
    found = trail.verify()
    engine.dispose()
    assert (found.ok, found.rows) == (True, 50)
    assert len({row.record for row in rows(settings[0])}) == 50


def test_the_trail_is_read_in_pages_and_reading_it_is_a_row(rig):
    """Who watches the watchers; an administrator of one clinic reads that clinic's rows alone."""
    for number in range(60):
        get(rig, f"/sessions?patient=5e551011-0000-4000-8000-0000000000{number:02x}")
    get(rig, "/sessions", somebody("integrator"))
    chief = somebody("administrator")
    newest = get(rig, "/trail", chief).json()
    assert [row["action"] for row in newest["rows"]][:2] == ["trail.seen", "sessions.listed"]
    older = get(rig, f"/trail?before={newest['older']}", chief).json()
    numbers = [row["seq"] for row in newest["rows"]]
    assert older["rows"][0]["seq"] == numbers[-1] - 1
    found = get(rig, "/trail?action=sessions.listed&record=8000-00000000000a&who=integ", chief).json()
    assert [row["record"][-2:] for row in found["rows"]] == ["0a"]
    assert new(rig)[-1].detail == {
        "action": "sessions.listed", "record": "8000-00000000000a", "who": "integ",
    }  # fmt: skip
    north = get(rig, "/trail", somebody("administrator", "north")).json()
    assert {row["site"] for row in north["rows"]} == {"north"}
    south = get(rig, "/trail", somebody("administrator", "south")).json()
    assert [row["action"] for row in south["rows"]] == ["trail.seen"]
    assert get(rig, "/trail", NORTH).status_code == 403
    assert get(rig, "/trail?first=nonsense", chief).status_code == 422


def test_a_machine_without_the_key_of_the_rows_makes_none_of_its_own(url, tmp_path):
    """A second machine with a key of its own would break the chain for good; it says what is missing."""
    first = TelemetrySettings(data=tmp_path / "one", archive_database_url=url)
    second = first.model_copy(update={"data": tmp_path / "two"})
    reader = Reader(NORTH, None, "10.1.2.3", "session.exported", each_time=True)
    with closing(ReadTrail(first)) as one:
        one.shown(reader, None, "session-1", "north")
    with closing(ReadTrail(second)) as two, pytest.raises(TrailUnavailable, match="copy it from the machine"):
        two.shown(reader, None, "session-2", "north")
    second.trail_key.parent.mkdir(parents=True)
    second.trail_key.write_bytes(first.trail_key.read_bytes())
    with closing(ReadTrail(second)) as two:
        two.shown(reader, None, "session-2", "north")
    engine, trail = open_trail(first)
    found = trail.verify()
    engine.dispose()
    assert (found.ok, found.rows) == (True, 2)


def test_of_two_machines_that_start_at_once_the_first_row_says_whose_key_counts(url, tmp_path):
    """Each finds an empty table and makes a key: rows of both would be a chain that is broken for good."""
    first = TelemetrySettings(data=tmp_path / "one", archive_database_url=url)
    second = first.model_copy(update={"data": tmp_path / "two"})
    reader = Reader(NORTH, None, "10.1.2.3", "session.exported", each_time=True)
    with closing(ReadTrail(first)) as one, closing(ReadTrail(second)) as two:
        assert one.read(Wanted()).rows == two.read(Wanted()).rows == []
        assert first.trail_key.read_bytes() != second.trail_key.read_bytes()
        one.shown(reader, None, "session-1", "north")
        for _ in range(2):
            with pytest.raises(TrailUnavailable, match="copy the key of the machine that wrote it"):
                two.shown(reader, None, "session-2", "north")
        second.trail_key.write_bytes(first.trail_key.read_bytes())
        two.shown(reader, None, "session-2", "north")
        one.shown(reader, None, "session-3", "north")
    engine, trail = open_trail(first)
    found = trail.verify()
    engine.dispose()
    assert (found.ok, found.rows) == (True, 3)


def test_two_accounts_of_one_name_are_two_readers(rig):
    """Every integrator is called that unless told otherwise."""
    for account in ("account-1", "account-2"):
        assert get(rig, f"/sessions/{SESSION}", Principal(account, "integrator", NORTH.grants)).is_success
    assert [row.account for row in new(rig)] == ["account-1", "account-2"]
