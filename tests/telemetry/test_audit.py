import json
from contextlib import closing
from uuid import uuid4

import pytest
from archive_rig import Rig
from gateway_stand_in import block
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry import keys, lanes
from services.telemetry.audit import audit, count, is_clean
from services.telemetry.hot import Hot
from services.telemetry.models import Batch, Entry, Gap, Place, Source
from services.telemetry.query import History
from services.telemetry.store import Store, connect

SOURCE = Source(Place("north", "bed-01"), uuid4())
pieces = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 8), st.booleans()), max_size=20)


@given(pieces)
def test_every_number_is_counted_once_lost_or_twice(stored):
    """Against counting each number by hand, in any order and overlap."""
    rows = [(first, first + length, late) for first, length, late in stored]
    numbers = [number for first, after, _ in rows for number in range(first, after)]
    found = count(rows)
    assert found.samples == len(set(numbers))
    assert found.duplicates == len(numbers) - len(set(numbers))
    assert found.lost == max(numbers, default=-1) + 1 - len(set(numbers))
    assert found.last_seq == max(numbers, default=None)
    assert found.lost == sum(gap["last"] - gap["first"] + 1 for gap in found.gaps)


def test_a_missing_head_is_a_loss():
    """Samples count from 0 since boot: a stream that begins at 30 has lost 30."""
    found = count([(30, 40, False)])
    assert (found.lost, found.first_seq, found.gaps) == (30, 30, [{"first": 0, "last": 29}])


def test_a_declared_loss_is_a_loss_with_its_reason():
    """That somebody said so does not bring the samples back."""
    gaps = [Gap("tension", SOURCE, 10, 20, "declared lost by the gateway")]
    found = count([(0, 10, False), (20, 30, False)], gaps)
    assert found.lost == 10
    assert found.gaps == [{"first": 10, "last": 19, "reason": "declared lost by the gateway"}]


@given(pieces, pieces, st.integers(0, 60))
def test_hot_and_archived_numbers_are_one_stock(hot, archived, base):
    """Against sets: in both is there once; twice in either is twice; nothing below the base counts."""
    rows = [(first, first + length, late) for first, length, late in hot]
    old = [(first, first + length) for first, length, _ in archived]
    in_hot, in_old = (
        [number for first, after, *_ in spans for number in range(first, after) if number >= base]
        for spans in (rows, old)
    )
    found = count(rows, archived=old, base=base)
    assert found.samples == len({*in_hot, *in_old})
    assert found.archived == len(set(in_old))
    assert found.duplicates == len(in_hot) - len(set(in_hot)) + len(in_old) - len(set(in_old))
    numbers = {*in_hot, *in_old}
    assert found.lost == (max(numbers) + 1 - base - len(numbers) if numbers else 0)


def test_a_gap_that_is_named_in_part_is_told_in_parts():
    """What is still owed must not hide behind what was given up."""
    found = count([(0, 10, False), (40, 50, False)], [Gap("tension", SOURCE, 20, 30, "never answered")])
    assert found.gaps == [
        {"first": 10, "last": 19}, {"first": 20, "last": 29, "reason": "never answered"},
        {"first": 30, "last": 39},
    ]  # fmt: skip


@pytest.fixture
def stored(valkey):
    """Twenty blocks of a bed in a real store, and the means to spoil them."""
    entries = [
        Entry("tension", SOURCE, seq, seq + 10, block(SOURCE.boot, seq).model_dump_json().encode())
        for seq in range(0, 200, 10)
    ]
    with (
        closing(Store(valkey.url)) as store,
        closing(Hot(valkey.url)) as hot,
        closing(connect(valkey.url)) as client,
    ):
        store.commit(Batch(entries=entries), {})
        yield History(hot, None), client, f"tension:{{north/bed-01}}:{SOURCE.boot}", entries


@pytest.mark.system
def test_a_whole_store_is_clean(stored):
    """The proof a clinic relies on."""
    hot, *_ = stored
    report = audit(hot)
    assert is_clean(report)
    assert (report["samples"], report["devices"], report["boots"]) == (200, 1, 1)
    (row,) = report["streams"]
    assert (row["device"], row["first_seq"], row["last_seq"], row["gaps"]) == ("bed-01", 0, 199, [])
    assert json.loads(json.dumps(report)) == report


@pytest.mark.system
def test_a_block_that_vanishes_from_the_store_is_found(stored):
    """The audit reads what is there; no counter of ours could hide it."""
    hot, client, stream, _ = stored
    client.xdel(stream, "70-1", "80-1")
    report = audit(hot)
    assert not is_clean(report)
    assert report["lost_samples"] == 20
    assert report["streams"][0]["gaps"] == [{"first": 70, "last": 89}]


@pytest.mark.system
def test_samples_that_overlap_are_found(stored):
    """A block cut anew after a restart would bring samples twice under another id."""
    hot, client, stream, entries = stored
    client.xadd(stream, {"n": 10, "d": entries[-1].content}, id="195-1")
    report = audit(hot)
    assert not is_clean(report)
    assert (report["duplicate_samples"], report["lost_samples"]) == (5, 0)


@pytest.mark.system
def test_many_boots_cost_hardly_more_questions_than_one(valkey):
    """A chain has thousands of boots in Redis: five round trips for each would be seconds of waiting."""
    place = Place("north", "bed-01")
    with closing(Hot(valkey.url)) as hot, closing(connect(valkey.url)) as client:
        pipe = client.pipeline(transaction=False)
        pipe.sadd(keys.DEVICES, str(place))
        for number in range(300):
            source = Source(place, uuid4())
            pipe.zadd(keys.boots(place), {str(source.boot): number})
            for seq in range(0, 50, 10):
                pipe.xadd(keys.stream("tension", source), {"n": 10, "d": b""}, id=f"{seq}-1")
        pipe.execute()
        before = client.info("stats")["total_reads_processed"]
        report = audit(History(hot, None))
        reads = client.info("stats")["total_reads_processed"] - before
    assert (report["boots"], report["samples"], report["lost_samples"]) == (300, 15_000, 0)
    assert reads < 100  # a read takes in 16 kB of questions; one question at a time would be 1200


@pytest.mark.system
def test_streams_of_any_length_are_counted_as_they_lie(valkey, monkeypatch):
    """Pages of many streams come together, each of its own length: none may lose or take another's."""
    monkeypatch.setattr(lanes, "PAGE", 4)
    monkeypatch.setattr(lanes, "AT_ONCE", 3)
    sources = [Source(Place("north", f"bed-{number:02d}"), uuid4()) for number in range(8)]
    expected = []
    with closing(Hot(valkey.url)) as hot, closing(connect(valkey.url)) as client:
        for number, source in enumerate(sources):
            in_order, late, strays = [3 * number, number, number // 3]
            for at in range(in_order):  # from 100 on with a hole of 10 before the last two
                first = 100 + 10 * at + 10 * (at >= in_order - 2)
                client.xadd(keys.stream("tension", source), {"n": 10, "d": b""}, id=f"{first}-1")
            for at in range(late):
                client.xadd(keys.late("tension", source), {"n": 10, "d": b""}, id=f"{10 * at}-1")
            for at in range(strays):
                client.hset(keys.strays("tension", source), f"{5 * at}/5/0", b"")
            edges = [(100, 80 + 10 * in_order), (90 + 10 * in_order, 110 + 10 * in_order)]
            expected.append(
                [(first, after, False) for first, after in edges if in_order]
                + [(10 * at, 10 * at + 10, True) for at in range(late)]
                + sorted((5 * at, 5 * at + 5, True) for at in range(strays))
            )
        found = list(hot.all_spans(("tension", source) for source in sources))
    assert {source: [*spans[:2], *sorted(spans[2:])] for _, source, spans in found} == {
        source: [*spans[:2], *sorted(spans[2:])] for source, spans in zip(sources, expected, strict=True)
    }


@pytest.mark.system
def test_a_number_in_redis_and_in_the_archive_is_no_duplicate_and_in_two_objects_it_is(valkey, tmp_path):
    """Between an object's index row and the trim, everything is in both: no fault. Twice archived is one."""
    rig = Rig(valkey.url, f"file://{tmp_path}/objects", f"sqlite:///{tmp_path}/archive.db")
    with closing(rig), closing(Hot(valkey.url)) as hot:
        history = History(hot, rig.archive)
        entries = rig.tension(0, 1000)
        rig.keep(entries)
        rig.turn(hurry=True)
        client = rig.store._redis
        for entry in entries[:3]:
            client.hset(
                f"strays:tension:{{north/bed-01}}:{rig.source.boot}",
                f"{entry.first}/50/00000000",
                entry.content,
            )
        report = audit(history)
        assert (report["samples"], report["archived_samples"], report["duplicate_samples"]) == (1000, 1000, 0)
        rig.keep(rig.tension(100, 50, level=200.0))
        rig.turn(hurry=True)
        rig.turn(after_s=61)
        report = audit(history)
        assert report["duplicate_samples"] >= 50
        assert not is_clean(report)


@pytest.mark.system
def test_since_leaves_out_what_ended_before_and_begins_where_that_ended(valkey, tmp_path):
    """A daily audit of ten years' archive counts a day."""
    rig = Rig(valkey.url, f"file://{tmp_path}/objects", f"sqlite:///{tmp_path}/archive.db")
    with closing(rig), closing(Hot(valkey.url)) as hot:
        rig.keep(rig.tension(0, 1000))
        rig.turn(hurry=True)
        rig.keep([*rig.tension(1000, 500), *rig.tension(1600, 400)], gaps=[rig.gap(1500, 1600)])
        rig.turn(hurry=True)
        rig.turn(after_s=3601)
        since = rig.archive.index.all_objects()[0].ended_at_us + 1
        report = audit(History(hot, rig.archive), since)
        (row,) = report["streams"]
        assert (row["first_seq"], row["last_seq"], report["lost_samples"]) == (1000, 1999, 100)
        assert row["gaps"] == [{"first": 1500, "last": 1599, "reason": "declared lost by the gateway"}]
        assert audit(History(hot, rig.archive), since + 10**12)["streams"] == []
        assert report["unexplained"] == 0
