"""Reminders through a real SMTP server: on due days, once, and nothing in them that opens anything."""

import email
import email.policy
from datetime import date, timedelta
from uuid import UUID

import pytest
from homecare.at_home import Home
from homecare.homecare_rig import NOW, HomecareRig
from mail_server import MailServer
from screening.screening_served import ServedScreening
from sqlalchemy import select

from services.homecare.diary.tables import REMINDERS
from services.homecare.reminders import store
from services.homecare.reminders.reminding import WAITS, Reminding
from services.kit.business.identity import Unreachable
from services.kit.database import reading, writing

EVENING = NOW.replace(hour=17, minute=5)  # 18:05 in Berlin
TODAY = date(2026, 11, 23)


class Evening:
    """Homecare beside a screening that answers and a mail server, and somebody who wants reminders."""

    def __init__(self, directory):
        self.mail = MailServer(directory, "starttls")
        self.screening = ServedScreening(directory, "homecare")
        given = {**self.screening.settings, **self.mail.settings}
        self.rig = HomecareRig(directory / "homecare", **given)

    def __enter__(self):
        self.mail.__enter__()
        self.screening.__enter__()
        return self

    def __exit__(self, *_):
        self.mail.__exit__()
        self.rig.close()
        self.screening.__exit__()

    def at_home(self, *, email="erika@example.org", **wanted):
        """Somebody whose file has this address, at home since this morning."""
        patient = self.screening.rig.patient("north", email=email)
        self.rig.patient = lambda site: self.told(site, patient)
        home = Home(self.rig, **({"reminders": True} | wanted))
        self.rig.now = EVENING
        return home

    def told(self, site, patient):
        """Homecare hears of a file."""
        self.rig.clinic_event("patient.registered", site, patient=patient)
        return patient

    def turn(self):
        """One, as of a process that has just started; 0 where some have to wait."""
        try:
            return Reminding(self.rig.office, self.rig.settings, lambda: self.rig.now).turn()
        except Unreachable:
            return 0

    def states(self):
        """What became of reminders, by their days."""
        with reading(self.rig.engine) as connection:
            query = select(REMINDERS.c.state).order_by(REMINDERS.c.day)
            return list(connection.execute(query).scalars())

    def mails(self):
        """What arrived, read."""
        return [email.message_from_bytes(one.content, policy=email.policy.default) for one in self.mail.mails]


@pytest.fixture
def evening(tmp_path):
    """One."""
    with Evening(tmp_path) as made:
        yield made


@pytest.mark.requirement("keep-links-secret")
def test_a_reminder_goes_out_in_the_evening_once_a_day_and_opens_nothing(evening):
    """Whoever reads somebody's mail learns nothing of them and gets in nowhere."""
    home = evening.at_home()
    evening.rig.now = EVENING - timedelta(minutes=10)
    assert evening.turn() == 0
    evening.rig.now = EVENING
    assert [evening.turn() for _ in range(3)] == [1, 0, 0]
    report = evening.rig.ask("GET", f"/programmes/{home.programme}/report")
    assert report["reminders"] == [{"day": "2026-11-23", "state": "sent", "why": ""}]
    (mail,) = evening.mails()
    assert all(evening.mail.encrypted)
    assert mail["To"] == "erika@example.org"
    whole = mail.as_string() + mail.get_content() + mail["Subject"]
    assert "noch nichts von Ihnen gehört" in mail.get_content()
    for word in (
        "Erika",
        "Mustermann",
        "http",
        "/h/",
        home.secret,
        home.programme,
        "Rücken",
        "lumbar",
        "Band",
    ):
        assert word not in whole
    evening.rig.now = EVENING + timedelta(days=1)
    assert evening.turn() == 1
    first, second = evening.mails()[0]["Message-ID"], evening.mails()[1]["Message-ID"]
    assert first != second
    assert evening.states() == ["sent", "sent"]
    assert evening.screening.rig.trail("patient.identity")


def test_nobody_is_reminded_who_did_something_whom_it_hurts_or_who_did_not_ask_for_it(evening):
    """A reminder to go on is wrong for whoever waits for an answer."""
    done, hurt, off = evening.at_home(), evening.at_home(), evening.at_home(reminders=False)
    unsigned = evening.at_home()
    unsigned.turn("pause")
    done.send(done.done())
    hurt.send(hurt.pain(exercise=None))
    silent = evening.at_home(email="")
    late = evening.at_home()
    assert evening.turn() == 1
    with reading(evening.rig.engine) as connection:
        said = {row.programme: row.why for row in connection.execute(select(REMINDERS))}
    assert set(said) == {done.programme, hurt.programme, silent.programme, late.programme}
    assert "entered" in said[done.programme]
    assert "entered" in said[hurt.programme]
    assert "no e-mail" in said[silent.programme]
    assert off.programme not in said
    evening.rig.now = EVENING + timedelta(days=1)
    assert evening.turn() == 2  # of the one whom it hurts nothing is open; the others were not heard of
    with reading(evening.rig.engine) as connection:
        query = select(REMINDERS.c.why).where(REMINDERS.c.programme == hurt.programme)
        assert "nothing was due that day" in list(connection.execute(query).scalars())


def test_after_the_week_s_days_and_late_at_night_nobody_is_reminded(evening):
    """Who has done a week's days has earned the rest of it; nobody is woken."""
    home = evening.at_home(days_per_week=1)
    evening.rig.now = EVENING - timedelta(hours=3)
    home.send(home.done())
    evening.rig.now = EVENING + timedelta(days=1)
    assert evening.turn() == 0
    assert evening.states() == ["skipped"]
    other = evening.at_home()
    evening.rig.now = EVENING + timedelta(days=2, hours=5)
    assert evening.turn() == 0
    assert other.programme
    assert evening.states() == ["skipped"]


def test_a_server_that_refuses_is_asked_again_or_not(evening):
    """4xx: later; 5xx: never; a line that breaks behind the message: it may have arrived, so never twice."""
    evening.at_home()
    days = (["451 busy"], ["451 busy"] * 9, ["550 no such person"], ["BREAK"])
    for number, answers in enumerate(days):
        evening.mail.answers[:] = answers
        evening.rig.now = EVENING + timedelta(days=number)
        for wait in (timedelta(), *WAITS, timedelta(minutes=60)):
            evening.rig.now += wait
            evening.turn()
    assert evening.states() == ["sent", "failed", "failed", "unknown"]
    assert len(evening.mail.mails) == 2


def test_a_crash_leads_to_one_reminder_or_none_and_never_to_two(evening):
    """Claimed and not begun: taken up again. Begun: nobody knows, so it is not sent twice."""
    for state in ("claimed", "sending"):
        one = store.Due(UUID(evening.at_home().programme), TODAY)
        with writing(evening.rig.engine) as connection:
            assert [store.claim(connection, one, 0) for _ in range(2)] == [True, False]
            store.put(connection, one, state)
    assert [evening.turn() for _ in range(2)] == [1, 0]
    assert sorted(evening.states()) == ["sent", "unknown"]


def test_what_waits_is_not_sent_on_another_day(evening):
    """Yesterday's reminder helps nobody."""
    evening.at_home()
    evening.mail.answers += ["451 busy"]
    with pytest.raises(Unreachable, match="1 reminders wait: 451 busy"):
        Reminding(evening.rig.office, evening.rig.settings, lambda: evening.rig.now).turn()
    evening.rig.now = EVENING + timedelta(hours=12)
    assert evening.turn() == 0
    assert evening.states() == ["skipped"]
