from itertools import pairwise
from uuid import uuid4

import numpy as np
import pytest
from archive_rig import MINUTE, SESSION
from sqlalchemy import event

from services.telemetry import keys
from services.telemetry.errors import ArchiveUnavailable, CorruptObject


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
