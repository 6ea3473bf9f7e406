"""`python tests/deploy/releases/make.py SOURCE`: what a release leaves behind, for the next one to open.

SOURCE is that release's tree (`git archive e76bf2e | tar -x -C SOURCE` for 0.1.0). Its own demo is run, with
one bed and two of its made-up people, every message of it is heard, the session at the bed is
stopped, and all of its data is packed beside this file: `VERSION/data.tar.gz` and `VERSION/messages.jsonl`.
Needs mosquitto, takes some minutes, and wants a network of its own: `unshare -n`, with `lo` up.
"""

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import paho.mqtt.client as mqtt
from paho.mqtt.properties import PacketTypes, Properties

PULLED_S = 12.0  # of tension before the session is stopped
KEPT = (
    "console",
    "telemetry",
    "screening",
    "scheduler",
    "billing",
    "homecare",
    "secrets",
    "redis",
    "gateways",
)
LEFT_OUT = re.compile(r"/recordings/|-wal$|-shm$|\.lock$|/loop|/ring|processes\.json$|\.csv$")


def main(source: Path) -> None:
    """Make the fixture of this release."""
    release = tomllib.loads((source / "pyproject.toml").read_text())["project"]["version"]
    out = Path(__file__).parent / release
    out.mkdir(exist_ok=True)
    fewer_people(source / "deploy" / "demo_clinic.toml")
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        heard = run(source, data)
        (out / "messages.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in heard))
        pack(data, out / "data.tar.gz")
    sys.stdout.write(f"{release}: {len(heard)} messages, {(out / 'data.tar.gz').stat().st_size} bytes\n")


def fewer_people(table: Path) -> None:
    """One patient who goes through everything, and one who is refused: papers are most of the bytes."""
    head, *people = table.read_text().split("[[person]]")
    first, refused = people[0], next(one for one in people if 'stage = "refused"' in one)
    table.write_text("[[person]]".join([head, first.rstrip() + '\nhome = "well"\n\n', refused]))


def run(source: Path, data: Path) -> list[dict[str, str]]:
    """The demo from its start until a session is archived; what was said meanwhile."""
    command = [sys.executable, "-m", "services.cli", "up", "--demo", "--beds", "1", "--sites", "1",
               "--block-ms", "1000", "--data", str(data), "--json"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(source)}
    system = subprocess.Popen(command, cwd=source, env=environment, stdout=subprocess.PIPE)
    try:
        run_file = until(lambda: read(data / "run.json"), 60, "run.json")
        everything_may_be_read(data)
        hearing = Hearing(run_file)
        until(lambda: "people came" in text(data / "log" / "demo-clinic.log"), 600, "people")
        until(lambda: hearing.is_pulling(PULLED_S), 600, "a session")
        hearing.stop_the_bed()
        until(lambda: rows(data / "telemetry" / "archive.db", "archive_sessions"), 120, "the archive")
        time.sleep(3.0)
        return hearing.kept()
    finally:
        system.send_signal(signal.SIGTERM)
        system.wait(30)


def everything_may_be_read(data: Path) -> None:
    """Let the integrator hear every stream, which in a clinic nobody may."""
    acl = data / "mosquitto" / "acl"
    until(acl.exists, 60, "the access rules")
    with acl.open("a") as file:
        file.write("\nuser integrator\ntopic readwrite spondyl/v1/#\n")
    until(lambda: read(data / "processes.json").get("mosquitto"), 60, "the broker")
    time.sleep(1.0)
    os.kill(read(data / "processes.json")["mosquitto"]["pid"], signal.SIGHUP)


class Hearing:
    """One client of the release's broker."""

    def __init__(self, run_file: dict) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.username_pw_set(run_file["mqtt_user"], run_file["mqtt_password"])
        self.client.on_message = lambda _c, _u, message: self.messages.append(
            (message.topic, message.payload)
        )
        self.client.on_connect = lambda *_: self.client.subscribe("spondyl/v1/#", qos=1)
        host, _, port = run_file["mqtt"].rpartition("/")[2].partition(":")
        self.client.connect(host, int(port))
        self.client.loop_start()

    def is_pulling(self, seconds: float) -> bool:
        """Whether a bed has pulled for so long."""
        blocks = [json.loads(payload) for topic, payload in self.messages if topic.endswith("/tension")]
        return sum(any(phase == "hold" for phase in json.dumps(one).split('"')) for one in blocks) > seconds

    def stop_the_bed(self) -> None:
        """As the console does."""
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "spondyl/v1/north/bed-01/reply"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body = {"id": str(uuid4()), "action": "stop", "sent_at": now, "by": "a-test"}
        sent = self.client.publish(
            "spondyl/v1/north/bed-01/command", json.dumps(body), 1, properties=properties
        )
        sent.wait_for_publish(10)

    def kept(self) -> list[dict[str, str]]:
        """The first and the longest message of each stream and type."""
        kinds: dict[str, list[tuple[str, bytes]]] = {}
        for topic, payload in self.messages:
            with suppress(ValueError):
                body = json.loads(payload)
                kinds.setdefault(f"{topic.rpartition('/')[2]} {body.get('type', '')}", []).append(
                    (topic, payload)
                )
        chosen = [
            one
            for of_kind in kinds.values()
            for one in {of_kind[0]: None, max(of_kind, key=lambda pair: len(pair[1])): None}
        ]
        return [{"topic": topic, "payload": payload.decode()} for topic, payload in chosen]


def pack(data: Path, target: Path) -> None:
    """All that a backup would keep; spools without what the centre has stored."""
    for path in sorted(path for name in KEPT for path in (data / name).rglob("*.db")):
        with closing(sqlite3.connect(path)) as database:
            if path.name == "spool.db":
                database.execute("DELETE FROM spool WHERE committed = 1")
                database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("VACUUM")
    with tarfile.open(target, "w:gz", compresslevel=9) as tar:
        for path in sorted(path for name in KEPT for path in (data / name).rglob("*") if path.is_file()):
            name = str(path.relative_to(data))
            if LEFT_OUT.search(name) or path.suffix == ".conf":
                continue
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))


def until(condition, seconds: float, what: str):
    """The first true value. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.2)
    return value


def read(path: Path) -> dict:
    """A JSON file, empty while it is not there."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def text(path: Path) -> str:
    """A file's text, empty while it is not there."""
    return path.read_text() if path.exists() else ""


def rows(path: Path, table: str) -> int:
    """How many rows a table has."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  (a literal)
    except sqlite3.Error:
        return 0


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
