"""A bundle for a stranger: made of a system that is full of people, and nobody is in it."""

import http.server
import json
import re
import sqlite3
import tarfile
import threading
from contextlib import closing, contextmanager

import kept_system
import pytest

from deploy.keeping.bundle import collect
from deploy.keeping.known_words import ours
from services.cli import main

pytestmark = pytest.mark.system
NAME, BORN, MAIL, IBAN = "Erika Mustermann", "1971-08-12", "erika@example.org", "DE89370400440532013000"
PHONE = "+49 171 5550123"
EVERYTHING = f"{NAME}, born {BORN} (12.08.1971), {MAIL}, {IBAN}, {PHONE}"
INJECTED = (
    "Erika",
    "Mustermann",
    BORN,
    "12.08.1971",
    "1971",
    MAIL,
    "example.org",
    IBAN,
    "5550123",
    "171 555",
)
OF_THE_DEMO = ("Bergmann", "Sabine", "1974-03-12", "Ada Beispiel", "Kaya", "DE02120300000000202051")
WORDS = ("event", "why", "detail", "error", "reason", "message", "patient", "name", "url")


def lines():
    """What a service that knows no rule might have written."""
    yield {"service": "billing", "event": "listening", "level": "info", "unanswered": 3}
    for word in WORDS:
        yield {"event": "an invoice cannot be issued", word: EVERYTHING}
        yield {"event": f"patient {NAME} has no file", word: NAME.lower().replace(" ", "-")}
    yield {"event": f"cannot open the database {MAIL}: {NAME}", "nested": {"name": NAME}, "list": [IBAN]}
    frame = {"filename": f"/srv/{NAME}/x.py", "lineno": 3, "name": NAME}
    ours_ = {"filename": "/opt/services/kit/database.py", "lineno": 120, "name": "f", "locals": {"n": NAME}}
    told = [{"exc_type": "ValueError", "exc_value": EVERYTHING, "frames": [frame, ours_]}]
    yield {"event": "failed", "exception": told}
    yield {"event": "failed", "exception": EVERYTHING, "birth_date": 19710812, "phone": 491715550123}


@pytest.fixture
def data(tmp_path):
    """Patients of the release before, and one more in every place."""
    data = kept_system.left_behind(tmp_path / "data")
    (data / "log").mkdir()
    written = [json.dumps(line) for line in lines()]
    (data / "log" / "billing.log").write_text(
        "\n".join([*written, EVERYTHING, f'{{"event": "{NAME}', "null"])
    )
    (data / "log" / "mosquitto.log").write_text(f"1: New client connected as {NAME}\n")
    (data / "gdt" / NAME).mkdir(parents=True)
    (data / "gdt" / NAME / f"{NAME}.gdt").write_text(EVERYTHING)
    (data / NAME).write_text(EVERYTHING)
    with closing(sqlite3.connect(data / "billing" / "billing.db")) as database:
        insert = "INSERT INTO billing_refused (topic, payload, why, at_us) VALUES (?, ?, ?, 1)"
        database.execute(insert, (NAME, EVERYTHING.encode(), EVERYTHING))
        database.execute(f'CREATE TABLE "{NAME}" (number)')
        database.commit()
    return data


class Telling(http.server.BaseHTTPRequestHandler):
    """A service that says a name in its state and its metrics."""

    def do_GET(self):
        """Both, and an error."""
        checks = {"database": {"ok": False, "detail": EVERYTHING}, NAME: {"ok": True, "detail": None}}
        body = json.dumps({"ready": False, "detail": EVERYTHING, "checks": checks})
        if self.path == "/metrics":
            body = (
                f'# HELP x {NAME}\nspondyl_up 1.0\nx{{patient="{NAME}"}} 1.0\ny{{site="north"}} 2.0\n{NAME} 1'
            )
        self.send_response(503)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Quiet."""


@contextmanager
def telling():
    """The address of such a service."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Telling) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_nobody_is_in_a_bundle_and_no_key(data, tmp_path, monkeypatch, capsys):
    """It goes by e-mail to people who have no business with any patient."""
    for variable in ("SMTP_FROM", "SMTP_USER", "SMTP_PASSWORD", "OIDC_LABEL", "PUBLIC_URL", "DEVICES"):
        monkeypatch.setenv(f"SPONDYL_{variable}", MAIL)
    monkeypatch.setenv("SPONDYL_MIGRATE", "never")
    out = tmp_path / "bundle.tar.gz"
    with telling() as address:
        monkeypatch.setenv("SPONDYL_BILLING_URL", address)
        with pytest.raises(SystemExit) as ended:
            main(["support-bundle", "--data", str(data), "--out", str(out), "--json"])
    assert ended.value.code in (0, None)
    made = json.loads(capsys.readouterr().out)
    with tarfile.open(out) as tar:
        parts = {one.name.partition("/")[2]: tar.extractfile(one).read().decode() for one in tar.getmembers()}
    everything = json.dumps(made) + "".join(f"{name}\n{text}\n" for name, text in parts.items())
    secrets = [path.read_bytes() for path in (data / "secrets").iterdir() if path.suffix != ".pub"]
    passwords = re.findall(rb'": "([^"]{12,})"', b"".join(secrets))
    for forbidden in (*INJECTED, *OF_THE_DEMO, *(one.decode() for one in (*secrets, *passwords))):
        assert forbidden.lower() not in everything.lower(), forbidden
    tell_what_helps(parts, made)


def tell_what_helps(parts, made):
    """A bundle that says nothing would be safe, too."""
    billing = json.loads(parts["databases/billing.json"])
    assert billing["queues"] == {"outbox": 0, "refused": 1, "waiting": 1}
    assert (billing["revision"], billing["kind"]) == ("0011", "sqlite")
    logged = [json.loads(line) for line in parts["log/billing.jsonl"].splitlines()]
    assert {
        "service": "billing",
        "event": "listening",
        "level": "info",
        "unanswered": 3,
        "left_out": 0,
    } in logged
    told = [line["exception"][0] for line in logged if line.get("exception")]
    assert told[0]["exc_type"] == "ValueError"
    assert told[0]["places"] == ["services/kit/database.py:120"]
    assert any(line.get("event", "").startswith("cannot open the database …") for line in logged)
    assert parts["services/billing/metrics.txt"].split("\n") == ["spondyl_up 1.0", 'y{site="north"} 2.0']
    assert json.loads(parts["services/billing/readyz.json"])["checks"]["database"]["ok"] is False
    settings = json.loads(parts["settings.json"])
    assert settings["SPONDYL_MIGRATE"] == "never"
    assert settings["SPONDYL_SMTP_PASSWORD"] == "given, withheld"
    assert "no running system" in made["not_asked"]["services/console/readyz.json"]
    assert {"about.json", "doctor.json", "sizes.json", "not-asked.json"} <= set(made["parts"])


def test_words_are_told_as_far_as_our_source_has_them():
    """A refusal helps by what we wrote, not by what was put in."""
    said = "there is no backup in /srv/Erika"
    assert ours(said) == "there is no backup in …"
    assert ours("Erika Mustermann").startswith("…")
    assert ours("listening") == "listening"


def test_a_bundle_of_nothing_is_one_too(tmp_path):
    """Whoever has no system any more needs help most."""
    bundle = collect(tmp_path / "nowhere")
    assert "about.json" in bundle.parts
    assert "status.json" in bundle.not_asked
