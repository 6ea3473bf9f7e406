"""From a practice system's file to a patient's file, and from a session to a result that it can read."""

import base64
import json
import threading
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import uvicorn
from gateway_stand_in import STARTED, summary
from history_rig import HistoryRig
from run_file import running
from screening.screening_rig import ScreeningRig
from servers import eventually, free_port
from simulated_session import SESSION
from sqlalchemy import select, update

from broker.contract import EVENT, STREAMS
from broker.messages import ClinicEvent, Event
from services.cli import main
from services.kit.auth.guard import bearer
from services.kit.business.inbox import Heard
from services.kit.database import writing
from services.kit.http import create_app, listen
from services.kit.settings import PREFIX
from services.screening.exchange import store
from services.screening.exchange.gdt.fields import CHARSETS
from services.screening.exchange.gdt.reading import read
from services.screening.exchange.gdt.writing import Form, write
from services.screening.exchange.tables import APPOINTMENT, TAKEN
from services.screening.exchange.watch import Watcher
from services.screening.patients.store import current
from services.telemetry.api import create_router

SITE = "north"
PERSON = {"3000": "4711", "3101": "Müller", "3102": "Jörg", "3103": "03041961", "3110": "1", "3623": "82"}


class Practice:
    """A practice system beside a folder of ours."""

    def __init__(self, rig, directory):
        self.rig = rig
        self.folder = directory / "gdt" / SITE
        (self.folder / "in").mkdir(parents=True)
        self.watcher = Watcher(rig.office)
        self.written = 0

    def write(self, kind="6301", charset="3", content=None, **fields):
        """Put a file there, and let screening look until it is settled."""
        lines = [(code, text) for code, text in (PERSON | fields).items() if text is not None]
        self.written += 1
        body = write(kind, lines, Form(charset=charset)).content if content is None else content
        (self.folder / "in" / f"SPDLPRAX.{self.written:03d}").write_bytes(body)
        self.look()
        return self.rows()[0]

    def look(self):
        """Two turns: a file is taken at the second."""
        self.watcher.look()
        self.watcher.look()
        assert self.watcher.last_error == {}

    def rows(self):
        """What was taken, the newest first."""
        return self.rig.ask("GET", "/exchange/records", role="reception")

    def file(self, row):
        """The file of the patient of a row."""
        with self.rig.engine.connect() as connection:
            return current(connection, UUID(row["patient"]))

    def out(self):
        """The records that lie there for the practice system."""
        paths = sorted((self.folder / "out").iterdir())
        return [read(path.read_bytes()).records[0] for path in paths]


@pytest.fixture
def serve():
    """Serve an application on a free port of this process; gives its address."""
    servers = []

    def start(app):
        listener = listen("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        servers.append((server, thread))
        eventually(lambda: server.started, 30, "the server's start")
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def practice(tmp_path):
    """One, over a screening on SQLite."""
    rig = ScreeningRig(tmp_path, gdt_stable_s=0.0)
    yield Practice(rig, tmp_path)
    rig.close()


def ended(patient, **given):
    """The event of a session's end."""
    said = summary(uuid4()).model_copy(update={"patient": UUID(str(patient)), **given})
    kind = "session.completed" if said.reason == "completed" else "session.aborted"
    return Event(
        id=uuid4(), type=kind, at=STARTED, boot=uuid4(), seq=1, index=1, session=said.session, summary=said
    )


def hear(rig, stream, message, site=SITE):
    """Let the handlers hear it."""
    with writing(rig.engine) as connection:
        rig.handlers[stream](connection, Heard(stream, site, "bed-01", message))


def test_an_unknown_patient_is_opened_and_the_same_number_finds_them_again(practice):
    """6301 and 6302 arrive whenever somebody presses a key: one person stays one file."""
    row = practice.write("6302", **{"8402": "ALLG00"})
    file = practice.file(row)
    assert (row["state"], row["effect"], row["request"]) == ("taken", "opened", "ALLG00")
    assert (file.content.title, file.content.body_weight_kg) == ("Müller, Jörg", 82.0)
    again = practice.write()
    assert (again["effect"], again["patient"]) == ("known", row["patient"])
    heavier = practice.write(**{"3623": "79,5"})
    assert (heavier["effect"], practice.file(heavier).content.body_weight_kg) == ("changed", 79.5)
    assert practice.file(heavier).version == 2
    assert len(list((practice.folder / "processed").iterdir())) == 3
    assert [event.type for event in practice.rig.told("patient")] == ["patient.registered", "patient.changed"]


@pytest.mark.parametrize("charset", ["2", "3"])
def test_a_patient_of_ours_is_found_by_name_and_birth_date(practice, charset):
    """The desk opened the file by hand; the practice's number is learnt from then on."""
    ours = practice.rig.patient(SITE, family_name="Mueller", given_name="Jörg", birth_date="1961-04-03")
    row = practice.write(charset=charset)
    assert (row["effect"], row["patient"]) == ("changed", ours)
    assert practice.write(**{"3101": None, "3102": None, "3103": None})["patient"] == ours


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([{}, {}], {}),  # two of one name and birth date
        ([{"given_name": "Jürgen"}], {}),  # a birth date and half a name
        ([{"birth_date": "1961-04-04"}], {}),  # the same name, another day
    ],
)
def test_who_could_be_meant_is_asked_and_never_guessed(practice, ours, theirs):
    """A result in the wrong file is worse than a question."""
    person = {"family_name": "Müller", "given_name": "Jörg", "birth_date": "1961-04-03"}
    known = [practice.rig.patient(SITE, **person | row) for row in ours]
    row = practice.write(**theirs)
    assert (row["state"], row["patient"]) == ("waiting", None)
    assert {one["patient"] for one in row["candidates"]} == set(known)
    chosen = practice.rig.ask(
        "POST", f"/exchange/records/{row['file']}/0/assign", role="reception", json={"patient": known[0]}
    )
    assert chosen == {"patient": known[0]}
    assert practice.write()["patient"] == known[0], "the number is theirs now"
    practice.rig.ask(
        "POST", f"/exchange/records/{row['file']}/0/assign", json={"patient": known[0]}, status=409
    )


def test_a_number_that_comes_with_another_person_is_asked_about(practice):
    """A practice that renumbers must not turn one patient into another."""
    first = practice.write()
    row = practice.write(**{"3101": "Schmidt", "3102": "Anna", "3103": "01011990"})
    assert row["state"] == "waiting"
    assert "4711" in row["why"]["de"]
    assert practice.file(first).content.family_name == "Müller"
    new = practice.rig.ask("POST", f"/exchange/records/{row['file']}/0/assign", json={})["patient"]
    assert new != first["patient"]
    assert practice.write(**{"3101": "Schmidt", "3102": "Anna", "3103": "01011990"})["patient"] == new


def test_a_new_family_name_with_number_and_birth_date_is_taken(practice):
    """People marry."""
    first = practice.write()
    row = practice.write(**{"3101": "Meier"})
    assert (row["effect"], row["patient"]) == ("changed", first["patient"])
    assert practice.file(row).content.family_name == "Meier"


def test_a_doubtful_record_may_be_dismissed_and_then_nothing_of_it_is_kept(practice):
    """What is nobody's patient here is nobody's data here."""
    practice.rig.patient(SITE, family_name="Müller", given_name="Jörg", birth_date="1961-04-04")
    row = practice.write()
    practice.rig.ask("POST", f"/exchange/records/{row['file']}/0/dismiss", role="reception", status=204)
    (after,) = practice.rows()
    assert (after["state"], after["said"]) == ("dismissed", None)


@pytest.mark.parametrize(
    ("kind", "fields", "content", "said"),
    [
        ("6301", {"3103": None}, None, "Geburtsdatum"),
        ("6301", {"3103": "31021961"}, None, "Geburtsdatum"),
        ("6310", {}, None, "Satzart '6310' wird nicht übernommen"),
        ("6301", {}, b"\xff\xd8\xff\xe0 a picture", "Das ist kein GDT"),
        ("6301", {}, b"", "Das ist kein GDT"),
    ],
)
def test_what_cannot_be_taken_is_rejected_with_its_reason(practice, kind, fields, content, said):
    """Whoever looks into the folder reads why, without asking us."""
    row = practice.write(kind, content=content, **fields)
    assert row["state"] == "rejected"
    assert said in row["why"]["de"]
    reasons = [path.read_text() for path in (practice.folder / "rejected").glob("*.reason.txt")]
    assert said in reasons[0]
    assert practice.rig.told("patient") == []


def test_a_file_settled_twice_after_a_crash_has_its_effect_once(practice):
    """Killed between the commit and the move: the same claim is taken up again."""
    row = practice.write()
    (done,) = (practice.folder / "processed").iterdir()
    done.rename(practice.folder / "work" / f"{row['file']}~{done.name}")
    practice.look()
    assert practice.rig.count(TAKEN) == 1
    assert [path.name for path in (practice.folder / "processed").iterdir()] == [done.name]


def test_an_odd_detail_is_left_out_and_the_patient_is_taken(practice):
    """A body height of 999 cm keeps nobody from being treated."""
    row = practice.write(**{"3622": "999", "3619": "no address"})
    assert row["state"] == "taken"
    assert practice.file(row).content.body_height_cm is None
    assert len(row["warnings"]) == 2


def test_a_session_s_result_lies_there_for_the_practice_system_once(practice):
    """Delivered five times, written once, under the number that the practice knows."""
    row = practice.write()
    event = ended(row["patient"])
    for _ in range(5):
        hear(practice.rig, EVENT, event)
        practice.look()
    (record,) = practice.out()
    assert (record.kind, record.first("3000"), record.first("8402")) == ("6310", "4711", "ALLG00")
    assert record.first("6200") == f"{STARTED:%d%m%Y}"
    values = dict(zip(record.all("8410"), record.all("8420"), strict=True))
    assert values == {"ZUGZEIT": "30.0", "ZUGMAX": "400", "ZUGMITTEL": "390", "NRSVOR": "6", "NRSNACH": "3"}
    (result,) = practice.rig.ask("GET", "/exchange/results")
    assert (result["state"], result["filename"]) == ("written", "PRAXSPDL.001")


def test_a_result_waits_for_a_number_and_for_nobody_unknown(practice):
    """Without a number the practice system could not file it; simulated patients are nobody's."""
    ours = practice.rig.patient(SITE)
    hear(practice.rig, EVENT, ended(ours))
    hear(practice.rig, EVENT, ended(uuid4()))
    practice.look()
    (result,) = practice.rig.ask("GET", "/exchange/results")
    assert (result["state"], practice.out()) == ("unaddressed", [])
    practice.rig.ask("PUT", "/exchange/numbers", json={"patient": ours, "number": "99"}, status=204)
    practice.look()
    assert [record.first("3000") for record in practice.out()] == ["99"]


def test_a_crash_before_the_name_was_given_hands_the_result_over_later(practice):
    """Killed between the database and the folder: there once, not twice and not never."""
    row = practice.write()
    event = ended(row["patient"], reason="stopped by the patient")
    hear(practice.rig, EVENT, event)
    folder = practice.watcher.folders()[SITE]
    folder.prepare(event.summary.session, b"prepared before the crash\r\n")
    with writing(practice.rig.engine) as connection:
        store.set_result(connection, str(event.summary.session), state="written")
    practice.look()
    practice.look()
    assert [path.read_bytes() for path in (practice.folder / "out").iterdir()] == [
        b"prepared before the crash\r\n"
    ]


def test_a_result_is_given_out_in_any_form(practice):
    """`spondyl gdt write` asks for it here: another version, receiver, number."""
    row = practice.write()
    event = ended(row["patient"], reason="stopped by the patient")
    hear(practice.rig, EVENT, event)
    path = f"/exchange/results/{event.summary.session}/gdt"
    shown = practice.rig.ask("GET", f"{path}?version=3.1&charset=2&receiver=OTHER&number=77")
    found = read(base64.b64decode(shown["content"]))
    (record,) = found.records
    assert (found.warnings, found.charset) == ([], CHARSETS["2"])
    assert [record.first(code) for code in ("9218", "8315", "3000", "3101")] == [
        "03.10",
        "OTHER",
        "77",
        "Müller",
    ]
    assert "Beendet: vorzeitig (stopped by the patient)" in record.all("6220")
    practice.rig.ask("GET", f"/exchange/results/{uuid4()}/gdt", status=404)
    practice.rig.ask("GET", path, sites=("south",), status=404)


def test_the_command_writes_a_session_s_result_to_a_file(practice, tmp_path, capsys, serve):
    """A technician fetches one result by hand, for a practice system that wants another form."""
    row = practice.write()
    event = ended(row["patient"])
    hear(practice.rig, EVENT, event)
    running(tmp_path, "http://127.0.0.1:9", screening=serve(practice.rig.app))
    given = [
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "here"),
        "--version",
        "3.0",
        "--procedure",
        "X1",
    ]
    with pytest.raises(SystemExit) as status:
        main(["gdt", "write", str(event.summary.session), "--json", *given])
    said = capsys.readouterr()
    assert said.err == ""
    told = json.loads(said.out.splitlines()[-1])  # (behind what the services of this process log)
    (record,) = read(Path(told["file"]).read_bytes()).records
    assert not status.value.code
    assert (record.first("3000"), record.first("8402"), told["origin"]) == ("4711", "X1", "screening")


def test_the_command_says_that_telemetry_must_answer_for_a_stranger(practice, tmp_path, capsys, serve):
    """A session that screening does not know is telemetry's; without it there is one line."""
    running(tmp_path, f"http://127.0.0.1:{free_port()}", screening=serve(practice.rig.app))
    with pytest.raises(SystemExit) as status:
        main(["gdt", "write", str(uuid4()), "--data", str(tmp_path), "--out", str(tmp_path)])
    assert status.value.code == 1
    assert "telemetry does not answer" in capsys.readouterr().err


@pytest.mark.system
def test_the_command_writes_a_stranger_s_session_under_a_number_that_says_so(
    practice, tmp_path, capsys, serve, valkey
):
    """A simulated bed's patient has no file: what was measured is written all the same, and said."""
    history = HistoryRig(valkey.url, tmp_path)
    history.store("archived")
    guard = bearer(practice.rig.keys.public.read_bytes())
    telemetry = create_app("telemetry", "0", (), [create_router(history.history, history.trail)], guard=guard)
    running(tmp_path, serve(telemetry), screening=serve(practice.rig.app))
    with pytest.raises(SystemExit) as status:
        main(["gdt", "write", str(SESSION), "--data", str(tmp_path), "--out", str(tmp_path), "--json"])
    history.close()
    said = capsys.readouterr()
    assert (said.err, status.value.code) == ("", 0)
    told = json.loads(said.out.splitlines()[-1])  # (behind what the services of this process log)
    (record,) = read(Path(told["file"]).read_bytes()).records
    assert told["origin"] == "telemetry"
    assert record.first("3000").startswith("S")
    assert "--number" in told["warnings"][0]


def test_another_site_s_records_are_not_shown_and_not_settled(practice):
    """Names and birth dates lie in what waits."""
    practice.rig.patient(SITE, family_name="Müller", given_name="Jörg", birth_date="1961-04-04")
    row = practice.write()
    south = {"role": "reception", "sites": ("south",)}
    assert practice.rig.ask("GET", "/exchange/records", **south) == []
    assert practice.rig.ask("GET", "/exchange/folders", **south) == []
    practice.rig.ask("POST", f"/exchange/records/{row['file']}/0/assign", json={}, status=404, **south)
    (shown,) = practice.rig.ask("GET", "/exchange/folders", role="reception")
    assert (shown["site"], shown["records"]["taken_waiting"]) == (SITE, 1)


def test_numbers_names_and_results_are_the_same_on_both_databases(either, tmp_path):
    """SQLite on one machine, PostgreSQL for many."""
    patient = either.patient(SITE)
    either.ask("PUT", "/exchange/numbers", json={"patient": patient, "number": "5"}, status=204)
    other = either.patient(SITE, given_name="Anna")
    either.ask("PUT", "/exchange/numbers", json={"patient": other, "number": "5"}, status=409)
    event = ended(patient)
    hear(either, EVENT, event)
    hear(either, EVENT, event)
    assert [row["state"] for row in either.ask("GET", "/exchange/results")] == ["due"]


def test_the_newest_event_of_an_appointment_counts(rig):
    """Events of one stream come in order, but a late one must not bring a cancelled appointment back."""
    ids = {
        "appointment": str(uuid4()),
        "patient": rig.patient(SITE),
        "cure": str(uuid4()),
        "device": "bed-01",
    }
    for kind, minutes in (("booked", 0), ("cancelled", 2), ("moved", 1)):
        data = ids | {"starts_at": STARTED.isoformat(), "number": 3, "reason": "ill"}
        at = STARTED + timedelta(minutes=minutes)
        hear(
            rig,
            STREAMS["appointment"],
            ClinicEvent(id=uuid4(), type=f"appointment.{kind}", time=at, data=data),
        )
    hear(
        rig, STREAMS["appointment"],
        ClinicEvent(id=uuid4(), type="appointment.booked", time=STARTED, data={"appointment": "no id"}),
    )  # fmt: skip
    with rig.engine.connect() as connection:
        row = connection.execute(select(APPOINTMENT)).mappings().one()
    assert (row["state"], row["number"]) == ("cancelled", 3)


def test_a_zone_that_is_none_is_refused_by_the_variable_s_name(tmp_path, monkeypatch):
    """A start that fails in one line beats results an hour off."""
    from services.kit.errors import SpondylError
    from services.screening.settings import ScreeningSettings

    monkeypatch.setenv(f"{PREFIX}GDT_ZONE", "Berlin")
    with pytest.raises(SpondylError, match="SPONDYL_GDT_ZONE"):
        ScreeningSettings.load()


def test_what_was_nobody_s_is_forgotten_after_its_time(practice):
    """A rejected record may quote a birth date; a taken one says whose file was changed."""
    practice.write(**{"3103": None})
    practice.write()
    with writing(practice.rig.engine) as connection:
        connection.execute(update(TAKEN).values(at_us=1))
    Watcher(practice.rig.office).look()
    assert [row["state"] for row in practice.rows()] == ["taken"]


def test_what_is_kept_of_records_is_json(practice):
    """Warnings are read back as they were written."""
    practice.write(**{"3622": "999"})
    with practice.rig.engine.connect() as connection:
        (row,) = store.taken_rows(connection, None)
    assert json.loads(row["warnings"])
