import socket
import subprocess
import sys

import pytest

from deploy.ports import Ports
from services.kit.errors import SpondylError
from services.kit.ports import is_free

HOST = "127.0.0.1"
CHOOSE = """
import sys
from pathlib import Path
from deploy.ports import Ports
print(Ports(Path(sys.argv[1]), "127.0.0.1").choose("console", 20500), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def taken():
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_avoided(tmp_path, taken):
    """The machine's own broker or web server must not stop the demo."""
    chosen = Ports(tmp_path / "ports.json", HOST).choose("mqtt", taken)
    assert chosen != taken
    assert is_free(HOST, chosen)


def test_a_port_asked_for_and_taken_is_refused_with_the_option_s_name(tmp_path, taken):
    """Silently listening elsewhere would send people to the wrong address."""
    with pytest.raises(SpondylError, match=f"--port {taken} is taken"):
        Ports(tmp_path / "ports.json", HOST).required("console", taken, "--port")


def test_a_second_start_uses_the_same_ports(tmp_path):
    """Bookmarks and integrators keep working."""
    first = Ports(tmp_path / "ports.json", HOST)
    mine = first.choose("mqtt")
    first.save()
    assert Ports(tmp_path / "ports.json", HOST).choose("mqtt", 1883) == mine


def test_two_names_never_get_one_port(tmp_path):
    """Chosen ports are free only until somebody listens there."""
    ports = Ports(tmp_path / "ports.json", HOST)
    chosen = [ports.choose(f"p{i}", 20000) for i in range(30)]
    assert len(set(chosen)) == len(chosen)


def test_a_port_that_another_system_chose_a_moment_ago_is_avoided(tmp_path):
    """It does not listen there yet: both would, and one of them would answer for the other."""
    command = [sys.executable, "-c", CHOOSE, str(tmp_path / "other.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        theirs = int(other.stdout.readline())
        assert Ports(tmp_path / "ports.json", HOST).choose("console", 20500) != theirs
        with pytest.raises(SpondylError, match=f"--port {theirs} is taken"):
            Ports(tmp_path / "ports.json", HOST).required("console", theirs, "--port")
        other.stdin.close()
