"""The audit trail: nothing that was written can be changed or taken away unseen."""

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import eventually
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from trail_rig import ANNA, opened, writer

from services.console.tables import TRAIL
from services.kit import trail as kit_trail
from services.kit.auth.principal import SYSTEM, Principal
from services.kit.database import writing
from services.kit.trail import COLUMNS, TrailUnavailable

TRIGGERS = {
    "sqlite": ("DROP TRIGGER console_trail_no_update", "DROP TRIGGER console_trail_no_delete"),
    "postgresql": ("DROP TRIGGER console_trail_no_change ON console_trail",),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/console.db"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def book(url, tmp_path):
    """A trail with six rows, and a way around its triggers."""
    trail, engine = opened(url, tmp_path)
    for number in range(6):
        trail.append(ANNA, "session.seen", record=f"session-{number}", site="north", detail={"zoom": number})
    yield Book(trail, engine)
    engine.dispose()


class Book:
    """A trail, and somebody who owns its database."""

    def __init__(self, trail, engine):
        self.trail, self.engine = trail, engine

    def force(self, *statements):
        """What the database's owner can do: drop the triggers, then anything."""
        with writing(self.engine) as connection:
            for statement in TRIGGERS[self.engine.dialect.name]:
                connection.execute(text(statement))
            for statement in statements:
                connection.execute(statement)

    def force_again(self, *statements):
        """More of it, once the triggers are gone."""
        with writing(self.engine) as connection:
            for statement in statements:
                connection.execute(statement)

    def row(self, seq):
        """One row as it is stored."""
        with self.engine.connect() as connection:
            return dict(connection.execute(select(TRAIL).where(TRAIL.c.seq == seq)).one()._mapping)


def found(book):
    """What a look at the chain says, in short."""
    finding = book.trail.verify()
    return finding.ok, finding.first_bad, finding.what


def test_rows_are_numbered_without_a_gap_and_the_chain_is_whole(book):
    """An auditor begins with row 1 and misses none."""
    finding = book.trail.verify()
    assert (finding.ok, finding.rows, finding.first_bad) == (True, 6, None)
    assert finding.head.hash == book.row(6)["hash"]


@pytest.mark.parametrize(
    ("statement", "first_bad", "what"),
    [
        (update(TRAIL).where(TRAIL.c.seq == 3).values(record="another"), 3, "changed"),
        (update(TRAIL).where(TRAIL.c.seq == 1).values(site=None), 1, "changed"),
        (update(TRAIL).where(TRAIL.c.seq == 6).values(at_us=1), 6, "changed"),
        (delete(TRAIL).where(TRAIL.c.seq == 1), 1, "removed"),
        (delete(TRAIL).where(TRAIL.c.seq == 4), 4, "removed"),
        (delete(TRAIL).where(TRAIL.c.seq == 6), 6, "cut"),
        (delete(TRAIL), 1, "cut"),
    ],
    ids=["field", "nulled", "time", "first", "middle", "last", "all"],
)
def test_a_changed_or_removed_row_is_named(book, statement, first_bad, what):
    """Whoever hides what they looked at must not be able to."""
    book.force(statement)
    assert found(book) == (False, first_bad, what)


def test_a_look_goes_on_from_the_last_one_and_begins_anew_where_that_does_not_stand(book):
    """What was looked at is not looked at again, unless it is not there any more."""
    part = book.trail.verify(most=4)
    assert (part.ok, part.rows) == (True, 4)
    assert book.trail.verify(part.head).rows == 6
    assert book.trail.verify(part.head, most=1).rows == 5
    book.force(update(TRAIL).where(TRAIL.c.seq == 2).values(record="another"))
    assert book.trail.verify(part.head).ok  # row 2 was looked at
    book.force_again(update(TRAIL).where(TRAIL.c.seq == 4).values(hash="0" * 64))
    whole = book.trail.verify(part.head)
    assert (whole.ok, whole.first_bad, whole.what) == (False, 2, "changed")


def test_going_on_finds_an_end_that_was_cut_off_and_a_row_that_was_changed_behind(book):
    """The end is where somebody hides what was just done."""
    part = book.trail.verify(most=4)
    book.force(update(TRAIL).where(TRAIL.c.seq == 5).values(site=None))
    assert (book.trail.verify(part.head).first_bad, book.trail.verify(part.head).what) == (5, "changed")
    book.force_again(delete(TRAIL).where(TRAIL.c.seq >= 5))
    assert (book.trail.verify(part.head).first_bad, book.trail.verify(part.head).what) == (5, "cut")
    book.force_again(delete(TRAIL).where(TRAIL.c.seq >= 3))
    assert (book.trail.verify(part.head).first_bad, book.trail.verify(part.head).what) == (3, "cut")


def test_rows_that_were_swapped_are_found(book):
    """An order that is told differently is another story."""
    second, third = book.row(2), book.row(3)
    book.force(
        delete(TRAIL).where(TRAIL.c.seq.in_((2, 3))),
        insert(TRAIL).values({**third, "seq": 2}),
        insert(TRAIL).values({**second, "seq": 3}),
    )
    assert found(book) == (False, 2, "changed")


@pytest.mark.parametrize("at", [1, 4, 7], ids=["first", "middle", "end"])
def test_a_row_that_was_put_in_is_found(book, at):
    """Nobody without the key writes a row that belongs: not even at the end, where none follows."""
    rows = [book.row(seq) for seq in range(1, 7)]
    made = {**rows[0], "name": "benedikt", "previous": rows[at - 2]["hash"] if at > 1 else "0" * 64}
    rows.insert(at - 1, made)
    book.force(delete(TRAIL), insert(TRAIL).values([{**row, "seq": n} for n, row in enumerate(rows, 1)]))
    assert found(book) == (False, at, "changed")


def test_rows_that_went_back_into_one_that_was_theirs_are_found(book, tmp_path):
    """A row of the same key but of another chain has a right hash and a wrong forerunner."""
    other, engine = opened(f"sqlite:///{tmp_path}/other.db", tmp_path)
    for number in range(4):
        other.append(ANNA, "session.seen", record=f"other-{number}")
    with engine.connect() as connection:
        strange = dict(connection.execute(select(TRAIL).where(TRAIL.c.seq == 4)).one()._mapping)
    engine.dispose()
    book.force(delete(TRAIL).where(TRAIL.c.seq == 4), insert(TRAIL).values(strange))
    assert found(book) == (False, 4, "order")


def test_a_database_put_back_from_an_old_copy_is_found_also_when_it_goes_on(book):
    """The seal remembers the row that was there; new rows on the old copy do not make it forget."""
    book.force(delete(TRAIL).where(TRAIL.c.seq > 4))
    assert found(book) == (False, 5, "cut")
    for _ in range(5):
        book.trail.append(SYSTEM, "sign-in")
    assert found(book) == (False, 6, "rewound")


def test_a_crash_between_the_row_and_its_seal_is_not_taken_for_a_forgery(book, tmp_path):
    """The seal may be behind by what was committed after it, never ahead."""
    before = (tmp_path / "trail.seal").read_bytes()
    book.trail.append(ANNA, "sign-out")
    (tmp_path / "trail.seal").write_bytes(before)
    assert found(book) == (True, None, None)
    book.trail.append(ANNA, "sign-in")
    assert found(book) == (True, None, None)


def test_a_missing_or_forged_seal_is_said_and_nothing_seals_over_it(book, tmp_path):
    """Else whoever cuts the end off would only have to take the seal away too."""
    seal = tmp_path / "trail.seal"
    held = seal.read_text()
    seal.write_text(held.replace('"seq": 6', '"seq": 5'))
    book.trail.append(ANNA, "sign-in")
    assert found(book) == (False, None, "seal_forged")
    seal.unlink()
    book.trail.append(ANNA, "sign-in")
    assert found(book) == (False, None, "seal_missing")


def test_sealing_again_says_who_did_it_why_and_what_was_found(book, tmp_path):
    """After a backup was put back a person may go on, but not in silence."""
    book.force(delete(TRAIL).where(TRAIL.c.seq > 4))
    assert book.trail.reseal(SYSTEM, "backup of Monday").ok
    last = book.trail.rows(select(TRAIL).order_by(TRAIL.c.seq.desc()).limit(1))[0]
    assert (last.action, last.detail["reason"]) == ("trail.resealed", "backup of Monday")
    assert (last.detail["found"]["what"], last.detail["found"]["first_bad"]) == ("cut", 5)
    assert found(book) == (True, None, None)


def test_the_database_itself_refuses_to_change_a_row(book):
    """A slip at the database's shell changes nothing."""
    for statement in (update(TRAIL).values(name="nobody"), delete(TRAIL)):
        with pytest.raises(DBAPIError, match="append-only"), writing(book.engine) as connection:
            connection.execute(statement)
    assert found(book) == (True, None, None)


def test_postgres_refuses_to_empty_the_table(postgres, tmp_path):
    """TRUNCATE is no DELETE."""
    trail, engine = opened(postgres.database(), tmp_path)
    trail.append(ANNA, "sign-in")
    with pytest.raises(DBAPIError, match="append-only"), writing(engine) as connection:
        connection.execute(text("TRUNCATE console_trail"))
    engine.dispose()


def test_many_threads_of_many_processes_write_one_chain(url, tmp_path):
    """Two consoles on one database tell one story."""
    opened(url, tmp_path)[1].dispose()
    writers = [writer(url, tmp_path, 20) for _ in range(3)]
    ends = [process.wait(60) for process in writers]
    trail, engine = opened(url, tmp_path)
    finding = trail.verify()
    engine.dispose()
    assert ends == [0, 0, 0]
    assert (finding.ok, finding.rows) == (True, 60)


NASTY = {
    "long": "x" * 10_000,
    "nul": "a\x00b",
    "surrogate": "a\ud800b",
    "script": "<script>alert(1)</script>",
    "quotes": "'; DROP TABLE console_trail; --",
}


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
def test_whatever_somebody_types_is_recorded_and_the_chain_stays_whole(book, nasty):
    """An audit trail that can be stopped by a name would be stopped by a name."""
    who = Principal("unknown", nasty, ())
    book.trail.append(who, "sign-in.failed", record=nasty, site=nasty, address=nasty, detail={"typed": nasty})
    last = book.trail.rows(select(TRAIL).order_by(TRAIL.c.seq.desc()).limit(1))[0]
    assert found(book) == (True, None, None)
    assert len(last.name) <= 80
    assert last.name[:1] == nasty[:1]


def test_waits_for_a_busy_database_do_not_add_up(tmp_path, monkeypatch):
    """Forty pages that each wait for the one before would hang for minutes where one hangs for seconds."""
    monkeypatch.setattr(kit_trail, "TURN_S", 0.2)
    trail, engine = opened(f"sqlite:///{tmp_path}/console.db", tmp_path)
    with ThreadPoolExecutor(5) as pool:
        with writing(engine):
            asked = [pool.submit(trail.append, ANNA, "session.seen") for _ in range(5)]
            eventually(lambda: sum(it.done() for it in asked) == 4, 4, "those behind the first to be told")
        why = [str(it.exception()) for it in asked]
    assert sum("rows before wait" in text for text in why) == 4
    assert (trail.verify().ok, trail.length()) == (True, 1)
    engine.dispose()


def test_a_database_that_has_no_connection_to_spare_is_a_trail_that_cannot_be_written(tmp_path, monkeypatch):
    """SQLAlchemy's error is none of the driver's: a STOP that was carried out looked like a failed one."""
    trail, engine = opened(f"sqlite:///{tmp_path}/console.db", tmp_path)
    monkeypatch.setattr(engine.pool, "_timeout", 0.1)
    with contextlib.ExitStack() as taken:
        for _ in range(engine.pool.size() + engine.pool._max_overflow):
            taken.enter_context(engine.connect())
        with pytest.raises(TrailUnavailable, match="QueuePool"):
            trail.append(ANNA, "bed.stop")
    assert trail.append(ANNA, "bed.stop") == 1
    engine.dispose()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A SQLite trail of four rows without triggers, to be put back after each damage."""
    directory = tmp_path_factory.mktemp("plain")
    trail, engine = opened(f"sqlite:///{directory}/console.db", directory)
    for number in range(4):
        trail.append(
            ANNA,
            "session.seen",
            record=f"session-{number}",
            site="north",
            address="::1",
            detail={"n": number},
        )
    with writing(engine) as connection:
        for statement in TRIGGERS["sqlite"]:
            connection.execute(text(statement))
    raw = sqlite3.connect(directory / "console.db", isolation_level=None)
    yield trail, raw
    raw.close()
    engine.dispose()


@given(
    seq=st.integers(1, 4),
    column=st.sampled_from((*COLUMNS, "hash")),
    at=st.integers(0, 200),
    bit=st.integers(0, 7),
)
def test_one_bit_of_any_byte_of_any_column_of_any_row_is_found(plain, seq, column, at, bit):
    """Not one bit of what somebody did can be told differently."""
    trail, raw = plain
    read = f"SELECT CAST({column} AS BLOB), typeof({column}) FROM console_trail WHERE seq = ?"  # noqa: S608  (ours)
    value, kind = raw.execute(read, (seq,)).fetchone()
    damaged = bytearray(value)
    damaged[at % len(damaged)] ^= 1 << bit
    write = f"UPDATE console_trail SET {column} = CAST(? AS {kind}) WHERE seq = ?"  # noqa: S608  (the same)
    try:
        raw.execute(write, (bytes(damaged), seq))
    except sqlite3.IntegrityError:
        return  # another row has this number: the database refuses
    moved = {number for (number,) in raw.execute("SELECT seq FROM console_trail")} - {1, 2, 3, 4}
    now = moved.pop() if moved else seq
    same = raw.execute(read, (now,)).fetchone()[0] == value
    finding = trail.verify()
    raw.execute(write, (value, now))
    assert finding.ok == same
    assert trail.verify().ok


def test_a_writer_that_is_killed_leaves_a_whole_chain(url, tmp_path):
    """A power cut between a row and its seal is no forgery, and the next writer goes on."""
    trail, engine = opened(url, tmp_path)
    process = writer(url, tmp_path, 100_000)
    eventually(lambda: trail.verify().rows >= 10, 30.0, "ten rows")
    process.kill()
    process.wait()
    rows = trail.verify().rows
    trail.append(ANNA, "sign_in")
    finding = trail.verify()
    engine.dispose()
    assert finding.ok
    assert finding.rows == rows + 1
