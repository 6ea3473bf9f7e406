import json
from contextlib import closing
from uuid import uuid4

import pytest
from gateway_stand_in import block
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.audit import audit, count, is_clean
from services.telemetry.hot import Hot
from services.telemetry.models import Batch, Entry, Gap, Place, Source
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
        yield hot, client, f"tension:{{north/bed-01}}:{SOURCE.boot}", entries


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
