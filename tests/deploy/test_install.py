"""What the page about installing lets people type exists, and what it makes is all that is asked for."""

import importlib.util
import re
import shlex
import stat
from pathlib import Path

import pytest
import typer.main
import yaml

from deploy.containers import centre
from deploy.containers.images import TARGETS
from deploy.containers.prepare import prepare
from deploy.keeping import backup
from services.cli import build
from services.kit.enrolment import compose
from services.kit.enrolment.machine import Joined
from services.kit.errors import SpondylError
from services.registry.settings import RegistrySettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Install a centre")[2].partition("\n## ")[0]
FILES = {"centre": "compose.central.yaml", "clinic": "compose.yaml"}
BLOCKS = [line for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]
INLINE = re.findall(r"`((?:centre|clinic|spondyl|make) [^`]+)`", SECTION)
LINES = [line for line in BLOCKS + INLINE if not re.match(r"\w+\(\) \{", line)]
WITH_VALUE = {"--profile", "--network", "--user", "-v", "-f", "--env-file"}


def text(name):
    return (ROOT / "deploy" / name).read_text(encoding="utf-8")


def arguments(words):
    """What is left behind the options of an engine or its compose."""
    words = list(words)
    while words and words[0].startswith("-"):
        del words[: 2 if words[0] in WITH_VALUE else 1]
    return words


def require_command(words):
    """`spondyl ...` with options that it takes, or a module that is there."""
    if words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]), words
    elif words[:1] == ["spondyl"]:
        command, rest = typer.main.get_command(build()), words[1:]
        while rest and rest[0] in getattr(command, "commands", {}):
            command, rest = command.commands[rest[0]], rest[1:]
        assert not getattr(command, "commands", None), f"no such command: {words}"
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, words


@pytest.mark.parametrize("line", LINES)
def test_every_line_of_the_page_can_be_typed(line):
    """A newcomer types what stands there, and has nobody to ask."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()
    elif words[0] == "spondyl":
        require_command(words)
    elif words[:2] == ["docker", "run"]:
        image, *command = arguments(words[2:])
        assert image.removeprefix("spondyl/") in TARGETS
        require_command(command)
    elif words[0] in FILES:
        act, *rest = arguments(words[1:])
        assert act in ("up", "down", "run", "exec"), line
        services = yaml.safe_load(text(FILES[words[0]]))["services"]
        rest = arguments(rest)
        named = rest if act == "up" else rest[:1]
        assert set(named) <= set(services), line
        if act == "run":
            assert set(services[rest[0]]["profiles"]) <= set(words), line
        require_command(rest[1:])
    else:
        assert words[0] == "install", f"nobody looks at {line!r}"


def test_the_page_has_the_steps_and_every_file_and_variable_it_names():
    """A list that a test reads half of is no list."""
    assert len(LINES) > 20
    functions = [line for line in BLOCKS if re.match(r"\w+\(\) \{", line)]
    assert {line.partition("(")[0] for line in functions} == set(FILES)
    for line in functions:
        assert f"-f deploy/{FILES[line.partition('(')[0]]} " in line
    together = "".join(map(text, FILES.values()))
    for name in re.findall(r"SPONDYL_[A-Z_]+", SECTION):
        assert f"${{{name}" in together, name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("srv") / "spondyl-centre"
    assert centre.centre(directory, ["centre.example", "10.0.0.5"]) is True
    return directory


def test_a_centre_has_every_secret_that_its_file_mounts(made):
    """A missing one is found when a container starts, by somebody who did nothing wrong."""
    named = yaml.safe_load(text(FILES["centre"]))["secrets"].values()
    asked = {Path(secret["file"]).name for secret in named}
    services = RegistrySettings().registry_services
    by_registry = {f"{name}.{kind}" for name in (*services, "mqtt") for kind in ("crt", "key")} | {"ca.crt"}
    own = {path.name for path in (made / "centre" / "secrets").iterdir()}
    assert asked <= own | by_registry
    assert not own & by_registry  # what stood there before would not be of the chain's authority


def test_nothing_of_a_demo_is_in_a_centre_and_no_stranger_reads_it(made):
    """A simulated operator's PIN in a chain of one's own is a door."""
    for path in made.rglob("*"):
        assert "operator" not in path.name
        assert path.suffix != ".crt"
    assert not stat.S_IMODE(made.stat().st_mode) & 0o077
    assert (made / "centre" / "mosquitto").is_dir()
    with pytest.raises(SpondylError, match="the demo needs another directory"):
        prepare(made)


def test_what_compose_is_told_is_what_its_files_ask_for(made):
    """A misspelt line is a default that holds silently."""
    lines = (made / "centre.env").read_text().splitlines()[1:]
    told = dict(line.split("=", 1) for line in lines)
    assert set(told) - {"COMPOSE_PROFILES"} <= set(re.findall(r"\$\{(\w+)", text(FILES["centre"])))
    assert told["SPONDYL_REGISTRY_HOSTS"] == "centre.example,10.0.0.5,localhost,127.0.0.1"
    assert told["SPONDYL_REGISTRY_DIRECTORY"] == told["SPONDYL_CENTRE"] == str(made / "centre")
    assert told["SPONDYL_PUBLIC_URL"] == "https://centre.example:${SPONDYL_CONSOLE_PORT}"


def test_prepared_again_a_centre_stays_as_it_is(made):
    """Keys made anew would lock every clinic out; what people wrote into centre.env is theirs."""
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    assert centre.centre(made, ["another.example"]) is False
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("host", ["https://centre.example", "centre.example:8443", "two words", "", "-x"])
def test_what_is_no_host_name_is_refused_in_words(tmp_path, host):
    """It would stand in certificates and addresses that nobody can reach."""
    with pytest.raises(SpondylError, match=r"without https:// and port, such as centre\.example"):
        centre.centre(tmp_path / "srv", [host])
    assert not (tmp_path / "srv").exists()


def test_a_clinic_s_containers_are_told_who_joined_and_keep_what_people_wrote(tmp_path):
    """Beds typed a second time are beds of another clinic once."""
    joined = Joined(
        gateway="gw-west", site="west", devices=("bed-01", "bed-02"), centre="https://c", mqtt="mqtts://m:1"
    )
    path = compose.write(tmp_path, joined)
    path.write_text(path.read_text().replace("SPONDYL_PANEL_PORT=8081", "SPONDYL_PANEL_PORT=9081"))
    compose.write(tmp_path, joined.model_copy(update={"devices": ("bed-03",)}))
    told = dict(line.split("=", 1) for line in path.read_text().splitlines()[1:])
    assert told["SPONDYL_PANEL_PORT"] == "9081"
    assert told["SPONDYL_CLINIC"] == str(tmp_path)
    assert (told["SPONDYL_SITE"], told["SPONDYL_DEVICES"]) == ("west", "bed-03")
    assert told["SPONDYL_GATEWAY_NAME"] == "gw-west"
    assert set(told) <= set(re.findall(r"\$\{(\w+)", text(FILES["clinic"])))


def test_the_age_of_a_backup_is_written_where_services_look_for_it(tmp_path):
    """The job's own root is read-only: a complaint after each good backup is read as a bad one."""
    said = []
    (tmp_path / "volumes" / "console").mkdir(parents=True)
    backup._write_down(tmp_path, said.append)
    assert said == []
    assert [path.name for path in tmp_path.iterdir()] == ["volumes"]
    assert list((tmp_path / "volumes" / "console").iterdir())
