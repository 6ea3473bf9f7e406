"""The `spondyl` command as a person meets it."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from services.cli import build, main
from services.kit.errors import SpondylError, refusals_in_one_line

ROOT = typer.main.get_command(build())
NOT_RUNNING = (
    ("status",),
    ("status", "--json"),
    ("audit",),
    ("audit", "--json"),
    ("bed", "fault", "bed-01", "strap-slip"),
)
REFUSED = (
    ("up", "--beds", "0"),
    ("up", "--host", "203.0.113.9"),
    ("up", "--port", "70000"),
    ("up", "--port", "0"),
    ("prescription", "check", "missing.yaml"),
    ("prescription", "plot", "missing.toml"),
    ("clearance", "issue", "--patient", "nobody"),
    ("clearance", "issue", "--patient", "61be3477-fedc-489b-bf10-c54df806912d", "--region", "knee"),
    ("clearance", "issue", "--patient", "61be3477-fedc-489b-bf10-c54df806912d", "--days", "0"),
    ("bed", "fault", "bed-01", "no-such-kind"),
    ("replay", "missing.jsonl"),
    ("simulate", "--minutes", "1000"),
    ("simulate", "--counter-tension", "missing.csv"),
)


def every_command(command=ROOT, words=()):
    """The root, its groups and their leaves with their words."""
    yield pytest.param(words, command, id=" ".join(("spondyl", *words)))
    for name, child in getattr(command, "commands", {}).items():
        yield from every_command(child, (*words, name))


def run(words, directory, capsys):
    """Run one command in ``directory``'s data; its exit status and what it wrote to stdout and stderr."""
    takes_data = words[0] in ("status", "audit", "up", "clearance", "bed", "replay")
    with pytest.raises(SystemExit) as ended:
        main([*words, *(["--data", str(directory)] if takes_data else [])])
    written = capsys.readouterr()
    return ended.value.code, written.out, written.err


@pytest.mark.parametrize(("words", "command"), list(every_command()))
def test_every_command_explains_itself(words, command):
    """--help is the first thing anybody tries, and it must not need anything that runs."""
    answer = CliRunner().invoke(build(), [*words, "--help"])
    assert answer.exit_code == 0, answer.output
    assert "Usage:" in answer.output
    assert len(command.get_short_help_str()) > 10


@pytest.mark.parametrize("words", NOT_RUNNING, ids=" ".join)
def test_without_a_running_system_it_is_one_line_and_exit_2(words, tmp_path, capsys):
    """Not running is a state, told apart from a failure."""
    status, out, err = run(words, tmp_path, capsys)
    assert (status, out) == (2, "")
    assert err.startswith("spondyl: no running system in ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_a_wrong_request_is_one_line_and_leaves_nothing_behind(words, tmp_path, monkeypatch, capsys):
    """Never a trace back, nothing half done."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    status, out, err = run(words, tmp_path / "data", capsys)
    assert (status, out) == (1, "")
    assert err.startswith("spondyl: ")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert list((tmp_path / "data").iterdir()) == []


def test_a_refusal_ends_a_process_with_its_own_status(capsys):
    """Every process of the system ends by the same few words."""
    with pytest.raises(SystemExit) as ended, refusals_in_one_line():
        raise SpondylError("port 1 is taken", exit_code=7)
    assert ended.value.code == 7
    assert capsys.readouterr().err == "spondyl: port 1 is taken\n"


@pytest.mark.parametrize(
    "module",
    [
        "services.controller",
        "services.controller.loop",
        "services.controller.recorder",
        "services.controller.panel",
        "services.controller.therapist",
        "services.telemetry",
        "services.console",
    ],
)
def test_a_process_with_a_wrong_setting_names_it_in_one_line(module, tmp_path):
    """Ops read the last line of a log, not a trace back."""
    environment = {"SPONDYL_HTTP_PORT": "many", "SPONDYL_DATA": str(tmp_path), "PATH": ""}
    answer = subprocess.run(
        [sys.executable, "-m", module],
        env=environment,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("spondyl: setting SPONDYL_HTTP_PORT is 'many'")
    assert answer.stderr.count("\n") == 1
