"""No secret in a process list, in a log or in an error message."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import local, simulated_operator
from deploy.reference import READERS
from services.kit.auth import tokens
from services.kit.errors import SpondylError
from services.kit.settings import Settings, described

PASSWORD = "correct-horse-battery"
LONGEST_ARGUMENT = 200


def test_no_process_of_a_machine_is_started_with_a_secret(tmp_path):
    """Everybody on a machine can read the arguments of every process; its environment only its owner."""
    plan = local.Plan(tmp_path, demo=True)
    run = local.make_run(plan, version="0", pid=1, pid_started_at=1.0, started_at="2026-11-23T00:00:00Z")
    tokens.ensure_keys(tmp_path)
    simulated_operator.ensure(tmp_path)
    made = local.programs(plan, run)
    files = [path for path in (tmp_path / "secrets").rglob("*") if path.is_file() and path.suffix != ".pub"]
    held = [path.read_text(errors="replace").strip() for path in files]
    passwords = json.loads((tmp_path / "secrets" / "passwords.json").read_text())
    operator = json.loads(simulated_operator.path_of(tmp_path).read_text())["pin"]
    secrets = {*held, *passwords.values(), operator, run.redis, run.mqtt_password}
    assert len(made) > 10
    assert len(passwords) > 5
    for program in made:
        line = " ".join(map(str, program.argv))
        assert not [secret for secret in secrets if secret in line], program.name
    assert not [path for path in files if path.stat().st_mode & 0o077]


SECRET_VARIABLES = sorted(
    {
        row.variable
        for _, reader in READERS
        for row in described(reader)
        if "SecretStr" in str(reader.model_fields[row.variable.removeprefix("SPONDYL_").lower()].annotation)
    }
)


def test_every_setting_that_is_a_secret_is_kept_as_one():
    """What is named like a secret must not be plain text in a class that anybody may log."""
    words = ("PASSWORD", "SECRET", "_PIN")
    named = {
        row.variable
        for _, reader in READERS
        for row in described(reader)
        if any(word in row.variable for word in words)
    }
    assert named
    assert named <= set(SECRET_VARIABLES)


def _said_by(reader):
    """Everything that its settings, or their refusal, can be made to say."""
    try:
        settings = reader.load()
    except SpondylError as refusal:
        return str(refusal)
    return f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize("variable", SECRET_VARIABLES)
def test_a_secret_setting_shows_nowhere(variable, monkeypatch):
    """Neither where settings are written down nor where they are refused."""
    value = f"redis://:{PASSWORD}@127.0.0.1:1/0" if "URL" in variable else PASSWORD
    monkeypatch.setenv(variable, value)
    for _, reader in READERS:
        assert PASSWORD not in _said_by(reader)


@pytest.mark.parametrize("address", ["mqtt://u:{}@h", "mqtt://u:{} x@h", "h:{}", "mqtts://{}@h:1"])
def test_a_password_in_a_broker_s_address_is_refused_without_being_shown(address, monkeypatch):
    """Who writes it there is told so, in a log that others read."""
    monkeypatch.setenv("SPONDYL_MQTT_URL", address.format(PASSWORD))
    with pytest.raises(SpondylError) as refused:
        Settings.load()
    assert "SPONDYL_MQTT_URL" in str(refused.value)
    if "@" in address:
        assert PASSWORD not in str(refused.value)


def test_no_token_cookie_or_password_is_in_a_log_even_of_a_fault():
    """A fault is when everything is written down; what was sent with the request is not."""
    program = Path(__file__).with_name("faulty_service.py")
    ran = subprocess.run(
        [sys.executable, str(program), PASSWORD], capture_output=True, text=True, timeout=60, check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    status, answer = ran.stdout.splitlines()[-2:]
    assert status == "500"
    assert "request failed" in ran.stderr
    assert "RuntimeError" in ran.stderr
    for said in (answer, ran.stderr):
        assert PASSWORD not in said
        assert "eyJ" not in said  # the beginning of every token


def test_a_refused_token_is_not_repeated():
    """Whoever shows another service's token must not find it in this one's log."""
    token = f"eyJ{PASSWORD}." * 3
    with pytest.raises(SpondylError) as refused:
        tokens.read(token, b"-----BEGIN PUBLIC KEY-----\n" + b"x" * LONGEST_ARGUMENT)
    assert PASSWORD not in str(refused.value)
