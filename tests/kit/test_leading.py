"""One of several replicas leads; whatever becomes of it, another goes on: nothing lost, nothing twice."""

import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid5

import psycopg
import pytest
import replica_worker
import structlog
from business_tables import EFFECTS, METADATA, NAMES, STREAM, TABLES
from servers import eventually
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from broker.bus import Bus
from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.kit import database
from services.kit.business import leading, leases
from services.kit.business.duties import Duties
from services.kit.business.inbox import Consumer
from services.kit.business.leading import NotLeading
from services.kit.business.leases import FileLease, PostgresLease, lease_of
from services.kit.business.outbox import Outbox, Publisher
from services.kit.database import create_schema, open_database, reading, writing
from services.kit.settings import Settings

pytestmark = pytest.mark.system
PATIENT_S = 60.0
REPLACED_S = 15.0  # within 5 s alone; beside a whole suite on two cores it may be more
# replicas, messages, rounds of a kill and a freeze
ROUNDS = [
    pytest.param(3, 60, 1, id="short"),
    pytest.param(3, 4000, 12, marks=pytest.mark.soak, id="long"),
]


class Replica:
    """A process that may lead."""

    def __init__(self, database, broker, log):
        self.said, self._log = log, log.open("ab")
        command = [sys.executable, replica_worker.__file__, database, broker.url]
        environment = {"PYTHONPATH": f"{Path(replica_worker.__file__).parent}:{Path.cwd()}", "PATH": ""}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, env=environment
        )

    @property
    def words(self):
        """What it has said so far, its log left out."""
        return [line for line in self.said.read_text().splitlines() if line in ("up", "leads", "over")]

    @property
    def leads(self):
        """Whether its last word is that it leads."""
        return self.process.poll() is None and self.words[-1:] == ["leads"]

    def signal(self, number):
        """SIGKILL, SIGSTOP, SIGCONT."""
        self.process.send_signal(number)

    def close(self):
        """Gone, whatever it was."""
        self.process.kill()
        self.process.communicate()
        self._log.close()


class Rig:
    """Replicas on one database and one broker, somebody who tells and somebody who listens."""

    def __init__(self, database, broker, directory, ending):
        self.database, self.broker, self.directory, self.ending = database, broker, directory, ending
        self.engine = open_database(database)
        ending.callback(self.engine.dispose)
        create_schema(self.engine, METADATA)
        self.outbox = Outbox(self.engine, TABLES)
        self.told = []
        self.others = Bus(broker.url, "others", session_expiry_s=600)
        ending.callback(self.others.close)
        self.others.subscribe(STREAM)
        self.others.start()
        eventually(lambda: self.others.connected, PATIENT_S)
        self.count, self.started = 0, 0

    def replica(self):
        """One more."""
        self.started += 1
        made = Replica(self.database, self.broker, self.directory / f"replica-{self.started}.log")
        self.ending.callback(made.close)
        eventually(lambda: made.words, PATIENT_S, "a replica")
        return made

    def tell(self, many):
        """So many more messages, numbered on."""
        for number in range(self.count, self.count + many):
            self.others.publish(STREAMS["patient"], of(number), "north")
        self.count += many

    def numbers(self):
        """The effects."""
        with reading(self.engine) as connection:
            return list(connection.execute(select(EFFECTS.c.number)).scalars())

    def listen(self):
        """Take what was told; how many different messages so far."""
        batch = self.others.take(500, 0.05)
        self.told.extend((delivery.message.id, delivery.message.data["number"]) for delivery in batch)
        self.others.acknowledge(batch)
        return len(set(self.told))


@pytest.fixture
def rig(postgres, mosquitto, tmp_path):
    """On PostgreSQL."""
    with ExitStack() as ending:
        yield Rig(postgres.database(), mosquitto, tmp_path, ending)


def of(number):
    """What is told to the replicas."""
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return ClinicEvent(id=named(number), type="patient.registered", time=at, data={"number": number})


def named(number) -> UUID:
    """The id of a message."""
    return uuid5(NAMES, str(number))


def the_leader(replicas):
    """The one that leads."""
    return eventually(lambda: next((one for one in replicas if one.leads), None), REPLACED_S, "a leader")


@pytest.mark.parametrize(("many", "messages", "rounds"), ROUNDS)
def test_a_leader_that_is_killed_or_frozen_is_replaced_nothing_lost_nothing_twice(
    rig, many, messages, rounds
):
    """A pod is evicted, a machine hangs: another goes on, and the thawed one finds that its term is over."""
    replicas = [rig.replica() for _ in range(many)]
    each = messages // (3 * rounds)
    for _ in range(rounds):
        first = the_leader(replicas)
        rig.tell(each)
        first.signal(signal.SIGKILL)
        replicas.remove(first)
        replicas.append(rig.replica())
        second = the_leader(replicas)
        rig.tell(each)
        eventually(lambda: len(rig.numbers()) > 0, PATIENT_S)
        second.signal(signal.SIGSTOP)
        rig.tell(each)
        third = the_leader([one for one in replicas if one is not second])
        second.signal(signal.SIGCONT)
        eventually(lambda second=second: second.words[-1] == "over", REPLACED_S, "the thawed one's end")
        eventually(lambda: rig.listen() == rig.count, PATIENT_S, "every message told")
        assert the_leader(replicas) is third
    assert sorted(rig.numbers()) == list(range(rig.count)), "each once, whoever led"
    told = list(dict.fromkeys(rig.told))  # some twice, by the same id
    assert told == [(named(number), number) for number in range(rig.count)], "all, in order"
    eventually(lambda: rig.outbox.waiting() == 0, PATIENT_S)


def test_two_on_one_sqlite_database_never_lead_at_once(mosquitto, tmp_path):
    """A second process on a machine without PostgreSQL waits until the first is gone."""
    with ExitStack() as ending:
        rig = Rig(f"sqlite:///{tmp_path}/probe.db", mosquitto, tmp_path, ending)
        first, second = rig.replica(), None
        the_leader([first])
        second = rig.replica()
        rig.tell(5)
        eventually(lambda: len(rig.numbers()) == 5, PATIENT_S)
        assert second.words == ["up"]
        first.process.stdin.close()
        the_leader([second])
        assert first.process.wait(PATIENT_S) == 0
        assert first.words == ["up", "leads", "over"]
        rig.tell(5)
        eventually(lambda: rig.listen() == 10, PATIENT_S)
        assert sorted(rig.numbers()) == list(range(10))


# --- the lease alone ------------------------------------------------------------------------------------
@pytest.fixture
def pair(postgres):
    """Two leases of one service, and their database."""
    engine = open_database(postgres.database())
    create_schema(engine, METADATA)
    made = PostgresLease(engine, "probe"), PostgresLease(engine, "probe")
    yield engine, *made
    for lease in made:
        lease.let_go()
    engine.dispose()


def effect(connection):
    """Something that a leader writes."""
    connection.execute(insert(EFFECTS), {"message": "one", "number": 1})


def cut_off(engine):
    """End the leader's session at the server, as a failed line does."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name = 'spondyl leader probe'"
            )
        )


def numbers_in(engine):
    """What was written for good."""
    with reading(engine) as connection:
        return sorted(connection.execute(select(EFFECTS.c.number)).scalars())


def overtaken(engine, old, new):
    """Write as a leader that another replaces meanwhile."""
    with writing(engine) as connection:
        old.fence(connection, old.term)
        effect(connection)
        cut_off(engine)
        assert new.hold()
        effect(connection)


def test_what_a_leader_has_begun_is_committed_before_the_next_one_leads_or_never(pair):
    """Two leaders never write at once, also where the first is frozen and waits for a lock of its own."""
    engine, old, new = pair
    assert old.hold()
    with writing(engine) as connection:
        old.fence(connection, old.term)
        effect(connection)
    with pytest.raises(DBAPIError):
        overtaken(engine, old, new)
    with writing(engine) as connection, pytest.raises(NotLeading, match="lost"):
        old.fence(connection, old.term)
    assert numbers_in(engine) == [1]
    with writing(engine) as connection:
        new.fence(connection, new.term)


def test_a_leader_that_does_not_renew_is_replaced_and_knows_it_before(pair, monkeypatch):
    """Frozen, or cut off from the database: the server ends its session, its own clock ends its term."""
    monkeypatch.setattr(leases, "LEASE_S", 0.8)
    monkeypatch.setattr(leases, "MARGIN_S", 0.3)
    engine, old, new = pair
    assert old.hold()
    term = old.term
    eventually(new.hold, 10.0, "the next leader")
    assert leases.now_s() >= old.until_s
    with writing(engine) as connection, pytest.raises(NotLeading, match="over"):
        old.fence(connection, term)
    with pytest.raises(psycopg.OperationalError):
        old.hold()
    assert (old.term, old.hold()) == (0, False)


def test_a_replica_frozen_in_a_transaction_keeps_its_locks_for_a_while_only(postgres, monkeypatch):
    """Any replica, not the leader alone: the desks of all others would wait for its row for ever."""
    monkeypatch.setattr(database, "IDLE_S", 0.3)
    url = postgres.database()
    frozen, other = open_database(url), open_database(url)
    create_schema(frozen, METADATA)
    holding = frozen.connect()
    holding.execute(text("LOCK TABLE probe_effects"))
    with writing(other) as connection:
        effect(connection)
    with pytest.raises(DBAPIError):
        holding.execute(text("SELECT 1"))
    holding.close()
    frozen.dispose()
    other.dispose()


def test_leases_of_two_services_in_one_database_do_not_meet(pair):
    """A chain may keep billing and the scheduler in one PostgreSQL database."""
    engine, one, _ = pair
    other = lease_of(engine, "other")
    assert (one.hold(), other.hold()) == (True, True)
    other.let_go()


def test_a_file_lease_is_free_as_soon_as_it_is_let_go(tmp_path):
    """And one of an earlier term writes nothing any more."""
    old, new = (FileLease(str(tmp_path / "probe.db"), "probe") for _ in range(2))
    assert (old.hold(), new.hold(), old.hold()) == (True, False, True)
    term = old.term
    old.let_go()
    assert new.hold()
    with pytest.raises(NotLeading):
        old.fence(None, term)
    new.let_go()


class Ending(Duties):
    """A leader whose term ends between two looks at its parts."""

    def __init__(self, *arguments):
        self.looks = []
        super().__init__(*arguments)

    @property
    def _parts(self):
        return self.looks.pop(0) if self.looks else None

    @_parts.setter
    def _parts(self, parts):
        self.looks.append(parts)


@pytest.mark.parametrize("look", [Duties.broker, Duties.inbox, Duties.outbox])
def test_a_probe_at_the_end_of_a_term_finds_nothing_wrong(tmp_path, look):
    """Every change of a leader would else be an outage to who asks at that moment."""
    engine = open_database(f"sqlite:///{tmp_path}/ending.db")
    duties = Ending("ending", Settings(), engine, TABLES, Outbox(engine, TABLES), {}, ())
    bus = Bus("mqtt://127.0.0.1:1", "ending")
    outbox = Outbox(engine, TABLES)
    duties.looks = [(bus, Consumer(engine, TABLES, outbox, bus, {}), Publisher(outbox, bus)), None]
    assert look(duties) in (None, "not connected")
    engine.dispose()


def test_a_term_that_has_to_wait_for_the_last_one_says_so_once(monkeypatch):
    """A planner may compute for minutes behind a lost lease: one line, and not of a lease that is held."""
    for name in ("RENEW_S", "AGAIN_S"):
        monkeypatch.setattr(leading, name, 0.02)
    tried, is_over = [], threading.Event()

    def begin(_is_current):
        tried.append(1)
        if not is_over.is_set():
            raise NotLeading("planner: what was begun in an earlier term is not over yet")
        return lambda: None

    waiting = leading.Leading(FileLease(None, "probe"), begin)
    with structlog.testing.capture_logs() as lines:
        waiting.start()
        eventually(lambda: "earlier term" in (waiting.trouble or ""))
        eventually(lambda: len(tried) > 5)
        is_over.set()
        eventually(lambda: any(line["event"] == "this replica leads" for line in lines))
        assert waiting.trouble is None
        waiting.stop()
    warnings = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert warnings == ["leading could not begin; trying again"]
