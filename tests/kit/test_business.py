"""Inbox and outbox over a real broker: an effect once, a change told, whatever is killed in between."""

import contextlib
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import business_worker
import pytest
from business_tables import EFFECTS, METADATA, STREAM, TABLES, event
from servers import Mosquitto, eventually
from sqlalchemy import func, insert, select

from broker import codec
from broker.bus import Bus
from services.kit.business import outbox as outbox_module
from services.kit.business.inbox import TRIES, Consumer
from services.kit.business.leading import NotLeading
from services.kit.business.outbox import Outbox, Publisher
from services.kit.database import create_schema, open_database, reading, writing
from services.kit.errors import SpondylError

pytestmark = pytest.mark.system
PATIENT_S = 60.0


class Listener:
    """A consumer with a database of its own, and what its handler is told to do."""

    def __init__(self, url, mosquitto):
        self.engine = open_database(url)
        create_schema(self.engine, METADATA)
        self.bus = Bus(mosquitto.url, "listener", session_expiry_s=600)
        self.outbox = Outbox(self.engine, TABLES)
        self.consumer = Consumer(self.engine, TABLES, self.outbox, self.bus, {STREAM: self.handle})
        self.tried = []
        self.wrong = lambda _connection, _number: None

    def handle(self, connection, heard):
        """The effect, then whatever goes wrong."""
        number = heard.message.data["number"]
        self.tried.append(number)
        row = {"message": str(heard.message.id), "number": number}
        connection.execute(insert(EFFECTS), row)
        self.wrong(connection, number)

    def start(self):
        """Listen; return when the broker knows."""
        self.consumer.start()
        self.bus.start()
        eventually(lambda: self.bus.connected, PATIENT_S)
        return self

    def numbers(self):
        """The effects, in their order of number."""
        with reading(self.engine) as connection:
            return list(connection.execute(select(EFFECTS.c.number).order_by(EFFECTS.c.number)).scalars())

    def refused(self):
        """Why what was refused, and its payload."""
        with reading(self.engine) as connection:
            return [(row.why, bytes(row.payload)) for row in connection.execute(select(TABLES.refused))]

    def close(self):
        """End, what is not acknowledged comes again."""
        self.consumer.stop()
        self.bus.close()
        self.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def listener(request, tmp_path, mosquitto):
    """A listener on either database."""
    url = f"sqlite:///{tmp_path}/listener.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database()
    with contextlib.closing(Listener(url, mosquitto)) as made:
        yield made.start()


@pytest.fixture
def ear(tmp_path, mosquitto):
    """A listener on SQLite."""
    with contextlib.closing(Listener(f"sqlite:///{tmp_path}/ear.db", mosquitto)) as made:
        yield made.start()


@pytest.fixture
def teller(mosquitto):
    """Publishes by hand, as often as a test wants."""
    bus = Bus(mosquitto.url, "teller")
    bus.start()
    eventually(lambda: bus.connected, PATIENT_S)
    yield lambda message: bus.publish(STREAM, codec.encode(STREAM, message), "north").wait(PATIENT_S)
    bus.close()


def heard(listener, *numbers):
    """Wait until the listener's effects are these."""
    eventually(lambda: listener.numbers() == list(numbers), PATIENT_S, f"effects {numbers}")


def test_a_message_that_comes_five_times_has_its_effect_once(listener, teller):
    """At-least-once delivery must never become at-least-once booking."""
    once = event(uuid4(), 1)
    for _ in range(5):
        teller(once)
    teller(event(uuid4(), 2))
    heard(listener, 1, 2)
    assert listener.tried == [1, 2]


def test_what_a_handler_refuses_is_kept_with_the_reason_and_undone(listener, teller):
    """Nothing silent: the message stays readable, its effect is gone, the others are heard."""

    def refuse(_connection, number):
        if number == 2:
            raise SpondylError("cure.planned: 2 is none of ours")

    listener.wrong = refuse
    messages = [event(uuid4(), number) for number in (1, 2, 3)]
    for message in messages:
        teller(message)
    teller(messages[1])
    teller(event(uuid4(), 4))
    heard(listener, 1, 3, 4)
    assert listener.refused() == [("cure.planned: 2 is none of ours", codec.encode(STREAM, messages[1]))]
    assert listener.tried.count(2) == 1, "refused once, heard once"


@pytest.mark.parametrize("fault", ["a bug", "a value the database does not take"])
def test_one_message_that_can_never_be_handled_does_not_stop_the_others(listener, teller, fault):
    """It is tried again, then kept with its error: a clinic goes on planning while somebody looks."""

    def fail(connection, number):
        if number == 2 and fault == "a bug":
            raise KeyError("surname")
        if number == 2:
            connection.execute(insert(EFFECTS), {"message": None, "number": 2})

    listener.wrong = fail
    for number in (1, 2, 3):
        teller(event(uuid4(), number))
    heard(listener, 1, 3)
    eventually(listener.refused, PATIENT_S)
    ((why, _),) = listener.refused()
    assert why.startswith("it cannot be handled: ")
    assert listener.tried.count(2) >= TRIES
    eventually(lambda: listener.consumer.last_error is None, PATIENT_S)


def test_a_fault_that_passes_loses_nothing(listener, teller):
    """The same message, handled when the fault is over: not refused."""

    def fail(_connection, number):
        if number == 1 and listener.tried.count(1) < TRIES:
            raise RuntimeError("another writer was in the way")

    listener.wrong = fail
    teller(event(uuid4(), 1))
    heard(listener, 1)
    assert listener.refused() == []


def test_a_term_that_ends_under_a_handler_refuses_nothing(ear, teller):
    """A pause of the machine ends a term for a moment: the message is for whoever leads then."""

    def fail(_connection, number):
        if number == 1 and ear.tried.count(1) == 1:
            raise NotLeading("the lease is over")

    ear.wrong = fail
    teller(event(uuid4(), 1))
    heard(ear, 1)
    assert ear.refused() == []


def test_what_came_while_the_service_was_down_is_heard_once_it_is_up(listener, teller, mosquitto, tmp_path):
    """The broker keeps it; the broker itself may be killed meanwhile."""
    teller(event(uuid4(), 1))
    heard(listener, 1)
    listener.consumer.stop()
    listener.bus.close()
    teller(event(uuid4(), 2))
    with contextlib.closing(Listener(f"sqlite:///{tmp_path}/second.db", mosquitto)) as again:
        again.start()
        heard(again, 2)


# --- the outbox -----------------------------------------------------------------------------------------
@pytest.fixture
def office(tmp_path, mosquitto):
    """A database with an outbox, and a bus to publish it."""
    engine = open_database(f"sqlite:///{tmp_path}/office.db")
    create_schema(engine, METADATA)
    bus = Bus(mosquitto.url, "office", session_expiry_s=600)
    outbox = Outbox(engine, TABLES)
    publisher = Publisher(outbox, bus)
    bus.start()
    yield outbox, bus, publisher
    publisher.stop()
    bus.close()
    engine.dispose()


def change(outbox, number, message=None):
    """A change with what it tells."""
    with writing(outbox.engine) as connection:
        outbox.add(connection, STREAM, "north", event(message or uuid4(), number))
    outbox.woken.set()


def test_what_is_rolled_back_is_never_told(office, ear):
    """Booking and message are one transaction."""
    outbox, _, publisher = office
    publisher.start()
    with writing(outbox.engine) as connection:
        outbox.add(connection, STREAM, "north", event(uuid4(), 1))
        connection.rollback()
    change(outbox, 2)
    heard(ear, 2)
    eventually(lambda: outbox.waiting() == 0, PATIENT_S)


def test_what_is_told_while_the_broker_is_down_is_told_later_in_order(office, ear, mosquitto):
    """The desk goes on working; nothing is lost and nothing overtakes."""
    outbox, _, publisher = office
    publisher.start()
    change(outbox, 0)
    heard(ear, 0)
    mosquitto.kill()
    for number in range(1, 6):
        change(outbox, number)
    assert outbox.waiting() == 5
    mosquitto.start()
    heard(ear, *range(6))
    order = list(dict.fromkeys(ear.tried))
    assert order == sorted(order)
    eventually(lambda: outbox.waiting() == 0, PATIENT_S)


def test_a_crash_between_the_brokers_answer_and_the_deletion_tells_the_same_message_again(office, ear):
    """Told twice by the same id has its effect once."""
    outbox, bus, publisher = office
    change(outbox, 1)
    eventually(lambda: bus.connected, PATIENT_S)
    (row,) = outbox.first(10)
    assert bus.publish(STREAM, bytes(row["payload"]), "north").wait(PATIENT_S)
    heard(ear, 1)
    publisher.start()  # the next process: the row is still there
    eventually(lambda: outbox.waiting() == 0, PATIENT_S)
    change(outbox, 2)
    heard(ear, 1, 2)


NORTH_ONLY = """\
listener {port} 127.0.0.1
allow_anonymous true
acl_file {directory}/acl
"""


def test_what_the_broker_refuses_for_good_is_set_aside_and_stops_nothing_behind_it(tmp_path, monkeypatch):
    """One row that nobody may publish kept every later suspension from the beds, and /readyz said nothing."""
    monkeypatch.setattr(outbox_module, "TRIES", 2)
    (tmp_path / "acl").write_text("topic readwrite spondyl/v1/north/#\n")
    engine = open_database(f"sqlite:///{tmp_path}/office.db")
    create_schema(engine, METADATA)
    outbox = Outbox(engine, TABLES)
    with Mosquitto(tmp_path, NORTH_ONLY.replace("{directory}", str(tmp_path))) as broker:
        bus = Bus(broker.url, "office", session_expiry_s=600)
        publisher = Publisher(outbox, bus)
        with writing(engine) as connection:
            outbox.add(connection, STREAM, "south", event(uuid4(), 1))
            outbox.add(connection, STREAM, "north", event(uuid4(), 2))
            old = {"stream": "gone", "site": "north", "device": None, "payload": b"{}", "at_us": 0}
            connection.execute(insert(TABLES.outbox), old)
            outbox.add(connection, STREAM, "north", event(uuid4(), 3))
        bus.start()
        publisher.start()
        eventually(lambda: outbox.waiting() == 0, PATIENT_S)
        eventually(lambda: publisher.last_error is None, PATIENT_S)
        publisher.stop()
        bus.close()
    with reading(engine) as connection:
        rows = {row.topic: row.why for row in connection.execute(select(TABLES.refused))}
    assert sorted(rows) == ["north/gone", "spondyl/v1/south/clinic/cure"]
    assert "Not authorized" in rows["spondyl/v1/south/clinic/cure"]
    engine.dispose()


def test_killed_between_commit_and_publication_nothing_is_lost_and_nothing_double(ear, mosquitto, tmp_path):
    """SIGKILL right behind the commits; the next process tells every one of them, once in effect."""
    database = f"sqlite:///{tmp_path}/worker.db"
    engine = open_database(database)
    create_schema(engine, METADATA)
    kill_after(database, "-", 20)
    outbox = Outbox(engine, TABLES)
    with reading(engine) as connection:
        changes = connection.execute(select(func.count()).select_from(EFFECTS)).scalar_one()
    assert outbox.waiting() == changes >= 20
    assert ear.numbers() == []
    bus = Bus(mosquitto.url, "worker", session_expiry_s=600)
    publisher = Publisher(outbox, bus)
    bus.start()
    publisher.start()
    heard(ear, *range(changes))
    eventually(lambda: outbox.waiting() == 0, PATIENT_S)
    publisher.stop()
    bus.close()
    engine.dispose()


def test_killed_while_it_publishes_nothing_is_lost_and_nothing_double(ear, mosquitto, tmp_path):
    """Whenever the kill comes, what the database has is what the others know: each change once."""
    database = f"sqlite:///{tmp_path}/worker.db"
    engine = open_database(database)
    create_schema(engine, METADATA)
    kill_after(database, mosquitto.url, 100)
    outbox = Outbox(engine, TABLES)
    bus = Bus(mosquitto.url, "worker", session_expiry_s=600)
    publisher = Publisher(outbox, bus)
    bus.start()
    publisher.start()
    with reading(engine) as connection:
        changes = list(connection.execute(select(EFFECTS.c.number).order_by(EFFECTS.c.number)).scalars())
    heard(ear, *changes)
    assert len(changes) >= 100
    publisher.stop()
    bus.close()
    engine.dispose()


def kill_after(database, broker, count):
    """A worker that is killed as soon as it has said so many commits."""
    command = [sys.executable, business_worker.__file__, database, broker, "100000"]
    environment = {"PYTHONPATH": f"{Path(business_worker.__file__).parent}:{Path.cwd()}", "PATH": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as worker:
        while count:
            line = worker.stdout.readline()
            assert line, "the worker ended by itself"
            count -= line.strip().isdigit()  # the rest is its log
        worker.kill()
