import os
import signal
from contextlib import ExitStack, closing
from uuid import uuid4

import orjson
import pytest
from gateway_stand_in import block
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import Valkey

from services.telemetry import keys
from services.telemetry.errors import NotDurable, StoreUnavailable
from services.telemetry.hot import Hot
from services.telemetry.models import Batch, Entry, Place, Source
from services.telemetry.store import Store, connect

pytestmark = pytest.mark.system


def _source():
    return Source(Place("north", "bed-01"), uuid4())


def _entry(source, seq, samples=10, level=100.0):
    message = block(source.boot, seq, samples, level)
    return Entry("tension", source, seq, seq + samples, message.model_dump_json().encode())


def _commit(store, *entries):
    return store.commit(Batch(entries=list(entries)), {})


@pytest.fixture(params=["always", "everysec"])
def store(request, tmp_path):
    """A store on a server of each kind that can tell when a write is on disk."""
    with (
        Valkey(tmp_path, request.param) as server,
        closing(Store(server.url)) as store,
        closing(Hot(server.url)) as hot,
    ):
        store.valkey, store.hot = server, hot
        yield store


def test_a_second_delivery_is_known_as_such(store):
    """At-least-once delivery must never become twice-stored samples."""
    source = _source()
    assert _commit(store, _entry(source, 0)) == ["stored"]
    assert _commit(store, _entry(source, 0), _entry(source, 10), _entry(source, 10)) == [
        "duplicate", "stored", "duplicate",
    ]  # fmt: skip
    assert len(store.hot.raw("tension", source)) == 2


def test_a_server_that_dies_while_the_next_batch_is_looked_at_has_stored_nothing_for_certain(store):
    """The batch under way is committed again before the next one, and is in the store once."""
    source = _source()
    assert _commit(store, _entry(source, 0)) == ["stored"]
    store.valkey.process.send_signal(signal.SIGSTOP)  # it cannot have answered when there is time to use
    looks = []

    def look():
        looks.append(None)
        store.valkey.kill()
        return True

    batch = Batch(entries=[_entry(source, 10)])
    with pytest.raises(StoreUnavailable):
        store.commit(batch, {}, look)
    store.valkey.start()
    assert looks
    assert store.commit(batch, {}) == ["stored"]
    assert _commit(store, _entry(source, 20)) == ["stored"]
    assert len(store.hot.raw("tension", source)) == 3


def test_what_came_late_is_kept_and_read_in_its_place(store):
    """Redis refuses it in the stream: that must never mean it is thrown away."""
    source = _source()
    order = [0, 50, 60, 10, 20, 70, 40, 30]  # 40 in order behind 10 and 20, 30 behind even that
    fates = [fate for seq in order for fate in _commit(store, _entry(source, seq))]
    assert fates == ["stored", "stored", "stored", "late", "late", "stored", "late", "late"]
    assert [fate for seq in order for fate in _commit(store, _entry(source, seq))] == ["duplicate"] * 8
    rows = store.hot.raw("tension", source)
    assert [(first, count) for first, count, _ in rows] == [(seq, 10) for seq in range(0, 80, 10)]
    values = [value for _, _, payload in rows for value in orjson.loads(payload)["tension_n"]]
    assert values == [100 + number / 10 for number in range(80)]


def test_the_same_late_block_twice_in_one_batch_is_stored_once(store):
    """A gateway sends all again after a reconnect: both may lie in one batch."""
    source = _source()
    _commit(store, _entry(source, 50))
    assert sorted(_commit(store, _entry(source, 10), _entry(source, 10))) == ["duplicate", "late"]
    assert [row[0] for row in store.hot.raw("tension", source)] == [10, 50]


def test_a_late_block_that_comes_written_otherwise_at_once_is_stored_once(store):
    """What the late lane refuses may be there already: from this batch, or from a worker that woke up."""
    source = _source()
    _commit(store, _entry(source, 50))
    entry = _entry(source, 10)
    spaced = entry._replace(content=orjson.dumps(orjson.loads(entry.content), option=orjson.OPT_INDENT_2))
    assert _commit(store, entry, spaced) == ["late", "duplicate"]
    assert [row[0] for row in store.hot.raw("tension", source)] == [10, 50]


def test_another_content_under_the_same_number_is_kept_too(store):
    """Whatever went wrong there, the audit has to see it."""
    source = _source()
    assert _commit(store, _entry(source, 0), _entry(source, 0, level=200.0)) == ["stored", "late"]
    assert list(store.hot.all_spans([("tension", source)])) == [
        ("tension", source, [(0, 10, False), (0, 10, True)])
    ]


def test_the_same_block_written_otherwise_is_a_duplicate(store):
    """A spool, or another program, may write the same JSON with other blanks."""
    source = _source()
    entry = _entry(source, 0)
    _commit(store, entry)
    spaced = entry._replace(content=orjson.dumps(orjson.loads(entry.content), option=orjson.OPT_INDENT_2))
    assert _commit(store, spaced) == ["duplicate"]


def _archive(store, source, after):
    """As the archiver does it: the mark and the trim in one transaction."""
    with closing(connect(store.valkey.url)) as client, client.pipeline(transaction=True) as pipe:
        pipe.hset(keys.archived(source), "tension", after)
        pipe.xtrim(keys.stream("tension", source), minid=f"{after}-0", approximate=False)
        pipe.execute()


@pytest.mark.parametrize(("is_there", "fate"), [(True, "duplicate"), (False, "late")])
def test_what_was_archived_and_trimmed_is_asked_of_the_archive(store, is_there, fate):
    """What the archive has is not stored again; what it does not have is a late correction, and kept."""
    source, asked = _source(), []
    _commit(store, *(_entry(source, seq) for seq in range(0, 50, 10)))
    _archive(store, source, 30)

    def is_archived(*what):
        asked.append(what)
        return is_there

    with closing(Store(store.valkey.url, is_archived)) as knowing:
        assert _commit(knowing, _entry(source, 10), _entry(source, 40)) == [fate, "duplicate"]
        assert knowing.progress(source)["tension"].next == 50
    assert asked == [("tension", source, 10, 20)]


def test_a_stream_that_was_archived_whole_still_refuses_and_counts(store):
    """An emptied stream remembers its last id; promises must not fall back to 0."""
    source = _source()
    _commit(store, *(_entry(source, seq) for seq in range(0, 50, 10)))
    _archive(store, source, 50)
    with closing(Store(store.valkey.url, lambda *_: True)) as knowing:
        assert _commit(knowing, _entry(source, 0), _entry(source, 50)) == ["duplicate", "stored"]
        assert knowing.progress(source)["tension"].next == 60


def test_a_boot_is_the_newest_though_the_clock_was_set_back(store):
    """The console shows the newest boot of a bed, and the archiver takes all others for over."""
    boots = [_source() for _ in range(3)]
    place = boots[0].place
    for source in boots:
        _commit(store, _entry(source, 0))
        with closing(connect(store.valkey.url)) as client:  # as if it had come in an hour from now
            client.zincrby(keys.boots(place), 3_600_000, str(source.boot))
    _commit(store, _entry(boots[0], 10))
    assert store.hot.boots(place) == [source.boot for source in boots]


def test_many_sources_are_read_together_as_each_alone(store):
    """A worker that takes over two thousand beds asks for all of them at once."""
    sources = [Source(Place("north", f"bed-{number}"), uuid4()) for number in range(7)]
    for number, source in enumerate(sources):
        _commit(store, *(_entry(source, 10 * seq) for seq in range(70) if seq % 9 != number))
    known = store.progress_of(sources)
    assert {source: spans["tension"].holes for source, spans in known.items()} == {
        source: store.progress(source)["tension"].holes for source in sources
    }
    assert known[sources[3]]["tension"].next == 30


def test_what_was_stored_survives_the_servers_sudden_end(store):
    """`committed` is a promise: the gateway deletes its copy."""
    source = _source()
    _commit(store, *(_entry(source, seq) for seq in range(0, 100, 10)))
    store.valkey.restart()
    assert len(store.hot.raw("tension", source)) == 10


def test_a_server_that_was_away_is_looked_at_anew(store):
    """It may have come back empty, or with other settings."""
    source = _source()
    _commit(store, _entry(source, 0))
    store.valkey.restart()
    with pytest.raises(StoreUnavailable):
        _commit(store, _entry(source, 10))
    assert store.server is None
    assert _commit(store, _entry(source, 10)) in (["stored"], ["duplicate"])


def test_a_server_that_does_not_answer_is_an_outage_within_seconds(store):
    """A frozen server must not hang ingest for ever."""
    source = _source()
    _commit(store, _entry(source, 0))
    store.valkey.freeze()
    with pytest.raises(StoreUnavailable, match="Redis"):
        _commit(store, _entry(source, 10))
    store.valkey.thaw()
    assert _commit(store, _entry(source, 10)) in (["stored"], ["duplicate"])


@pytest.mark.parametrize(
    ("appendfsync", "options", "words"),
    [
        ("always", ("--appendonly", "no"), "append-only"),
        ("no", (), "flushing"),
        ("always", ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), "evict"),
        ("everysec", ("--rename-command", "WAITAOF", ""), "WAITAOF"),
        ("always", ("--no-appendfsync-on-rewrite", "yes"), "rewrites"),
    ],
)
def test_a_server_that_could_forget_is_refused(tmp_path, appendfsync, options, words):
    """Better no ingest than one that promises what its store does not keep."""
    with (
        Valkey(tmp_path, appendfsync, options) as server,
        closing(Store(server.url)) as store,
        closing(connect(server.url)) as client,
    ):
        with pytest.raises(NotDurable, match=words):
            store.prepare()
        with pytest.raises(NotDurable, match=words):
            _commit(store, _entry(_source(), 0))
        assert client.dbsize() == 0


def test_a_server_that_hides_its_settings_is_asked_after_every_write(tmp_path):
    """Hosted servers forbid CONFIG; WAITAOF is the truth all the same."""
    options = ("--rename-command", "CONFIG", "")
    with Valkey(tmp_path, "everysec", options) as server, closing(Store(server.url)) as store:
        assert store.prepare().flush == "waitaof"


def test_a_full_server_takes_nothing_of_a_batch_and_loses_nothing(tmp_path):
    """Out of memory: nothing is evicted, the batch waits, and goes in when there is room."""
    with (
        Valkey(tmp_path, "always", ("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")) as server,
        ExitStack() as cleanup,
    ):
        store, source, client = Store(server.url), _source(), connect(server.url)
        cleanup.callback(store.close)
        cleanup.callback(client.close)
        entries = [Entry("event", source, seq, seq + 1, os.urandom(20_000)) for seq in range(300)]

        def fill():
            for entry in entries:
                _commit(store, entry)

        with pytest.raises(StoreUnavailable, match="maxmemory"):
            fill()
        kept = client.xlen(f"event:{{north/bed-01}}:{source.boot}")
        client.config_set("maxmemory", "100mb")
        assert set(_commit(store, *entries[kept:])) == {"stored"}


_orders = st.lists(st.integers(0, 11), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=_orders, cuts=st.integers(1, 5), checkpoint=st.booleans())
def test_progress_read_from_the_store_never_goes_past_a_hole(valkey, order, cuts, checkpoint):
    """After any restart, any order, any repetition: what is promised is what is there without a hole."""
    store, source = Store(valkey.url), _source()
    marks = {}
    for start in range(0, len(order), cuts):
        batch = Batch(entries=[_entry(source, 10 * number) for number in order[start : start + cuts]])
        store.commit(batch, marks)
        with closing(Store(valkey.url)) as restarted:
            known = restarted.progress(source)
        stored = set(order[: start + cuts])
        assert known["tension"].next == 10 * next(number for number in range(20) if number not in stored)
        marks = {source: {kind: spans.next for kind, spans in known.items()}} if checkpoint else {}
    store.close()
