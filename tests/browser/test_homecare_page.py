"""A patient's telephone: a programme, pain, a day without a network, a link that is revoked."""

import re
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.at_address import AtAddress, Phone
from browser.conftest import WATCH_POLICY, shot, sideways
from homecare.at_home import Home
from playwright.sync_api import expect
from servers import eventually

AXE = Axe()
LONG_MS = 120_000  # longer than any of the two exercises takes
NOTHING_KEPT = """() => new Promise((resolve) => {
  const opening = indexedDB.open("spondyl-home");
  opening.onsuccess = () => {
    const counting = opening.result.transaction("kept").objectStore("kept").count();
    counting.onsuccess = () => { opening.result.close(); resolve(counting.result === 0); };
  };
})"""
# What the page makes of a plan and of what was done, its book filled by hand.
STATUSES = """async ([programme, done]) => {
  const { exercises } = await import("/h/app/plan.js");
  const [day] = programme.days;
  const book = {
    programme, day: () => day, isHurt: () => false, isDone: () => false,
    doneOn: (on) => done.filter((one) => one.day === on),
  };
  return exercises(book, day.day).map(({ status }) => status);
}"""
BRIDGE, BELLY = "Brücke", "Bauch anspannen"


@pytest.fixture(scope="module")
def homecare(tmp_path_factory):
    """One service for all of them."""
    with AtAddress(tmp_path_factory.mktemp("homecare")).served() as rig:
        expect.set_options(timeout=30_000)
        yield rig
        expect.set_options(timeout=5_000)


@pytest.fixture
def phone(browser, homecare):
    """Somebody's, with two exercises that are open at home."""
    made = Phone(browser, homecare, Home(homecare), WATCH_POLICY)
    made.open()
    expect(made.page.get_by_role("heading", name="Guten Morgen")).to_be_visible()
    expect(made.page.get_by_text("2 Übungen, etwa")).to_be_visible()
    yield made
    made.end()


def look(phone, heading):
    """The screen of this heading: read by all, no wider than the telephone."""
    page = phone.page
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_focused()
    page.emulate_media(color_scheme="dark")
    in_the_dark = AXE.run(page, options={"runOnly": ["color-contrast"]})
    page.emulate_media(color_scheme="light")
    for found in (in_the_dark, AXE.run(page)):
        assert found.violations_count == 0, found.generate_report()
    assert sideways(page) <= 0


def begin(phone, name):
    """Into the guided exercise."""
    phone.page.get_by_role("button", name=name).click()
    phone.tap("Starten")
    expect(phone.page.get_by_role("timer")).to_be_visible()


def do(phone, name):
    """The exercise to its end."""
    begin(phone, name)
    phone.page.clock.run_for(LONG_MS)
    expect(phone.page.get_by_role("heading", name="Geschafft!")).to_be_visible()


def answer_pain(phone, value=6):
    """Where, how much, no warning sign, sent."""
    phone.tap("Unterer Rücken")
    phone.page.get_by_role("button", name=re.compile(f"^{value},")).click()
    phone.tap("Nein, nichts davon")
    phone.tap("An die Klinik senden")


def is_told(phone, count):
    """The clinic has so many entries; meanwhile the page goes on."""

    def told():
        phone.page.wait_for_timeout(50)
        return len(phone.entries()) == count

    eventually(told, 30.0, f"{count} entries")


def test_a_whole_day_from_the_first_exercise_to_the_thanks(phone):
    """What somebody of seventy does alone: one thing at a time, each screen said and tapped."""
    page = phone.page
    look(phone, "Guten Morgen")
    phone.tap("Los geht’s")  # noqa: RUF001  (as it stands on the button)
    look(phone, BRIDGE)
    phone.tap("Starten")
    look(phone, BRIDGE)
    expect(page.get_by_text("Wiederholung 1 von 5", exact=True)).to_be_visible()
    phone.tap("Pause")
    expect(page.get_by_text("Angehalten", exact=True).first).to_be_visible()
    page.clock.run_for(LONG_MS)
    expect(page.get_by_text("Wiederholung 1 von 5", exact=True)).to_be_visible()
    phone.tap("Weiter")
    page.clock.run_for(LONG_MS)
    look(phone, "Geschafft!")
    phone.tap("Nächste Übung")
    phone.tap("Starten")
    expect(page.get_by_role("timer")).to_be_visible()
    page.clock.run_for(LONG_MS)
    expect(page.get_by_text("Das war die letzte Übung für heute.")).to_be_visible()
    phone.tap("Abschließen")
    look(phone, "Wie stark sind Ihre Schmerzen jetzt?")
    page.get_by_role("button", name="2, Leicht").click()
    look(phone, "Vielen Dank")
    shot(page, "homecare-thanks")
    expect(page.get_by_text("Ihre Klinik hat alles bekommen.")).to_be_visible()
    phone.tap("Zur Übersicht")
    expect(page.get_by_text("Alles geschafft für heute. Sehr gut!")).to_be_visible()
    done = phone.entries("exercise")
    assert {(row["exercise"], row["data"]["stopped"], tuple(row["marks"])) for row in done} == {
        ("bridge", False, ()), ("abdominal-tightening", False, ()),
    }  # fmt: skip
    assert [row["data"]["pain_after"] for row in phone.entries("session")] == [2]


def test_pain_stops_at_once_and_locks_until_the_clinic_has_answered(phone):
    """One tap; no reload, no lost network opens it again, the clinic's answer does."""
    page = phone.page
    begin(phone, BRIDGE)
    page.clock.run_for(8_000)
    phone.tap("Es tut weh")
    look(phone, "Wo tut es weh?")
    expect(page.get_by_role("timer")).to_have_count(0)
    phone.open()  # killed before a word was said: it asks again
    page = phone.page
    phone.tap("Unterer Rücken")
    look(phone, "Wie stark ist der Schmerz?")
    page.get_by_role("button", name="6, Mäßig").click()
    page.get_by_role("button", name=re.compile("Blase oder Darm")).click()
    phone.tap("Weiter")
    look(phone, "Möchten Sie noch etwas sagen?")
    expect(page.get_by_role("link", name="112 anrufen")).to_have_attribute("href", "tel:112")
    page.get_by_label("Mit Ihren Worten").fill("Es zieht")
    phone.tap("An die Klinik senden")
    look(phone, "Rufen Sie jetzt den Notruf 112")
    expect(page.get_by_role("main").get_by_text("Ihre Klinik weiß Bescheid")).to_be_visible()
    phone.is_kept_for_offline()
    phone.goes_offline()
    page = phone.open()
    locked = page.get_by_role("button", name=re.compile(f"{BRIDGE}.*Gesperrt, weil es weh tat"))
    expect(locked).to_be_visible()
    (report,) = phone.rig.ask("GET", f"/programmes/{phone.home.programme}/diary")["pains"]
    assert (report["exercise"], report["pain_nrs"], report["during"], report["words"]) == (
        "bridge",
        6,
        True,
        "Es zieht",
    )
    body = {"request": str(uuid4()), "decision": "go_on", "words": "Bitte langsamer."}
    phone.rig.ask("POST", f"/pains/{report['entry']}/answer", json=body)
    phone.comes_back()
    expect(page.get_by_text("Bitte langsamer.")).to_be_visible()
    expect(locked).to_have_count(0)
    expect(page.get_by_role("button", name=BRIDGE)).to_be_visible()
    phone.tap("Es tut weh")  # at no exercise: all of them
    answer_pain(phone)
    phone.tap("Zur Übersicht")
    expect(page.get_by_text("Sie haben Schmerzen gemeldet.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Gesperrt, weil es weh tat"))).to_have_count(2)


def test_a_day_without_a_network_arrives_later_whole_and_once(phone):
    """Killed in the middle of a set, sent twice because an answer was lost: all of it, none of it twice."""
    phone.is_kept_for_offline()
    phone.goes_offline()
    begin(phone, BRIDGE)
    phone.page.clock.run_for(20_000)
    page = phone.open()
    expect(page.get_by_text("1 Eintrag wartet auf Verbindung")).to_be_visible()
    do(phone, BELLY)
    phone.tap("Nächste Übung")
    phone.tap("Es tut weh")
    answer_pain(phone)
    look(phone, "Ihre Meldung wartet auf Verbindung")
    page = phone.open()
    expect(page.get_by_text("3 Einträge warten auf Verbindung")).to_be_visible()
    assert phone.entries() == []
    page.route("**/entries", lambda route: (route.fetch(), route.abort()), times=1)
    phone.comes_back()
    is_told(phone, 3)
    page.clock.run_for(8_000)  # and again: the answer to the first was lost
    expect(page.get_by_text("auf Verbindung")).to_have_count(0)
    assert {(row["kind"], row["exercise"], row["data"].get("stopped")) for row in phone.entries()} == {
        ("exercise", "bridge", True), ("exercise", "abdominal-tightening", False), ("pain", "bridge", None),
    }  # fmt: skip
    assert len(phone.entries()) == 3


def test_no_telephone_goes_past_a_cap_or_out_of_the_programme(phone):
    """Whoever stops and begins again, has no network for days, or comes before the first day."""
    told = phone.page.evaluate("async () => (await fetch(`${location.pathname}/programme`)).json()")
    day = told["days"][0]
    for item in day["items"]:
        item |= {"seconds": 60, "most_s": 600}
    bridge, belly = (item["exercise"] for item in day["items"])

    def statuses(done=(), **changed):
        asked = [told | {"days": [day | changed]}, list(done)]
        return phone.page.evaluate(STATUSES, asked)

    def was(exercise, seconds, on=day["day"]):
        return {"exercise": exercise, "day": on, "seconds": seconds, "stopped": True}

    assert statuses([was(bridge, 540)]) == ["open", "open"]
    assert statuses([was(bridge, 541)]) == ["over_cap", "open"]
    assert statuses([was(bridge, 540), was(bridge, day["cap_s"] - 599)]) == ["over_cap", "over_cap"]
    assert statuses(is_inside=False) == ["outside", "outside"]
    told["caps"]["minutes_per_week"] = 10
    tuesday = {"day": "2026-11-24"}
    assert statuses([was(belly, 540)], **tuesday) == ["open", "open"]
    assert statuses([was(belly, 541)], **tuesday) == ["over_cap", "over_cap"]


def test_a_revoked_link_says_so_and_what_was_not_delivered(phone):
    """Plainly, with what to do; and the programme is no longer on the telephone."""
    page = phone.page
    phone.is_kept_for_offline()
    phone.goes_offline()
    do(phone, BRIDGE)
    phone.rig.ask("DELETE", f"/links/{phone.home.link}")
    phone.comes_back()
    look(phone, "Dieser Link gilt nicht mehr")
    expect(page.get_by_text("Montag, 23. November: geübt, 1 Minute")).to_be_visible()
    phone.goes_offline()
    page = phone.open()
    look(phone, "Dieser Link gilt nicht mehr")
    expect(page.get_by_text(BRIDGE)).to_have_count(0)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="This link is no longer valid")).to_be_visible()


def test_rules_for_every_day_and_what_the_page_keeps_can_be_read_and_deleted(phone):
    """The rest of the page, in both languages."""
    page = phone.page
    phone.tap("Regeln für jeden Tag")
    look(phone, "Regeln für jeden Tag")
    phone.tap("Zurück")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Good morning")).to_be_visible()
    phone.tap("About this page")
    look(phone, "About this page")
    phone.tap("Delete …")
    look(phone, "Really delete?")
    phone.tap("Yes, delete")
    look(phone, "Deleted")
    page.wait_for_function(NOTHING_KEPT)
