"""Reminders through a real SMTP server: encrypted, once, in the patient's language."""

import email
import email.policy
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from mail_server import MailServer
from scheduler.scheduler_rig import SchedulerRig
from screening.screening_served import ServedScreening

from services.kit.database import reading, writing
from services.kit.errors import SpondylError
from services.scheduler.booking import store as bookings
from services.scheduler.notices import store
from services.scheduler.notices.reminding import WAITS, Reminding
from services.scheduler.settings import SchedulerSettings

BERLIN = ZoneInfo("Europe/Berlin")


class Clinic:
    """A scheduler beside a screening that answers, and a mail server."""

    def __init__(self, directory, security="starttls", **settings):
        self.mail = MailServer(directory, security)
        self.served = ServedScreening(directory, "scheduler")
        self.screening = self.served.rig
        given = {**self.served.settings, **self.mail.settings, **settings}
        self.rig = SchedulerRig(directory / "scheduler", **given)

    def __enter__(self):
        self.mail.__enter__()
        self.served.__enter__()
        self.rig.clinic()
        return self

    def __exit__(self, *_):
        self.mail.__exit__()
        self.rig.close()
        self.served.__exit__()

    def booked(self, **content):
        """A cure of a patient with a file, and the clock a day before its first appointment."""
        patient = self.screening.patient("north", **content)
        cure = self.rig.cure(patient=patient)
        self.first = cure["appointments"][0]
        self.rig.now = datetime.fromisoformat(self.first["starts_at"]).astimezone(UTC) - timedelta(hours=23)
        return cure

    def remind(self):
        """One turn of the scheduler's, as of a process that has just started."""
        settings = self.rig.office.settings
        assert isinstance(settings, SchedulerSettings)
        return Reminding(self.rig.office, settings, lambda: self.rig.now).look()

    def states(self):
        """What became of reminders."""
        return [row["state"] for row in self.rig.ask("GET", "/reminders")]

    def mails(self):
        """What arrived, read."""
        return [email.message_from_bytes(one.content, policy=email.policy.default) for one in self.mail.mails]


@pytest.fixture
def clinic(tmp_path):
    """One, with STARTTLS."""
    with Clinic(tmp_path) as made:
        yield made


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_reminder_goes_out_encrypted_and_once(tmp_path, security):
    """However often somebody looks, and however many processes do."""
    with Clinic(tmp_path, security) as clinic:
        clinic.booked()
        assert [clinic.remind() for _ in range(3)] == [1, 0, 0]
        (mail,) = clinic.mails()
        assert all(clinic.mail.encrypted)
        assert mail["To"] == "erika@example.org"
        assert mail["Subject"].startswith("Erinnerung: Ihr Termin am 24.11.2026, ")
        said = mail.get_content()
        assert "Dienstag, 24. November 2026" in said
        for word in ("Mustermann", "Erika", "Band", "L4/5", "Dekompression", "lumbar"):
            assert word not in said + mail["Subject"]
        assert clinic.states() == ["sent"]
        assert clinic.screening.trail("patient.identity")


def test_a_reminder_is_in_the_patient_s_language(clinic):
    """Who reads English is told in English."""
    clinic.booked(language="en")
    clinic.remind()
    (mail,) = clinic.mails()
    assert mail["Subject"].startswith("Reminder: your appointment on 24 Nov 2026, ")
    assert "Tuesday, 24 November 2026" in mail.get_content()


def test_a_moved_appointment_is_reminded_of_at_its_new_time(clinic):
    """The old reminder says the wrong time."""
    clinic.booked()
    clinic.remind()
    start = datetime.fromisoformat(clinic.first["starts_at"]) + timedelta(hours=1)
    body = {"starts_at": start.isoformat(), "scope": "this", "reason": "asked"}
    clinic.rig.ask("POST", f"/appointments/{clinic.first['appointment']}/move", json=body)
    clinic.remind()
    first, second = clinic.mails()
    assert first["Message-ID"] != second["Message-ID"]
    assert f"{start.astimezone(BERLIN):%H:%M}" in second.get_content()


def test_who_has_no_address_and_what_was_cancelled_is_passed_over(clinic):
    """Nobody is asked for again and again, and screening's trail is not filled."""
    clinic.booked(email="")
    clinic.remind()
    clinic.remind()
    assert (clinic.states(), clinic.mails()) == (["skipped"], [])
    assert len(clinic.screening.trail("patient.identity")) == 1


@pytest.mark.parametrize(
    ("answers", "tries", "state"),
    [
        (["451 busy"], 2, "sent"),
        (["451 busy"] * 9, 1 + len(WAITS), "failed"),
        (["550 no such person"], 1, "failed"),
        (["BREAK"], 1, "unknown"),
    ],
)
def test_a_server_that_refuses_is_asked_again_or_not(clinic, answers, tries, state):
    """4xx: later; 5xx: never; a line that breaks behind the message: it may have arrived, so never twice."""
    clinic.booked()
    clinic.mail.answers += answers
    for _ in range(10):
        clinic.remind()
        clinic.rig.now += timedelta(hours=2)
    assert clinic.states()[-1] == state
    assert len(answers) - len(clinic.mail.answers) + (state == "sent") == tries
    assert len(clinic.mail.mails) == (state in ("sent", "unknown"))


def test_a_server_that_is_away_costs_no_reminder(clinic):
    """Tried again when it is back."""
    clinic.booked()
    clinic.mail.__exit__()
    assert clinic.remind() == 0
    assert clinic.states() == ["waiting"]
    clinic.mail.__enter__()
    clinic.rig.now += WAITS[0]
    assert clinic.remind() == 1


@pytest.mark.parametrize(("state", "sent"), [("claimed", 1), ("sending", 0)])
def test_a_crash_leads_to_one_reminder_or_none_and_never_to_two(clinic, state, sent):
    """Claimed and not begun: taken up again. Begun: nobody knows, so it is not sent twice."""
    clinic.booked()
    with writing(clinic.rig.engine) as connection:
        one = bookings.appointment_of(connection, UUID(clinic.first["appointment"]))
        store.claim(connection, one, 0)
        store.set_reminder(connection, one, state)
    assert clinic.remind() == sent
    assert clinic.states() == ["sent" if sent else "unknown"]


def test_a_claim_of_a_time_that_was_left_is_over(clinic):
    """Taken up again every five minutes for ever, fifty of them kept every other one from another try."""
    clinic.booked()
    with writing(clinic.rig.engine) as connection:
        one = bookings.appointment_of(connection, UUID(clinic.first["appointment"]))
        store.claim(connection, one, 0)
    start = datetime.fromisoformat(clinic.first["starts_at"]) + timedelta(hours=1)
    body = {"starts_at": start.isoformat(), "scope": "this", "reason": "asked"}
    clinic.rig.ask("POST", f"/appointments/{clinic.first['appointment']}/move", json=body)
    assert clinic.remind() == 1
    assert sorted(clinic.states()) == ["sent", "skipped"]


def test_of_two_processes_one_claims(clinic):
    """Two schedulers over one database remind once."""
    clinic.booked()
    with writing(clinic.rig.engine) as connection:
        one = bookings.appointment_of(connection, UUID(clinic.first["appointment"]))
        assert [store.claim(connection, one, 1) for _ in range(2)] == [True, False]
    with reading(clinic.rig.engine) as connection:
        assert len(store.reminders(connection, None, None)) == 1


def test_a_server_with_a_strange_certificate_gets_nothing(tmp_path):
    """Somebody in between would read who is treated when."""
    with Clinic(tmp_path, smtp_ca=None) as clinic:
        clinic.booked()
        clinic.remind()
        assert (clinic.states(), clinic.mails()) == (["waiting"], [])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"SMTP_HOST": "mail.example.org"}, "SPONDYL_SMTP_FROM"),
        ({"SMTP_HOST": "mail.example.org", "SMTP_FROM": "a@b.org", "SMTP_SECURITY": "none"}, "this machine"),
        ({"SMTP_FROM": "no address"}, "SPONDYL_SMTP_FROM"),
        ({"REMINDER_HOURS": "0"}, "SPONDYL_REMINDER_HOURS"),
    ],
)
def test_settings_that_would_tell_the_world_are_refused(monkeypatch, given, said):
    """At the start, in one line that names the variable."""
    for name, value in given.items():
        monkeypatch.setenv(f"SPONDYL_{name}", value)
    with pytest.raises(SpondylError, match=said):
        SchedulerSettings.load()


def test_reminders_are_shown_to_who_sees_appointments_there(clinic):
    """Another site's are not."""
    clinic.booked()
    clinic.remind()
    assert clinic.rig.ask("GET", "/reminders", sites=("south",)) == []
    clinic.rig.ask("GET", "/reminders", role="billing", status=403)
