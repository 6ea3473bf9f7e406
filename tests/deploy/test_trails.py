"""`spondyl audit-trail` from the shell: the console's trail and telemetry's."""

import json
from importlib import import_module

import pytest
from servers import Postgres
from sqlalchemy import text

from deploy.trails import SERVICES
from services.cli import main
from services.console.store import Store
from services.console.trail import open_trail
from services.kit.auth.principal import SYSTEM
from services.kit.business.service import BusinessSettings, open_office
from services.kit.database import writing
from services.telemetry.settings import TelemetrySettings
from services.telemetry.trail import open_trail as open_reads


@pytest.fixture
def spondyl(capsys):
    """Run a command; its exit status and what it wrote to stdout and stderr."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(words)
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    return run


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A data directory whose trail has four rows; its database without the triggers."""
    monkeypatch.delenv("SPONDYL_CONSOLE_DATABASE_URL", raising=False)
    monkeypatch.setenv("SPONDYL_DATA", str(tmp_path))
    store = Store(f"sqlite:///{tmp_path}/console/console.db")
    trail = open_trail(store.engine, tmp_path)
    for number in range(4):
        trail.append(SYSTEM, "session.seen", record=str(number))
    with writing(store.engine) as connection:
        connection.execute(text("DROP TRIGGER console_trail_no_delete"))
    yield trail, store.engine
    store.close()


def test_a_whole_chain_ends_with_0_and_names_its_head(kept, spondyl):
    """A nightly job needs an exit status; an auditor writes the head down."""
    status, out, _ = spondyl("audit-trail", "verify", "--json")
    said = json.loads(out)
    assert (status, said["ok"], said["rows"], said["first_bad"]) == (0, True, 4, None)
    head = f"{said['head']['seq']}:{said['head']['hash']}"
    assert spondyl("audit-trail", "verify", "--expect", head)[0] == 0
    assert "4 rows" in spondyl("audit-trail", "verify")[1]


def test_a_removed_row_ends_with_1_and_is_named(kept, spondyl):
    """What is missing is said by number."""
    with writing(kept[1]) as connection:
        connection.execute(text("DELETE FROM console_trail WHERE seq = 2"))
    status, out, _ = spondyl("audit-trail", "verify", "--json")
    said = json.loads(out)
    assert (status, said["ok"], said["first_bad"], said["what"]) == (1, False, 2, "removed")
    assert "row 2 is missing" in spondyl("audit-trail", "verify")[1]


def test_a_head_that_was_written_down_elsewhere_is_missed(kept, spondyl):
    """Whoever put back database and seal together is found by a note on paper."""
    assert spondyl("audit-trail", "verify", "--expect", f"9:{'a' * 64}")[0] == 1
    assert spondyl("audit-trail", "verify", "--expect", f"2:{'a' * 64}")[0] == 1
    assert spondyl("audit-trail", "verify", "--expect", "nonsense")[0] == 2
    assert spondyl("audit-trail", "verify", "--expect", f"{'9' * 23}:{'a' * 64}")[0] == 2


def test_sealing_again_needs_a_reason_and_leaves_a_row(kept, spondyl):
    """After a backup was put back."""
    with writing(kept[1]) as connection:
        connection.execute(text("DELETE FROM console_trail WHERE seq = 4"))
    assert spondyl("audit-trail", "verify")[0] == 1
    assert spondyl("audit-trail", "reseal")[0] == 2
    status, out, _ = spondyl("audit-trail", "reseal", "--reason", "backup put back", "--json")
    assert (status, json.loads(out)["rows"]) == (0, 4)
    assert spondyl("audit-trail", "verify")[0] == 0


def test_without_a_trail_it_says_so_and_makes_none(tmp_path, monkeypatch, spondyl):
    """A look at the wrong directory must not be `whole: 0 rows`."""
    monkeypatch.setenv("SPONDYL_DATA", str(tmp_path / "nothing"))
    status, _, err = spondyl("audit-trail", "verify")
    assert status == 1
    assert "no audit trail" in err
    assert not (tmp_path / "nothing").exists()


@pytest.fixture(params=["sqlite", "postgresql"])
def reads(request, kept, tmp_path, monkeypatch):
    """Four rows of direct reads beside the console's, in each kind of database, without the triggers."""
    monkeypatch.delenv("SPONDYL_ARCHIVE_DATABASE_URL", raising=False)
    server = Postgres().start() if request.param == "postgresql" else None
    if server:
        monkeypatch.setenv("SPONDYL_ARCHIVE_DATABASE_URL", server.database())
    engine, trail = open_reads(TelemetrySettings(data=tmp_path))
    for number in range(4):
        trail.append(SYSTEM, "session.exported", record=str(number), site="north")
    triggers = ("no_update", "no_delete") if server is None else ("no_change ON telemetry_trail",)
    with writing(engine) as connection:
        for trigger in triggers:
            connection.execute(text(f"DROP TRIGGER telemetry_trail_{trigger}"))
    yield engine
    engine.dispose()
    if server:
        server.stop()


def test_one_look_verifies_both_trails(reads, spondyl):
    """A nightly job asks once; what it read of the console's stands where it stood."""
    status, out, _ = spondyl("audit-trail", "verify", "--json")
    said = json.loads(out)
    assert (status, said["ok"], said["rows"], said["what"]) == (0, True, 4, None)
    assert (said["telemetry"]["ok"], said["telemetry"]["rows"]) == (True, 4)
    alone = json.loads(spondyl("audit-trail", "verify", "--trail", "telemetry", "--json")[1])
    assert alone == said["telemetry"]
    only_console = json.loads(spondyl("audit-trail", "verify", "--trail", "console", "--json")[1])
    assert only_console == {name: it for name, it in said.items() if name not in SERVICES}
    lines = spondyl("audit-trail", "verify")[1].splitlines()
    assert [("direct reads" in line, "4 rows" in line) for line in lines] == [(False, True), (True, True)]


@pytest.mark.parametrize(
    ("statement", "what", "row"),
    [
        ("UPDATE telemetry_trail SET record = 'another' WHERE seq = 2", "changed", 2),
        ("DELETE FROM telemetry_trail WHERE seq = 3", "removed", 3),
        ("DELETE FROM telemetry_trail WHERE seq = 4", "cut", 4),
    ],
    ids=["changed", "removed", "cut"],
)
def test_a_row_of_direct_reads_that_is_not_as_it_was_is_found(reads, spondyl, statement, what, row):
    """Whoever took away patients' records and owns the database must not get away with both."""
    with writing(reads) as connection:
        connection.execute(text(statement))
    status, out, _ = spondyl("audit-trail", "verify", "--json")
    said = json.loads(out)
    assert (status, said["ok"]) == (1, True)
    assert (said["telemetry"]["what"], said["telemetry"]["first_bad"]) == (what, row)
    assert spondyl("audit-trail", "verify", "--trail", "telemetry")[0] == 1
    assert spondyl("audit-trail", "verify", "--trail", "console")[0] == 0


def test_the_named_trail_is_expected_and_sealed_again(reads, spondyl):
    """Each has its own head to write down, and its own backup to come back from."""
    head = json.loads(spondyl("audit-trail", "verify", "--trail", "telemetry", "--json")[1])["head"]
    mark = f"{head['seq']}:{head['hash']}"
    assert spondyl("audit-trail", "verify", "--trail", "telemetry", "--expect", mark)[0] == 0
    assert spondyl("audit-trail", "verify", "--expect", mark)[0] == 1
    with writing(reads) as connection:
        connection.execute(text("DELETE FROM telemetry_trail WHERE seq = 4"))
    again = ("audit-trail", "reseal", "--trail", "telemetry", "--reason", "backup", "--json")
    status, out, _ = spondyl(*again)
    assert (status, json.loads(out)["rows"]) == (0, 4)
    assert spondyl("audit-trail", "verify")[0] == 0


def test_rows_without_their_key_are_not_passed_over(reads, tmp_path, spondyl):
    """Else whoever deletes the key has deleted the trail."""
    (tmp_path / "secrets" / "telemetry-trail.key").unlink()
    status, _, err = spondyl("audit-trail", "verify")
    assert status == 1
    assert "has rows, and no key" in err


def test_where_nobody_has_read_directly_there_is_nothing_to_verify(kept, tmp_path, spondyl):
    """A console's machine without telemetry is whole; looking at it makes nothing."""
    status, out, _ = spondyl("audit-trail", "verify", "--json")
    assert (status, json.loads(out)["telemetry"]) == (0, None)
    assert spondyl("audit-trail", "verify", "--trail", "telemetry")[0] == 1
    assert not (tmp_path / "telemetry").exists()


@pytest.mark.parametrize("name", ["screening", "scheduler", "billing", "homecare"])
def test_the_trail_of_a_business_service_is_verified_with_the_others(kept, tmp_path, spondyl, name):
    """Who saw a patient's file, and who moved an appointment, must not be taken away unseen either."""
    tables = import_module(f"services.{name}.tables")
    office = open_office(name, tables.PACKAGE, tables.TABLES, BusinessSettings(data=tmp_path))
    for number in range(3):
        office.seen(SYSTEM, "record.seen", f"record {number}", "north")
    said = json.loads(spondyl("audit-trail", "verify", "--json")[1])
    assert (said[name]["ok"], said[name]["rows"]) == (True, 3)
    with office.engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER {name}_trail_no_delete"))
        connection.execute(text(f"DELETE FROM {name}_trail WHERE seq = 2"))  # noqa: S608  (ours)
    office.engine.dispose()
    status, out, _ = spondyl("audit-trail", "verify", "--json")
    assert (status, json.loads(out)[name]["what"], json.loads(out)[name]["first_bad"]) == (1, "removed", 2)
