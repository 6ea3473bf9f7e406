import os
import subprocess
import sys

from services.kit import ports
from services.kit.ports import free_port, is_free, reserve

ANOTHER = "import sys; from services.kit.ports import reserve; print(reserve(int(sys.argv[1])))"


def another_reserves(port):
    return subprocess.check_output([sys.executable, "-c", ANOTHER, str(port)], text=True).strip()


def test_a_port_that_was_given_out_is_given_to_nobody_else():
    """Two systems that start in the same second would listen on each other's ports."""
    port = free_port()
    assert is_free("127.0.0.1", port)
    assert another_reserves(port) == "False"


def test_no_port_is_given_out_that_an_outgoing_connection_may_take():
    """A service that starts a moment later could not listen there until that connection ends."""
    first = int(ports.RANGE.read_text().split()[0])
    assert all(ports.FIRST <= free_port() < first for _ in range(20))


def test_a_port_is_free_again_when_its_process_is_gone():
    """The next start uses the same ports: bookmarks and integrators keep working."""
    port = free_port()
    os.close(ports._held.pop(port))
    assert another_reserves(port) == "True"
    assert reserve(port)


def test_ports_are_kept_for_the_last_that_were_asked_for(monkeypatch):
    """A process that asks for thousands must not run out of files."""
    monkeypatch.setattr(ports, "MOST_HELD", len(ports._held) + 2)
    given = [free_port() for _ in range(4)]
    assert [port in ports._held for port in given[-2:]] == [True, True]
    assert len(ports._held) == ports.MOST_HELD
