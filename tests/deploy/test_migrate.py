"""`spondyl migrate`, and services that meet a database of another release."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from sqlalchemy import text

from deploy.databases import SERVICES, Database, databases
from deploy.migrating import migrate_all
from services.cli import main
from services.console.models import ConsoleSettings
from services.console.store import Store
from services.kit.database import migrate, newest_migration, open_database, upgrade, writing
from services.kit.errors import SpondylError
from services.telemetry.archive.opening import open_archive
from services.telemetry.settings import TelemetrySettings
from services.telemetry.trail import open_trail

pytestmark = pytest.mark.system
BILLING = "services.billing"
NEWEST = newest_migration(BILLING)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/billing/billing.db"
    return request.getfixturevalue("postgres").database()


def at(url, revision):
    """Billing's tables as an older release left them."""
    engine = open_database(url)
    with writing(engine) as connection:
        upgrade(connection, BILLING, revision)
    engine.dispose()


def refused(url, when):
    """What a service says that starts on this database."""
    engine = open_database(url)
    try:
        with pytest.raises(SpondylError) as said:
            migrate(engine, BILLING, when)
    finally:
        engine.dispose()
    return said.value.message


def test_an_older_database_is_refused_with_the_command_to_run(database_url):
    """Three replicas that migrate at their start would do it under each other's hands."""
    at(database_url, "0002")
    said = refused(database_url, "never")
    assert "of billing is at revision 0002" in said
    assert f"needs {NEWEST}" in said
    assert "run `spondyl migrate billing`" in said
    assert "\n" not in said
    assert migrate_all([Database("billing", database_url)], check=True)[0].state == "older"
    found = migrate_all([Database("billing", database_url)], check=False)[0]
    assert (found.state, found.was, found.revision) == ("migrated", "0002", NEWEST)
    engine = open_database(database_url)
    migrate(engine, BILLING, "never")
    engine.dispose()


def test_an_empty_database_is_refused_too(database_url):
    """A wrong address must not look like a new clinic."""
    assert "has no tables yet" in refused(database_url, "never")


@pytest.mark.parametrize("when", ["never", "at-start"])
def test_a_newer_database_names_the_release_to_install(database_url, when):
    """Going back a release must not eat what the newer one has written."""
    at(database_url, "head")
    engine = open_database(database_url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE billing_version SET version_num = '9999', release = '7.1.0'"))
    engine.dispose()
    said = refused(database_url, when)
    assert "at revision 9999" in said
    assert f"this release ({version('spondyl')}) knows {NEWEST}" in said
    assert "install release 7.1.0 or a newer one" in said
    for check in (True, False):
        found = migrate_all([Database("billing", database_url)], check=check)[0]
        assert (found.state, found.revision) == ("newer", "9999")
        assert "7.1.0" in found.sentence()


def test_a_password_is_in_no_refusal(postgres):
    """It goes to the log and to a screen."""
    url = postgres.database().replace("postgres@", "postgres:very-secret@")
    assert "very-secret" not in refused(url, "never")


def test_one_job_migrates_every_service(tmp_path, capsys, monkeypatch, postgres):
    """`{service}` in the one address says where each business service keeps its tables."""
    url = postgres.database()
    monkeypatch.setenv("SPONDYL_BUSINESS_DATABASE_URL", f"{url}?application_name={{service}}")
    assert "application_name=billing" in databases(tmp_path, ["billing"])[0].url
    with pytest.raises(SystemExit) as exit_:
        main(["migrate", "--check", "--data", str(tmp_path), "--json"])
    assert exit_.value.code == 1
    assert {one["state"] for one in json.loads(capsys.readouterr().out)["databases"]} == {"empty"}
    with pytest.raises(SystemExit) as exit_:
        main(["migrate", "--data", str(tmp_path), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (exit_.value.code, said["ok"]) == (0, True)
    names = [one["service"] for one in said["databases"]]
    assert names == [name for name in SERVICES if name in names]
    assert {"console", "telemetry", "screening", "scheduler", "billing", "homecare"} <= set(names)
    assert {one["state"] for one in said["databases"]} == {"migrated"}
    with pytest.raises(SystemExit):
        main(["migrate", "billing", "--data", str(tmp_path)])
    assert capsys.readouterr().out == f"billing: is at {NEWEST}\n"


def test_a_job_of_all_finds_each_service_s_own_secret(tmp_path, monkeypatch):
    """Every service has a password of its own; a backup needs them all."""
    (tmp_path / "billing-database").write_text("postgresql+psycopg://billing:one@db/billing\n")
    monkeypatch.setenv("SPONDYL_BUSINESS_DATABASE_URL_FILE", f"{tmp_path}/{{service}}-database")
    assert databases(tmp_path, ["billing"])[0].url == "postgresql+psycopg://billing:one@db/billing"
    assert databases(tmp_path, ["registry"])[0].file == tmp_path / "registry" / "registry.db"


def test_a_service_that_is_none_is_refused_with_those_that_are(tmp_path):
    """A typing error in a job must not look like work done."""
    with pytest.raises(SpondylError, match=r"no service 'biling' .* console, telemetry"):
        databases(tmp_path, ["biling"])


def test_a_service_that_may_not_migrate_ends_with_one_line(tmp_path):
    """In a container that line is all that anybody sees."""
    environment = {**os.environ, "SPONDYL_DATA": str(tmp_path), "SPONDYL_MIGRATE": "never"}
    command = [sys.executable, "-m", "services.billing"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert "run `spondyl migrate billing`" in lines[0]


def test_console_and_archive_may_not_migrate_either(tmp_path, monkeypatch):
    """The setting counts for every database, through whatever opens it."""
    monkeypatch.setenv("SPONDYL_MIGRATE", "never")
    console = ConsoleSettings.load().model_copy(update={"data": tmp_path})
    with pytest.raises(SpondylError, match="run `spondyl migrate console`"):
        Store(console.database, console.migrate)
    telemetry = TelemetrySettings.load().model_copy(update={"data": tmp_path})
    for opening in (open_archive, open_trail):
        with pytest.raises(SpondylError, match="run `spondyl migrate telemetry`"):
            opening(telemetry)
