import socket

import pytest
from servers import Mosquitto, answers, free_port

pytestmark = pytest.mark.system


def ask(port, line):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(line)
        return connection.recv(256)


def test_valkey_keeps_what_it_answered_for_when_killed(valkey):
    """Every durability test stands on this: an answered write is on disk."""
    assert ask(valkey.port, b"SET bed 7\r\n") == b"+OK\r\n"
    valkey.restart()
    assert ask(valkey.port, b"GET bed\r\n") == b"$1\r\n7\r\n"


def test_mosquitto_comes_back_on_its_port(mosquitto):
    """A client must find the broker again where it was."""
    mosquitto.kill()
    assert not answers(mosquitto.port)
    mosquitto.start()
    assert answers(mosquitto.port)


def test_a_server_that_cannot_start_says_why(tmp_path):
    """A broken configuration must not look like a slow machine."""
    with pytest.raises(AssertionError, match="nonsense"):
        Mosquitto(tmp_path, f"listener {free_port()}\nnonsense yes\n").start()
