import threading
from contextlib import ExitStack, closing
from uuid import uuid4

import pytest
from archive_rig import SESSION, Rig
from gateway_stand_in import GatewayStandIn, TelemetryProcess, block
from redis_cluster import RedisCluster
from servers import eventually

from deploy.keeping import redis_keys
from services.kit.errors import SpondylError
from services.telemetry import keys, resp, spread
from services.telemetry.cluster import Address, Cluster, Layout, Primary, slot_of
from services.telemetry.errors import NotDurable, StoreUnavailable
from services.telemetry.hot import Hot
from services.telemetry.models import KINDS, Batch, Entry, Place, Source
from services.telemetry.store import Store, connect

pytestmark = pytest.mark.system
BEDS = [(site, f"bed-{number:02d}") for site in ("north", "south") for number in range(3)]


def _sources(count=9):
    return [Source(Place("north", f"bed-{number:02d}"), uuid4()) for number in range(count)]


def _batch(sources, *seqs):
    """Blocks of ten samples for every source."""
    entries = [
        Entry("tension", one, seq, seq + 10, block(one.boot, seq).model_dump_json().encode())
        for one in sources
        for seq in seqs
    ]
    return Batch(entries=entries)


def _store_at_last(store, batch):
    """As ingest does it: the same batch until it is stored."""

    def stored():
        try:
            return store.commit(batch, {})
        except SpondylError:
            return None

    return eventually(stored, 30, "a batch that is stored")


def _spans(hot, sources):
    """Of every source, what is stored of it: the numbers without a hole as one span, late ones beside."""
    return [stored for _, _, stored in hot.all_spans(("tension", source) for source in sources)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Three primaries that flush once a second: each is asked for its own disk."""
    with RedisCluster(tmp_path_factory.mktemp("cluster"), "everysec") as cluster:
        yield cluster


def test_a_primary_killed_under_way_and_restarted_loses_and_doubles_nothing(mosquitto, tmp_path):
    """A batch lies on all nodes: it is acknowledged when the last has it on disk, or comes again."""
    with ExitStack() as stack:
        cluster = stack.enter_context(RedisCluster(tmp_path))
        service = stack.enter_context(TelemetryProcess(mosquitto.url, cluster.url, tmp_path))
        service.start()
        beds = [stack.enter_context(GatewayStandIn(mosquitto.url, *bed)) for bed in BEDS]
        sent = 0
        for node in cluster.primaries[:2]:
            killer = threading.Timer(0.05, node.kill)
            killer.start()
            for _ in range(20):
                for bed in beds:
                    bed.tension(sent)
                sent += 10
            killer.join()
            eventually(lambda: not service.readiness()["checks"]["redis"]["ok"], 20, "ingest waits")
            assert any((bed.next() or 0) < sent for bed in beds)
            node.start()
            eventually(lambda sent=sent: all(bed.next() == sent for bed in beds), 30, "everything promised")
        assert all(int(node.ask("DBSIZE")) > len(KINDS) for node in cluster.primaries)
        report = service.get("/audit").json()
        faults = {name: report[name] for name in ("lost_samples", "duplicate_samples", "unexplained")}
        assert faults == {"lost_samples": 0, "duplicate_samples": 0, "unexplained": 0}
        assert report["samples"] == sent * len(beds)
        assert len(service.get("/devices").json()) == len(beds)


def test_a_replica_that_takes_over_has_all_that_was_acknowledged(tmp_path):
    """Redis copies behind the answer: what only a dead primary had is gone, so its copy is waited for."""
    sources = _sources()
    with (
        RedisCluster(tmp_path, replicas=1) as cluster,
        closing(Store(cluster.url)) as store,
        closing(Hot(cluster.url)) as hot,
    ):
        assert set(store.commit(_batch(sources, 0, 10), {})) == {"stored"}
        (replica,) = cluster.replicas
        replica.freeze()
        with pytest.raises(StoreUnavailable, match="0 of its 1 replicas have flushed"):
            store.commit(_batch(sources, 20), {})
        replica.thaw()
        _store_at_last(store, _batch(sources, 20))
        cluster.primaries[0].kill()
        _store_at_last(store, _batch(sources, 30))
        assert replica.replication["role"] == "master"
        assert _spans(hot, sources) == [[(0, 40, False)]] * len(sources)


def test_slots_that_move_are_followed_by_writer_and_reader(shared):
    """An operator adds a node while patients are treated: ASK while keys move, MOVED behind it."""
    sources = _sources(3)
    place = sources[0].place
    slot = slot_of(keys.latest(place).encode())
    with closing(Store(shared.url)) as store, closing(Hot(shared.url)) as hot:
        store.commit(_batch(sources, 0), {})
        held = [row for row in shared.primaries[0].ask("CLUSTER", "SLOTS") if row[0] <= slot <= row[1]]
        old = next(node for node in shared.primaries if node.port == held[0][2][1])
        new = next(node for node in shared.primaries if node is not old)
        new.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", old.id)
        old.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", new.id)
        moving = old.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
        old.ask("MIGRATE", "127.0.0.1", new.port, "", 0, 5000, "KEYS", *moving)
        assert set(store.commit(_batch(sources, 10), {})) == {"stored"}
        assert _spans(hot, sources) == [[(0, 20, False)]] * len(sources)
        for node in (new, old):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", new.id)
        _store_at_last(store, _batch(sources, 20))
        assert _spans(hot, sources) == [[(0, 30, False)]] * len(sources)
        assert hot.look("tension", sources[0]).newest == 20
        assert set(hot.overview([one.place for one in sources])) == {one.place for one in sources}


def test_what_moves_to_another_node_is_on_the_disks_of_its_replicas_too():
    """One of them may take its place while the slot still moves."""
    old, new = Primary(Address("127.0.0.1", 1), 0), Primary(Address("127.0.0.1", 2), 2)
    cluster = Cluster("redis+cluster://127.0.0.1:1")
    cluster._layout = Layout([old] * 8192 + [new] * 8192, (old, new))
    (part,) = spread._parts(cluster, [b""], {0: "ASK 5 127.0.0.1:2"}, waits=False).values()
    assert part.wait == resp.pack("WAITAOF", 1, 2, spread.FLUSH_TIMEOUT_MS)


def test_what_is_archived_leaves_its_node(shared, tmp_path):
    """No transaction spans nodes: the mark is set before anything is taken away."""
    rig = Rig(shared.url, f"file://{tmp_path}/objects", f"sqlite:///{tmp_path}/archive.db")
    with closing(rig):
        events, sessions = rig.session(0, 999)
        rig.keep([*rig.tension(0, 1500), *rig.blackbox(0, 1500), *events], sessions=sessions)
        rig.turn()
        assert rig.archive.session(SESSION).statistics["samples"] == 1000
        assert rig.hot_numbers() == [(first, first + 50) for first in range(1000, 1500, 50)]
        (boot,) = [boot for boot in rig.hot.boots({"north"}) if boot.source == rig.source]
        assert boot.mark == rig.archive.index.marks(rig.source)
        assert rig.hot.sessions() == []
        assert rig.hot.memory()[0] > 0


def test_the_node_that_could_forget_is_named(shared):
    """One of three that is set up otherwise loses a third of the beds."""
    other = shared.primaries[1]
    with closing(Store(shared.url)) as store:
        other.ask("CONFIG", "SET", "appendfsync", "no")
        with pytest.raises(NotDurable, match=f"node 127.0.0.1:{other.port}: .*appendfsync"):
            store.commit(_batch(_sources(), 0), {})
        other.ask("CONFIG", "SET", "appendfsync", "everysec")
        assert set(store.commit(_batch(_sources(), 0), {})) == {"stored"}


def test_a_cluster_is_backed_up_and_put_back_as_one_server_is(shared):
    """What was only in Redis is in the backup, whichever node had it."""
    sources = _sources()
    with closing(Store(shared.url)) as store, closing(Hot(shared.url)) as hot:
        store.commit(_batch(sources, 0, 10), {})
        before, count = list(redis_keys.dump(shared.url)), redis_keys.size(shared.url)
        redis_keys.clear(shared.url)
        assert redis_keys.size(shared.url) == 0
        assert redis_keys.restore(shared.url, before) == count
        assert _spans(hot, sources) == [[(0, 20, False)]] * len(sources)
        assert {source.place for source in sources} <= set(hot.places())


@pytest.mark.parametrize(
    "url", ["redis+cluster://", "redis+cluster://:secret@host:none", "rediss+cluster:///0"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url):
    """A log is read by more people than a secret."""
    with pytest.raises(SpondylError, match=r"redis\+cluster://:password@host:port,host:port") as refused:
        connect(url)
    assert "secret" not in refused.value.message


def test_the_nodes_of_an_address_share_its_secret_and_its_tls():
    """Each node is reached like the first: by its own name, with the same password and authority."""
    with closing(Cluster("rediss+cluster://:pass%40word@one:7001,two?ssl_ca_certs=/ca.pem")) as cluster:
        made = [client.connection_pool.connection_kwargs for client in cluster._clients.values()]
    assert [(one["host"], one["port"]) for one in made] == [("one", 7001), ("two", 6379)]
    assert {(one["password"], one["ssl_ca_certs"]) for one in made} == {("pass@word", "/ca.pem")}
