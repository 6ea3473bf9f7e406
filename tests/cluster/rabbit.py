"""Three real RabbitMQ nodes in containers, as deploy/rabbitmq sets them up; killed and started one by one."""

import json
import os
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from servers import eventually, free_port

from broker.rabbitmq import definitions

IMAGE = "docker.io/library/rabbitmq:4"
SETTINGS = Path(__file__).parents[2] / "deploy" / "rabbitmq"
NODES = 3
UP_S = 240.0  # three Erlang machines on two cores that do other things, too
COOKIE = "a-cookie-of-the-tests"
_CONNECT = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0f\x00\x00\x01x"  # MQTT 5, client x, nobody


def podman(*arguments):
    """What podman said; AssertionError with its complaint."""
    told = subprocess.run(["podman", *arguments], check=False, capture_output=True, text=True)
    assert told.returncode == 0, f"podman {' '.join(arguments)}:\n{told.stderr}{told.stdout}"
    return told.stdout.strip()


class Node:
    """One of them."""

    def __init__(self, number, network, directory):
        self.port = free_port()
        self.host = f"rabbit{number}"
        self.name = f"{network}-{self.host}"
        mounts = [f"--volume={path}:/etc/rabbitmq/{path.name}:ro" for path in directory.iterdir()]
        podman(
            "create", "--name", self.name, "--hostname", self.host, "--network", network,
            "--network-alias", self.host, "--publish", f"127.0.0.1:{self.port}:1883",
            "--env", f"RABBITMQ_ERLANG_COOKIE={COOKIE}", *mounts, IMAGE,
        )  # fmt: skip

    def start(self):
        """Begin to start; ``joined`` says when it has."""
        podman("start", self.name)

    def kill(self):
        """SIGKILL to everything in the container."""
        podman("kill", self.name)

    def control(self, *arguments):
        """What `rabbitmqctl` says; None when it cannot."""
        told = subprocess.run(
            ["podman", "exec", "--user", "rabbitmq", self.name, "rabbitmqctl", "--quiet", *arguments],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        return told.stdout if told.returncode == 0 else None

    def takes_connections(self):
        """Whether its MQTT listener speaks (podman's own forwarder takes connections for a dead one, too)."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=15) as connection:
            connection.sendall(_CONNECT)
            return connection.recv(1) == b"\x20"  # CONNACK, though it is a refusal
        return False

    @property
    def running(self):
        """The names of the nodes that it sees."""
        said = self.control("cluster_status", "--formatter", "json")
        return json.loads(said)["running_nodes"] if said else []

    @property
    def log(self):
        """Its last words."""
        told = subprocess.run(["podman", "logs", self.name], check=False, capture_output=True, text=True)
        return (told.stdout + told.stderr)[-3000:]


class Rabbits:
    """The cluster of these users."""

    def __init__(self, directory, users):
        self._directory = directory / "rabbitmq"
        self._directory.mkdir()
        for path in SETTINGS.iterdir():
            (self._directory / path.name).write_text(path.read_text())
        (self._directory / "definitions.json").write_text(json.dumps(definitions(users)))
        for path in self._directory.iterdir():
            path.chmod(0o644)  # another user reads it in there
        self._network = f"spondyl-cluster-{os.getpid()}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            podman("network", "create", self._network)
            stack.callback(podman, "network", "rm", "--force", self._network)
            self.nodes = [Node(number, self._network, self._directory) for number in range(1, NODES + 1)]
            for node in self.nodes:
                stack.callback(podman, "rm", "--force", "--volumes", "--time", "1", node.name)
            for node in self.nodes:
                node.start()
            self.wait_whole()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def wait_whole(self):
        """Until every node sees all of them and takes connections."""
        for node in self.nodes:
            eventually(node.takes_connections, UP_S, f"{node.host} taking connections")
        for node in self.nodes:
            eventually(lambda node=node: len(node.running) == NODES, UP_S, f"{node.host} in the cluster")

    def url(self, *order):
        """The nodes in this order, as the settings name them."""
        return "mqtt://" + ",".join(f"127.0.0.1:{self.nodes[number].port}" for number in order)
