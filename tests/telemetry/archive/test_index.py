import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from services.kit.database import migrate, newest_migration, open_database, reading, writing
from services.kit.errors import SpondylError
from services.telemetry.archive.index import Index
from services.telemetry.archive.rows import NOTHING, Commit, NewObject, SessionRow, covers
from services.telemetry.archive.stores import READING, WRITING
from services.telemetry.archive.tables import METADATA
from services.telemetry.errors import ArchiveUnavailable, BadCursor, UnknownSession
from services.telemetry.models import Gap, Place, Source

PLACE = Place("north", "bed-01")


@pytest.fixture
def index(database_url):
    """An empty index."""
    index = Index(database_url)
    yield index
    index.close()


def new_object(source, *tension, **more):
    return NewObject(
        f"{source.place}/{uuid4()}",
        source,
        "0" * 64,
        5,
        b"directory",
        {"tension": list(tension)},
        1000,
        2000,
        **more,
    )


def marks(tension=0):
    return NOTHING | {"tension": tension}


def session(number, **more):
    row = SessionRow(
        UUID(int=number), PLACE, 1_000_000 * number, uuid4(), 0, 10, ended_by="session.completed"
    )
    return replace(row, **more)


def add_sessions(index, *sessions):
    source = Source(PLACE, uuid4())
    assert index.commit(Commit(source, marks(), marks(), sessions=sessions))


def test_the_migrations_make_just_these_tables(index):
    """What the code means and what a clinic's database has must not drift apart."""
    with reading(index.engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "telemetry_version"})
        assert compare_metadata(context, METADATA) == []


def test_the_newest_step_is_told_by_its_files_name():
    """A start compares it with the database without loading alembic."""
    home = files("services.telemetry") / "migrations"
    script = ScriptDirectory(str(home), version_locations=[str(home / "versions")])
    assert newest_migration("services.telemetry") == script.get_current_head()


def test_processes_that_start_at_once_migrate_once(database_url):
    """Every service migrates at its start; on a new machine all of them come at the same moment."""
    code = "import sys; from services.telemetry.archive.index import Index; Index(sys.argv[1]).sources()"
    starters = [
        subprocess.Popen([sys.executable, "-c", code, database_url], stderr=subprocess.PIPE) for _ in range(4)
    ]
    said = [starter.communicate(timeout=60)[1] for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 4, said


def test_a_database_of_a_newer_release_is_refused_untouched(database_url):
    """Going back a release must not eat what the newer one has written."""
    engine = open_database(database_url)
    migrate(engine, "services.telemetry")
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE telemetry_version SET version_num = '9999'")
    with pytest.raises(SpondylError, match="newer release"):
        migrate(engine, "services.telemetry")
    engine.dispose()


def test_an_archiver_that_was_overtaken_changes_nothing(index):
    """Two archivers of one site, after a pause longer than the lease: only one of them may go on."""
    source = Source(PLACE, uuid4())
    assert index.commit(Commit(source, marks(), marks(100), [new_object(source, (0, 100))]))
    assert not index.commit(Commit(source, marks(), marks(90), [new_object(source, (0, 90))], [session(1)]))
    assert index.spans("tension", source) == [(0, 100)]
    assert index.sessions() == ([], None)


def test_objects_are_found_by_the_numbers_they_hold(index):
    """A window asks for the few objects that it needs."""
    source, other = Source(PLACE, uuid4()), Source(PLACE, uuid4())
    for edge in range(0, 500, 100):
        found = new_object(source, (edge, edge + 100))
        assert index.commit(Commit(source, marks(edge), marks(edge + 100), [found]))
    assert index.commit(Commit(other, marks(), marks(1000), [new_object(other, (0, 1000))]))
    assert [row.spans["tension"] for row in index.objects(source, "tension", 199, 301)] == [
        [(100, 200)], [(200, 300)], [(300, 400)],
    ]  # fmt: skip
    assert index.objects(source, "event") == []
    assert index.directory(index.objects(source, "tension")[0].id) == b"directory"
    assert index.marks(source)["tension"] == 500
    assert set(index.sources()) == {source, other}


def test_what_is_archived_is_known_number_by_number(index):
    """Ingest asks it about samples that come a second time, and about those that come late."""
    source = Source(PLACE, uuid4())
    gap = Gap("tension", source, 100, 120, "declared lost by the gateway")
    assert index.commit(
        Commit(source, marks(), marks(200), [new_object(source, (0, 100), (120, 200))], gaps=[gap])
    )
    spans = index.spans("tension", source)
    assert spans == [(0, 100), (120, 200)]
    assert covers(spans, 0, 100)
    assert covers(spans, 130, 131)
    assert not covers(spans, 99, 101)
    assert not covers(spans, 100, 120)
    assert index.spans("event", source) == []
    assert index.gaps(source) == [gap]


def test_sessions_come_in_pages_that_miss_none_and_repeat_none(index):
    """Newest first; sessions that began at the same instant too, and while new ones are added."""
    add_sessions(index, *(session(n, started_at_us=n // 3) for n in range(1, 20)))
    seen, cursor = [], None
    while True:
        page, cursor = index.sessions(cursor=cursor, limit=4)
        seen += [row.id.int for row in page]
        if len(seen) == 4:
            add_sessions(index, session(99, started_at_us=99))
        if cursor is None:
            break
    assert seen == sorted(range(1, 20), key=lambda n: (n // 3, str(UUID(int=n))), reverse=True)


FILTERS = {
    "site": ({"site": "south"}, [2]),
    "device": ({"device": "bed-07"}, [3]),
    "cure": ({"cure": UUID(int=77)}, [4]),
    "from": ({"since_us": 5_000_000}, [7, 6, 5]),
    "until": ({"until_us": 2_000_000}, [1]),
    "aborted": ({"state": "aborted"}, [5]),
    "never ended": ({"state": "lost"}, [6]),
    "region": ({"region": "cervical"}, [7]),
    "patient": ({"patient": UUID(int=78)}, [7]),
    "appointment": ({"appointment": UUID(int=79)}, [7]),
    "a name out of SQL": ({"site": "x' OR '1'='1"}, []),
}


@pytest.mark.parametrize("name", FILTERS)
def test_sessions_are_found_by(index, name):
    """Each filter alone; text of any kind is a value and never SQL."""
    wanted, expected = FILTERS[name]
    elsewhere = [session(2, place=Place("south", "bed-01")), session(3, place=Place("north", "bed-07"))]
    ended = [session(5, ended_by="session.aborted"), session(6, ended_by=None)]
    person = session(7, region="cervical", patient=UUID(int=78), appointment=UUID(int=79))
    add_sessions(index, session(1), *elsewhere, session(4, cure=UUID(int=77)), *ended, person)
    assert [row.id.int for row in index.sessions(**wanted)[0]] == expected


def test_a_session_keeps_everything_that_was_said_of_it(index):
    """What a clinician may ask for in ten years."""
    row = session(
        7, cure=uuid4(), patient=uuid4(), appointment=uuid4(), region="lumbar", segment="L4/L5",
        ended_at_us=8_000_000, summary={"peak_n": 400.5}, statistics={"creep_mm_min": None},
    )  # fmt: skip
    add_sessions(index, row)
    assert index.session(row.id) == row
    with pytest.raises(UnknownSession, match="not in the archive"):
        index.session(uuid4())
    with pytest.raises(BadCursor, match="next_cursor"):
        index.sessions(cursor="1; DROP TABLE archive_sessions")


def test_whatever_a_gateway_says_holds_up_no_archiver(index):
    """PostgreSQL takes no NUL and nothing too long: one odd event would keep every bed's samples in Redis."""
    source = Source(PLACE, uuid4())
    odd = session(7, region="lumbar" * 20, segment="L4\0L5", summary={"segment": "L4\0L5"})
    gap = Gap("tension", source, 0, 5, "declared lost by the gateway: disk\0full")
    assert index.commit(Commit(source, marks(), marks(5), sessions=[odd], gaps=[gap]))
    found = index.session(odd.id)
    assert (found.region, found.segment) == (("lumbar" * 20)[:40], "L4\N{REPLACEMENT CHARACTER}L5")
    assert found.summary == odd.summary
    assert [known.reason for known in index.gaps(source)] == [
        "declared lost by the gateway: disk\N{REPLACEMENT CHARACTER}full"
    ]


def test_a_session_without_an_end_takes_it_when_it_comes_late(index):
    """The row of a session that seemed lost is completed; a complete one is never changed."""
    add_sessions(index, session(1, ended_by=None, end_seq=None))
    add_sessions(index, session(1, end_seq=500))
    assert index.session(UUID(int=1)).end_seq == 500
    add_sessions(index, session(1, end_seq=600))
    assert index.session(UUID(int=1)).end_seq == 500


def test_a_database_that_went_away_is_told_in_one_line(postgres):
    """Not a trace back of the driver; hot telemetry waits meanwhile."""
    index = Index(postgres.database())
    postgres.stop()
    try:
        with pytest.raises(ArchiveUnavailable, match="index does not answer"):
            index.sources()
    finally:
        postgres.start()
        index.close()


def test_steps_are_committed_together_and_each_is_taken_or_left_by_itself(index):
    """One flush for many devices; who was overtaken in one of them must not hold up the others."""
    one, other, third = (Source(Place("north", f"bed-{number}"), uuid4()) for number in range(3))
    assert index.commit(Commit(other, marks(), marks(50), [new_object(other, (0, 50))]))
    fates = index.commit_all(
        [
            Commit(one, marks(), marks(10), [new_object(one, (0, 10))], [session(1)]),
            Commit(other, marks(), marks(60), [new_object(other, (0, 60))], [session(2)]),
            Commit(one, marks(10), marks(20), [new_object(one, (10, 20))]),
            Commit(third, marks(5), marks(20), [new_object(third, (5, 20))]),
        ]
    )
    assert fates == [True, False, True, False]
    assert [index.marks(source)["tension"] for source in (one, other, third)] == [20, 50, 0]
    assert index.spans("tension", one) == [(0, 10), (10, 20)]
    assert index.spans("tension", other) == [(0, 50)]
    assert [row.id for row in index.sessions()[0]] == [session(1).id]


def test_two_that_commit_the_same_devices_at_once_wait_for_each_other(index):
    """In whatever order they name them: one of each step wins, and nobody waits for ever."""
    sources = [Source(Place("north", f"bed-{number}"), uuid4()) for number in range(8)]
    steps = [Commit(source, marks(), marks(10), [new_object(source, (0, 10))]) for source in sources]
    with ThreadPoolExecutor(2) as pool:
        fates = list(pool.map(index.commit_all, (steps, steps[::-1])))
    assert all(a != b for a, b in zip(fates[0], fates[1][::-1], strict=True))
    assert all(index.spans("tension", source) == [(0, 10)] for source in sources)


def test_who_waits_for_a_lock_on_the_index_is_told_that_the_archive_is_away(postgres):
    """A question over HTTP ends in seconds; an archiver, for which nobody waits, has minutes."""
    index = Index(postgres.database(), patience_s=0.3)
    with index.write() as connection:
        connection.execute(text("LOCK TABLE archive_boots"))
        with pytest.raises(ArchiveUnavailable, match="statement timeout"):
            index.places()
    assert index.places() == []
    index.close()
    assert READING.statement_s < WRITING.statement_s
