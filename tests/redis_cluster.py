"""A real Redis Cluster of Valkey servers on loopback, its nodes killed and restarted like any server."""

from contextlib import ExitStack
from typing import Self

import redis
from servers import Valkey, eventually, free_port

SLOTS = 16_384
NODE_TIMEOUT_MS = 1000


class Node(Valkey):
    """One of them."""

    def __init__(self, directory, appendfsync="always"):
        options = (
            "--cluster-enabled", "yes", "--cluster-port", str(free_port()),
            "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-announce-ip", "127.0.0.1",
            "--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0",
        )  # fmt: skip
        super().__init__(directory, appendfsync, options)

    def ask(self, *command):
        """One command on this very node."""
        with redis.Redis(port=self.port, protocol=2, socket_timeout=5) as client:
            return client.execute_command(*command)

    @property
    def id(self):
        """Its name in the cluster."""
        return self.ask("CLUSTER", "MYID").decode()

    @property
    def replication(self):
        """Whose copy it is, or whether it is none."""
        return self.ask("INFO", "replication")

    @property
    def bus_port(self):
        """Where the others reach it."""
        return self.options[3]


class RedisCluster:
    """Primaries with a share of the slots each, and as many replicas of the first as wanted."""

    def __init__(self, directory, appendfsync="always", primaries=3, replicas=0):
        self.primaries = [Node(directory / f"primary-{number}", appendfsync) for number in range(primaries)]
        self.replicas = [Node(directory / f"replica-{number}", appendfsync) for number in range(replicas)]

    @property
    def nodes(self):
        """All servers."""
        return [*self.primaries, *self.replicas]

    @property
    def url(self):
        """As the settings name it."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.primaries)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            self._join()
            self._stack = stack.pop_all()
        return self

    def _join(self):
        share = -(-SLOTS // len(self.primaries))
        for number, node in enumerate(self.primaries):
            last = min(SLOTS, (number + 1) * share) - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", number * share, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        first = self.primaries[0]
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", first.port, first.bus_port)
        eventually(
            lambda: all(self._knows_all(node) for node in self.nodes), 20, "nodes that know each other"
        )
        for replica in self.replicas:
            replica.ask("CLUSTER", "REPLICATE", first.id)
        for replica in self.replicas:
            eventually(lambda one=replica: one.replication["master_link_status"] == "up", 20, "a replica")
        eventually(lambda: all(map(_is_whole, self.nodes)), 20, "a cluster that has all slots")
        eventually(lambda: len(_shown(first)) == 1 + len(self.replicas), 20, "replicas that are told")

    def _knows_all(self, node):
        return len(node.ask("CLUSTER", "NODES").splitlines()) == len(self.nodes)

    def __exit__(self, *_):
        self._stack.close()


def _is_whole(node):
    return b"cluster_state:ok" in node.ask("CLUSTER", "INFO")


def _shown(primary):
    """The node of the first slots and its replicas, as clients are told."""
    return next(row for row in primary.ask("CLUSTER", "SLOTS") if row[0] == 0)[2:]
