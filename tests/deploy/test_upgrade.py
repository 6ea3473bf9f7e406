"""Data and messages of the release before: opened, migrated, read, and still taken.

`tests/deploy/releases/make.py` made them with that release's own code.
"""

import json
import sqlite3
from contextlib import closing
from uuid import UUID

import kept_system
import pytest
from sqlalchemy import select

from broker import codec, contract, topics
from broker.bus import Delivery
from deploy.databases import databases
from deploy.keeping.objects import of_settings
from deploy.migrating import is_good, migrate_all
from services.billing.invoices.tables import DOCUMENTS
from services.billing.papers import validating
from services.controller.store import Store as GatewayStore
from services.kit.database import open_database
from services.telemetry.archive.opening import open_archive
from services.telemetry.archive.verify import verify
from services.telemetry.audit import is_clean
from services.telemetry.ingest.handlers import collect
from services.telemetry.models import Batch

pytestmark = pytest.mark.system
MESSAGES = [json.loads(line) for line in (kept_system.RELEASE / "messages.jsonl").read_text().splitlines()]
MATTER = (
    "console_users", "console_trail", "archive_objects", "archive_sessions", "patient", "patient_version",
    "screening_answer", "screening_decision", "screening_consent", "screening_document",
    "screening_clearance", "screening_trail", "scheduler_cures", "scheduler_appointments",
    "scheduler_prescriptions", "scheduler_worklists", "billing_cases", "billing_charges", "billing_invoices",
    "billing_documents", "billing_payments", "billing_estimates", "homecare_programmes", "homecare_entries",
)  # fmt: skip
INGESTED = ("tension", "blackbox", "event", "status", "state", "alarm", "committed")
RARE = ("missing",)  # the centre asks for samples only where a gateway's line was cut


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory):
    """The old data behind `spondyl migrate`, and how many rows it had before."""
    data = kept_system.left_behind(tmp_path_factory.mktemp("release"))
    before = kept_system.old_rows(data)
    assert is_good(migrate_all(databases(data), check=False))
    return data, before


def test_every_row_of_the_release_before_is_still_there(upgraded):
    """Ten years of records go through many upgrades."""
    data, before = upgraded
    after = kept_system.rows(data)
    assert {table: after.get(table) for table in before} == before
    assert [table for table in MATTER if not before[table]] == []


def test_its_trails_are_whole_and_nothing_is_lost_or_twice(upgraded):
    """What was sealed by the old code must not look broken to the new one."""
    data, _ = upgraded
    assert kept_system.broken_trails(data) == ({}, 5)
    report = kept_system.audited(data)
    assert is_clean(report)
    assert report["samples"] > 1000
    archive = open_archive(of_settings(data))
    with closing(archive.index):
        assert len(archive.index.sessions()[0]) == 1
        assert verify(archive).ok


def test_an_invoice_that_it_issued_still_verifies(upgraded):
    """It was handed out: nothing about it may become wrong by an upgrade."""
    data, _ = upgraded
    engine = open_database(databases(data, ["billing"])[0].url)
    with engine.connect() as connection:
        pdf = connection.execute(select(DOCUMENTS.c.pdf)).scalars().first()
    engine.dispose()
    told = validating.report(pdf)
    assert [one.message for one in told.findings if not one.ok] == []


def test_a_gateway_of_it_goes_on_with_its_sessions(upgraded):
    """A gateway's own database grows at its start; its sessions stay."""
    path = upgraded[0] / "gateways" / "north" / "session.db"
    with closing(sqlite3.connect(path)) as database:
        before = database.execute("SELECT session, state FROM sessions").fetchall()
    with closing(GatewayStore(path)) as store:
        kept = [str(store.by_id(UUID(session)).session) for session, _ in before]
    assert kept == [session for session, _ in before]
    assert before


@pytest.mark.parametrize(
    "message", MESSAGES, ids=lambda one: one["topic"].rpartition("/")[2] + str(len(one["payload"]))
)
def test_its_messages_are_still_taken(message):
    """Sites are upgraded one by one: a centre hears gateways of the release before for weeks."""
    address = topics.parse(message["topic"])
    payload = message["payload"].encode()
    decoded = codec.decode(address.stream, payload)
    if address.stream.name in INGESTED:
        delivery = Delivery(
            address.stream, address.site, address.device, decoded, payload, False, False, None, None, 0, 0, 0
        )
        collect(delivery, batch := Batch())
        assert batch


def test_a_message_of_every_stream_was_kept():
    """A stream that nobody recorded could change unseen."""
    recorded = {one["topic"].rpartition("/")[2] for one in MESSAGES}
    assert {name for name in contract.STREAMS if name not in RARE} <= recorded
