from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import numpy as np
import pytest
from archive_rig import MINUTE, SESSION
from gateway_stand_in import block
from sqlalchemy import event

from services.telemetry import keys
from services.telemetry.errors import ArchiveUnavailable, CorruptObject
from services.telemetry.models import Entry, Place, Source
from services.telemetry.store import connect


def test_a_finished_session_becomes_one_object_with_everything_in_it(rig):
    """Samples, black box and events of a treatment lie together, and its row has figures of its own."""
    events, sessions = rig.session(1010, 2044)
    rig.keep([*rig.tension(0, 3000), *rig.blackbox(0, 3000), *events], sessions=sessions)
    rig.turn()
    before, treatment = rig.archive.index.objects(rig.source, "tension")
    assert before.spans["tension"] == [(0, 1000)]
    assert (treatment.session, treatment.spans["tension"]) == (SESSION, [(1000, 2050)])
    assert treatment.spans["blackbox"] == [(1000, 2050)]
    assert [row["type"] for row in rig.archive.events(rig.source)] == ["session.started", "session.completed"]
    row = rig.archive.session(SESSION)
    assert (row.first_seq, row.end_seq, row.ended_by) == (1010, 2044, "session.completed")
    assert row.statistics["samples"] == 1035
    assert rig.hot.sessions() == []


def test_only_what_is_archived_is_taken_from_redis(rig):
    """What is newer stays where it is until it is due."""
    events, sessions = rig.session(0, 999)
    rig.keep([*rig.tension(0, 1500), *rig.blackbox(0, 1500), *events], sessions=sessions)
    rig.turn()
    assert rig.hot_numbers() == [(first, first + 50) for first in range(1000, 1500, 50)]
    assert rig.archived() == [(0, 1000)]
    marks = rig.hot.boots({"north"})[0].mark
    assert marks == {"tension": 1000, "blackbox": 1000, "event": 2} == rig.archive.index.marks(rig.source)


def test_archived_samples_are_those_that_were_published(rig):
    """Ten years later a value is the very float that the bed sent."""
    entries = rig.tension(0, 2000)
    events, sessions = rig.session(0, 1999)
    rig.keep([*entries, *rig.blackbox(0, 2000), *events], sessions=sessions)
    rig.turn()
    (run,) = rig.archive.runs("tension", rig.source)
    published = [value for payload in rig.payloads(entries) for value in payload["tension_n"]]
    assert run.values("tension_n").tolist() == published
    (part,) = rig.archive.runs("tension", rig.source, 777, 780, columns=["tension_n"])
    assert part.values("tension_n").tolist() == published[777:780]


def test_idle_time_is_archived_by_spans_and_the_rest_when_all_is_quiet(rig):
    """An object an hour, and nothing is forgotten in Redis when a gateway goes for good."""
    rig.keep([*rig.tension(0, 70 * MINUTE, samples=500)])
    rig.turn()
    assert rig.archived() == [(0, 60 * MINUTE)]
    rig.turn(after_s=3601)
    assert rig.archived() == [(0, 60 * MINUTE), (60 * MINUTE, 70 * MINUTE)]
    assert rig.hot_numbers() == []


def test_a_boot_that_is_over_is_archived_after_a_minute_of_silence(rig):
    """A later boot tells that nothing more comes; the spool's last rows are waited for."""
    events, sessions = rig.session(100, 10_000)
    rig.keep([*rig.tension(0, 500), *rig.blackbox(0, 450), *events], sessions=sessions)
    first_boot = rig.source
    rig.turn()
    assert rig.archived() == [(0, 100)]
    rig.source = type(first_boot)(first_boot.place, uuid4())
    rig.index_of_event = 0
    rig.keep(rig.tension(0, 100))
    rig.turn()
    rig.turn(after_s=61)
    assert rig.archive.spans("tension", first_boot) == [(0, 100), (100, 500)]
    assert rig.archive.spans("blackbox", first_boot) == [(0, 100), (100, 450)]
    assert rig.archive.session(SESSION).end_seq == 10_000
    assert rig.archived() == []


def test_nothing_is_archived_behind_a_hole_until_it_is_named(rig):
    """A hole may still be filled from the gateway's spool."""
    rig.keep([*rig.tension(0, 500), *rig.tension(600, 400)])
    rig.turn(after_s=3601)
    rig.turn(after_s=3601)
    assert rig.archived() == [(0, 500)]
    rig.keep(gaps=[rig.gap(500, 600)])
    rig.turn(after_s=3601)
    rig.turn(after_s=3601)
    assert rig.archived() == [(0, 500), (600, 1000)]
    assert [(gap.first, gap.after) for gap in rig.archive.gaps(rig.source)] == [(500, 600)]


def test_a_boot_is_forgotten_once_nothing_of_it_is_left_in_redis(rig, valkey):
    """What lay behind an open hole was deleted after a month: stored, acknowledged, in no archive."""
    old, new = rig.source, Source(rig.source.place, uuid4())
    rig.keep([*rig.tension(0, 1000), *rig.tension(1100, 300)])
    rig.source = new
    rig.keep(rig.tension(0, 50))
    rig.source = old
    for after_s in (0, 61, 61):
        rig.turn(after_s=after_s)
    rig.hot.forget_boot(old)
    assert (rig.archived(), rig.hot_numbers()[0], len(rig.hot_numbers())) == ([(0, 1000)], (1100, 1150), 6)
    rig.keep(gaps=[rig.gap(1000, 1100)])
    for after_s in (0, 61):
        rig.turn(after_s=after_s)
    assert (rig.archived(), rig.hot_numbers()) == ([(0, 1000), (1100, 1400)], [])
    rig.hot.forget_boot(old)
    assert [boot.source for boot in rig.hot.boots({"north"})] == [new]
    with closing(connect(valkey.url)) as client:
        assert [key for key in client.scan_iter() if str(old.boot).encode() in key] == []


def test_a_boot_that_was_forgotten_and_sends_again_is_not_the_newest(rig):
    """A gateway that was away for months: its bed would show an old boot's last sample as the present."""
    old, new = rig.source, Source(rig.source.place, uuid4())
    rig.keep(rig.tension(0, 1000))
    rig.source = new
    rig.keep(rig.tension(0, 50))
    rig.source = old
    for after_s in (0, 61, 61):
        rig.turn(after_s=after_s)
    rig.hot.forget_boot(old)
    assert [boot.source for boot in rig.hot.boots({"north"})] == [new]
    rig.store.forget(old)  # as ingest does of what is silent for a quarter of an hour
    rig.keep(rig.tension(0, 100))
    assert [boot.source for boot in rig.hot.boots({"north"})] == [old, new]


def test_late_samples_for_a_named_gap_become_a_further_object(rig):
    """A correction never overwrites; a reader sees one whole curve."""
    rig.keep([*rig.tension(0, 500), *rig.tension(600, 400)], gaps=[rig.gap(500, 600)])
    rig.turn()
    rig.turn(after_s=3601)
    before = rig.archive.index.all_objects()
    rig.keep(rig.tension(500, 100))
    rig.turn(after_s=61)
    assert rig.archived() == [(0, 500), (500, 600), (600, 1000)]
    assert rig.archive.index.all_objects()[: len(before)] == before
    (run,) = rig.archive.runs("tension", rig.source)
    assert (run.first, run.after) == (0, 1000)
    assert rig.hot_numbers() == []


def test_a_second_content_under_one_number_is_archived_beside_the_first(rig):
    """Two truths are kept both, so that the audit shows them."""
    rig.keep([*rig.tension(0, 500)])
    rig.keep([*rig.tension(100, 50, level=200.0)])
    rig.turn()
    rig.turn(after_s=3601)
    assert sorted(rig.archived()) == [(0, 500), (100, 150)]
    assert rig.hot_numbers() == []


def test_all_is_archived_when_redis_fills_up(rig):
    """A session that goes on too: the archive has more room than Redis."""
    rig.keep(rig.tension(0, 1000))
    rig.turn(hurry=True)
    assert rig.archived() == [(0, 1000)]


def test_a_window_of_any_width_is_what_the_samples_are(rig):
    """The pyramid's buckets and the samples' own least and greatest agree, across objects."""
    rng = np.random.default_rng(1)
    rig.keep([*rig.tension(0, 9000, samples=500)])
    rig.turn(hurry=True)
    rig.keep([*rig.tension(9000, 9000, samples=500)])
    rig.turn(hurry=True)
    values = rig.archive.runs("tension", rig.source)[0].values("tension_n")
    for _ in range(40):
        first, after = sorted(rng.integers(0, 18_000, 2).tolist())
        if after - first < 2:
            continue
        (buckets,) = rig.archive.buckets(rig.source, first, after, int(rng.integers(2, 300)))
        assert (buckets.first, buckets.after) == (first, after)
        edges = buckets.edges
        parts = [values[a:b] for a, b in pairwise(edges)]
        assert buckets.maximum("tension_n").tolist() == [part.max() for part in parts]
        assert buckets.minimum("tension_n").tolist() == [part.min() for part in parts]


ABSURD = [(500, 100), (-5, 0), (10**30, 10**31), (0, 0), (2**63, None), (5_000_000, 6_000_000)]


@pytest.mark.parametrize("window", ABSURD)
def test_an_absurd_window_is_empty(rig, window):
    """Whatever number a caller takes from somewhere."""
    rig.keep([*rig.tension(0, 1000), rig.event("phase.changed", 10)])
    rig.turn(hurry=True)
    assert rig.archive.runs("tension", rig.source, *window) == []
    assert rig.archive.events(rig.source, *window) == []
    assert rig.archive.buckets(rig.source, *window, points=100) == []


def test_a_window_over_many_objects_asks_the_index_once_for_their_directories(rig):
    """A day is some dozens of objects: a query each would be the longest part of the answer."""
    for first in range(0, 20_000, 1000):
        rig.keep(rig.tension(first, 1000, samples=500))
        rig.turn(hurry=True)
    asked = []
    event.listen(rig.archive.index.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    (run,) = rig.archive.runs("tension", rig.source)
    assert run.after == 20_000
    assert len([sql for sql in asked if "directory" in sql]) == 1


def test_a_store_that_cannot_write_loses_nothing_and_is_tried_again(rig, tmp_path):
    """Redis keeps what the archive cannot take."""
    rig.keep(rig.tension(0, 1000))
    objects = tmp_path / "objects"
    (objects / ".unfinished").rmdir()
    (objects / ".unfinished").write_text("in the way")
    with pytest.raises(ArchiveUnavailable, match="must name a directory"):
        rig.turn(hurry=True)
    assert len(rig.hot_numbers()) == 20
    (objects / ".unfinished").unlink()
    (objects / ".unfinished").mkdir()
    rig.turn(hurry=True)
    assert rig.archived() == [(0, 1000)]


def test_a_block_whose_bytes_were_changed_is_named_and_the_others_are_read(rig, tmp_path):
    """One bad sector must not take a whole treatment with it."""
    rig.keep(rig.tension(0, 40_000, samples=500))
    rig.turn(hurry=True)
    (row,) = rig.archive.index.objects(rig.source, "tension")
    second = rig.archive.directory(row).of("tension")[1]
    path = tmp_path / "objects" / row.path
    data = bytearray(path.read_bytes())
    data[second.offset + second.length // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptObject, match=row.path):
        rig.archive.runs("tension", rig.source)
    (run,) = rig.archive.runs("tension", rig.source, 0, second.first)
    assert run.after == second.first


def test_what_a_killed_archiver_left_in_redis_is_taken_away_by_the_next(rig, valkey):
    """Killed between the index's commit and Redis: nothing is archived twice."""
    entries = [*rig.tension(0, 1000), *rig.blackbox(0, 1000)]
    events, sessions = rig.session(0, 999)
    rig.keep([*entries, *events], sessions=sessions)
    valkey_client = rig.store._redis
    kept = {key: valkey_client.dump(key) for key in valkey_client.keys("*") if b"latest" not in key}
    rig.turn()
    objects = rig.archive.index.all_objects()
    valkey_client.flushall()
    for key, value in kept.items():
        valkey_client.restore(key, 0, value)
    rig.fresh_archiver()
    rig.turn()
    rig.turn(after_s=61)
    assert rig.archive.index.all_objects() == objects
    assert [rig.hot_numbers(kind) for kind in ("tension", "blackbox", "event")] == [[], [], []]
    assert valkey_client.hgetall(keys.archived(rig.source))[b"tension"] == b"1000"
    assert rig.hot.sessions() == []


def bad(rig, kind, first, count, content):
    """An entry that ingest would not have written so."""
    return Entry(kind, rig.source, first, first + count, content)


def test_what_cannot_be_read_is_kept_aside_and_stops_nothing(rig):
    """One bad entry must hold up neither what came after it nor other devices, nor be lost."""
    other = block(rig.source.boot, 100, 50, 1.0).model_dump_json().encode()
    strays = [
        bad(rig, "tension", 500, 50, b"no block"),
        bad(rig, "tension", 550, 50, other),
        bad(rig, "blackbox", 500, 50, b"{}"),
        bad(rig, "event", 0, 1, b'{"index": 5, "at": "2026-01-01T00:00:00Z"}'),
    ]
    rig.keep([*rig.tension(0, 500), *strays, *rig.tension(600, 400), *rig.blackbox(0, 500),
              *rig.blackbox(550, 450)])  # fmt: skip
    assert rig.turn(hurry=True) == {}
    assert rig.archived() == [(0, 500), (600, 1000)]
    assert rig.archived("blackbox") == [(0, 500), (550, 1000)]
    kept = {(kind, stray.first, stray.content) for kind, stray in
            ((stray.kind, stray) for _, stray in rig.archive.index.strays())}  # fmt: skip
    assert kept == {(one.kind, one.first, one.content) for one in strays}
    assert [(gap.first, gap.after) for gap in rig.archive.gaps(rig.source) if gap.kind == "tension"] == [
        (500, 550), (550, 600),
    ]  # fmt: skip
    assert [rig.hot_numbers(kind) for kind in ("tension", "blackbox", "event")] == [[], [], []]


def test_an_absurd_count_moves_no_mark_beyond_the_next_entry(rig):
    """Else a single entry would make all later samples of the boot come late."""
    rig.keep(rig.tension(0, 1000))
    rig.store._redis.xadd(keys.stream("tension", rig.source), {"n": 2**52, "d": b"{}"}, id="1000-1")
    rig.keep(rig.tension(1050, 50))
    rig.store._redis.hset(keys.cursor(rig.source), "tension", 1100)
    rig.turn(hurry=True)
    assert rig.archived() == [(0, 1000), (1050, 1100)]
    assert rig.archive.index.marks(rig.source)["tension"] == 1100


def test_a_late_entry_that_cannot_be_read_is_kept_aside_too(rig):
    """It would be looked at every minute for ever, and block what is newer."""
    rig.keep(rig.tension(0, 1000))
    rig.turn(hurry=True)
    rig.store._redis.hset(keys.strays("tension", rig.source), "50/10/0", b"nonsense")
    rig.keep(rig.tension(1000, 1000))
    rig.turn(hurry=True, after_s=61)
    assert rig.archived() == [(0, 1000), (1000, 2000)]
    assert [stray.content for _, stray in rig.archive.index.strays()] == [b"nonsense"]
    assert not rig.store._redis.exists(keys.strays("tension", rig.source))


def test_many_devices_are_committed_in_one_transaction(rig):
    """Its flush is what costs: a chain's sessions end by the dozen."""
    first = rig.source
    sources = [type(first)(Place("north", f"bed-{number:02}"), uuid4()) for number in range(12)]
    for source in sources:
        rig.source = source
        rig.keep(rig.tension(0, 1000, samples=500))
    commits = []
    event.listen(rig.archive.index.engine, "commit", commits.append)
    written = []
    event.listen(
        rig.archive.index.engine, "before_cursor_execute",
        lambda *told: written.append(told[2]) if "INSERT INTO archive_objects" in told[2] else None,
    )  # fmt: skip
    rig.turn(hurry=True)
    assert len(written) == 1
    assert all(rig.archive.spans("tension", source) == [(0, 1000)] for source in sources)


def test_gaps_that_the_index_names_leave_redis_with_what_they_are_between(rig):
    """A hash that only grows would be read with every look at the device."""
    rig.keep([*rig.tension(0, 500), *rig.tension(600, 400)], gaps=[rig.gap(500, 600), rig.gap(1200, 1300)])
    rig.turn(hurry=True)
    rig.turn(after_s=3601)
    assert [(gap.first, gap.after) for gap in rig.archive.gaps(rig.source)] == [(500, 600)]
    assert rig.store._redis.hkeys(keys.gaps(rig.source)) == [b"tension/1200/1300"]


def test_the_age_of_the_oldest_sample_is_told_until_it_is_archived(rig):
    """Growing for hours it says that the archiver is behind."""
    rig.keep(rig.tension(0, 1000))
    rig.store._redis.delete(keys.stream("tension", rig.source))
    long_ago = datetime.now(UTC) - timedelta(hours=3)
    content = block(rig.source.boot, 0, 1000, 1.0).model_copy(update={"started_at": long_ago})
    payload = content.model_dump_json().encode()
    rig.store._redis.xadd(keys.stream("tension", rig.source), {"n": 1000, "d": payload}, id="0-1")
    rig.turn()
    assert rig.archiver.oldest_s() == pytest.approx(3 * 3600, abs=60)
    rig.turn(hurry=True)
    rig.turn()
    assert rig.archived() == [(0, 1000)]
    assert rig.archiver.oldest_s() == 0.0
