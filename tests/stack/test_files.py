"""What the container files promise, read without starting anything."""

import functools
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.containers.images import SERVICES, TARGETS
from deploy.reference import READERS
from services.kit.settings import FROM_FILE, described

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = sorted(DEPLOY.glob("compose*.yaml"))
OURS = {"central": "compose.central.yaml", "clinic": "compose.yaml", "demo": "compose.demo.yaml"}
SETTINGS = {row.variable for row in described(*(reader for _, reader in READERS))}
UNIT = DEPLOY / "systemd" / "spondyl-gateway.service"


@functools.cache
def read(path):
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def defined():
    """(file, name, service) of every service that a file defines, not of what it adds to another's."""
    return [
        pytest.param(service, id=f"{path.name}:{name}")
        for path in COMPOSE
        for name, service in read(path)["services"].items()
        if "image" in service
    ]


def environments():
    return [
        (f"{path.name}:{name}", service.get("environment") or {})
        for path in COMPOSE
        for name, service in read(path)["services"].items()
    ]


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_compose_file_begins_by_saying_what_it_adds(path):
    """Who opens one of four files must not have to guess which."""
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 40


@pytest.mark.parametrize("service", defined())
def test_every_container_may_do_no_more_than_it_must(service):
    """One forgotten line is a service that can write its own code or fill the machine."""
    limits = service["deploy"]["resources"]["limits"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["healthcheck"]
    assert limits["memory"]
    assert float(limits["cpus"]) <= 2
    assert service["pids_limit"] <= 500
    assert service["ulimits"]["nofile"]
    assert service["ulimits"]["nproc"]
    assert service["restart"] in ("unless-stopped", "no")
    assert service["stop_grace_period"] == "10s"
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    assert not service.get("privileged")
    assert "network_mode" not in service


@pytest.mark.parametrize("service", defined())
def test_images_are_ours_or_named_in_full(service):
    """A short name is looked up where a machine's administrator said, and by docker elsewhere."""
    image = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", service["image"])
    assert image.startswith(("spondyl/", "docker.io/")), image
    if image.startswith("spondyl/"):
        assert image.partition(":")[0].removeprefix("spondyl/") in TARGETS


def test_only_the_gateway_gets_the_real_time_class_back():
    """A capability given back belongs to the loop alone; engines get what they need to become their user."""
    given = {
        name: set(service.get("cap_add", ()))
        for path in COMPOSE
        for name, service in read(path)["services"].items()
    }
    engines = {"db", "redis"}
    for name, capabilities in given.items():
        if name.startswith("gateway"):
            assert capabilities <= {"SYS_NICE"}
        elif name in engines:
            assert not capabilities & {"SYS_ADMIN", "NET_ADMIN", "SYS_NICE", "DAC_OVERRIDE"}
        elif name in {"site-mqtt", "mqtt", "proxy", "console", *SERVICES}:
            assert not capabilities
    assert given["gateway"] == {"SYS_NICE"}


def test_every_variable_of_ours_is_a_setting():
    """A misspelt variable is no error anywhere else: the default holds silently."""
    named = {
        (where, name)
        for where, environment in environments()
        for name in environment
        if name.startswith("SPONDYL_")
    }
    assert len(named) > 50
    unknown = {pair for pair in named if pair[1].removesuffix(FROM_FILE) not in SETTINGS}
    assert not unknown


def test_whoever_reads_the_archive_is_told_where_the_demo_keeps_it():
    """A backup that looks for the objects elsewhere than they are is refused every night."""
    central, demo = (read(DEPLOY / OURS[place])["services"] for place in ("central", "demo"))
    readers = {
        name for name, service in central.items() if "SPONDYL_ARCHIVE_URL" in service.get("environment", ())
    }
    told = {name for name, service in demo.items() if "SPONDYL_ARCHIVE_URL" in service.get("environment", ())}
    assert {"telemetry", "backup"} <= readers <= told


def test_no_secret_stands_in_an_environment():
    """An environment is shown by `inspect`, and kept in the history of an orchestrator."""
    for where, environment in environments():
        for name, value in environment.items():
            text = str(value or "")
            is_path = name.endswith(("_FILE", "_TOKEN", "_KEY", "_CERTIFICATE")) and text.startswith(
                ("/", "${", "")
            )
            if re.search(r"PASSWORD|SECRET|TOKEN|_KEY$|PIN", name) and text:
                assert is_path or name == "SPONDYL_ARCHIVE_S3_ACCESS_KEY", f"{where}: {name}"
            assert not re.search(r"://[^/${]*:[^/@${]+@", text), f"{where}: {name} holds a password"


def test_secrets_that_are_named_are_declared_and_the_other_way_round():
    """podman-compose finds a missing one when the container starts, docker before: neither in CI."""
    declared, used = set(), set()
    for name in OURS.values():
        whole = read(DEPLOY / name)
        declared |= set(whole.get("secrets") or ())
        for service in whole["services"].values():
            used |= {one if isinstance(one, str) else one["source"] for one in service.get("secrets", ())}
    assert used <= declared
    assert declared - used == set()


def test_stores_and_services_are_on_no_network_with_a_way_out():
    """Only what meets the world is on a network that leads there: the proxy, the brokers, who sends mail."""
    centre = read(DEPLOY / OURS["central"])
    assert centre["networks"]["centre"]["internal"] is True
    for name in ("db", "redis", "ingest", "billing", "migrate"):
        assert list(centre["services"][name]["networks"]) == ["centre"]
    with_ports = {name for name, service in centre["services"].items() if service.get("ports")}
    assert with_ports == {"mqtt", "proxy"}
    assert read(DEPLOY / OURS["clinic"])["networks"]["clinic"]["internal"] is True


# --- Containerfile ----------------------------------------------------------------------------------------
def stages():
    """{target: its lines} of the Containerfile."""
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    found = {}
    for line in lines:
        if line.startswith("FROM "):
            found[line.split(" AS ")[1]] = current = [line]
        elif found:
            current.append(line)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_every_image_is_user_10001_with_its_own_packages_and_ends_on_a_signal(target):
    """The last USER of a stage is who runs; a command in shell form would swallow SIGTERM."""
    own = stages()[target]
    assert [line for line in own if line.startswith("USER ")][-1] == "USER 10001:10001"
    command = next(line for line in own if line.startswith("CMD "))
    assert command.startswith('CMD ["')
    packages = [line for line in own if "/opt/spondyl" in line]
    assert all(f"--from={target}-packages" in line for line in packages)
    assert packages or target == "proxy"


def test_every_service_installs_its_own_lock_and_no_test_packages():
    """An image with the packages of another service is larger, and open to what is wrong with those."""
    found = stages()
    for target in SERVICES:
        lock = {"gateway": "controller"}.get(target, target)
        assert f"requirements/{lock}.lock" in " ".join(found[f"{target}-packages"])
    assert not any("test.lock" in line for line in itertools.chain.from_iterable(found.values()))
    script = (DEPLOY / "containers" / "packages.sh").read_text()
    assert "--require-hashes" in script


def test_public_images_are_named_in_full_and_no_registry_of_ours():
    """The same file builds anywhere."""
    text = (DEPLOY / "Containerfile").read_text()
    assert set(re.findall(r"^ARG \w+_IMAGE=(\S+)", text, re.MULTILINE)) == {
        "docker.io/library/python:3.11-slim-bookworm",
        "docker.io/library/debian:bookworm-slim",
    }


def test_nothing_of_a_working_copy_gets_into_an_image_but_what_is_named():
    """Data, keys and caches lie beside the sources: what is not allowed stays out."""
    ignored = (DEPLOY.parent / ".containerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {line for line in ignored if line.startswith("!")} == {
        "!pyproject.toml", "!README.md", "!LICENSE", "!broker", "!services", "!deploy", "!requirements",
        "!tests/scenarios",
    }  # fmt: skip
    assert (DEPLOY.parent / ".dockerignore").read_text().splitlines() == ignored


# --- systemd ----------------------------------------------------------------------------------------------
def test_the_unit_of_a_gateway_is_one(tmp_path):
    """A misspelt line is a warning in a journal that nobody reads; here it fails."""
    text = UNIT.read_text()
    for line in (
        "AmbientCapabilities=CAP_SYS_NICE", "CapabilityBoundingSet=CAP_SYS_NICE", "LimitRTPRIO=80",
        "Restart=always", "KillMode=process", "NoNewPrivileges=yes", "ProtectSystem=strict", "RemoveIPC=no",
        "TimeoutStopSec=10",
    ):  # fmt: skip
        assert f"\n{line}\n" in text
    assert "MemoryDenyWriteExecute=yes" not in text, "the loop is compiled at its first start"
    if shutil.which("systemd-analyze"):
        unit = tmp_path / UNIT.name
        unit.write_text(text.replace("/opt/spondyl/bin/python", sys.executable))
        done = subprocess.run(
            ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
        )
        assert (
            done.returncode,
            done.stderr.replace("failed to connect to syslog: Initialization\n", ""),
        ) == (0, "")
