"""The page in front of the patient in a real browser: calm, large, and never an old number."""

import re

import httpx
import pytest
from browser.conftest import shot, sideways
from console.clinic import alarm
from playwright.sync_api import expect
from servers import eventually

NUMBER = re.compile(r"^\d+$")


def field(page, name):
    return page.locator(f'[data-field="{name}"]')


@pytest.fixture
def patient_page(wall, north, open_page):
    """The patient's view of a bed."""

    def open_view(device="bed-01", query="", **options):
        return open_page(f"{wall.address}/beds/{device}/patient?site=north{query}", **options)

    return open_view


def test_pull_and_muscles_are_two_gauges_with_a_curve_each(patient_page):
    """What a patient feels is what the screen shows."""
    page = patient_page()
    expect(field(page, "pull")).to_have_text(NUMBER)
    expect(field(page, "muscle_word")).to_have_text("relaxed")
    expect(field(page, "pull_word")).to_have_text(re.compile(r"about \d+ kg"))
    expect(field(page, "left")).to_have_text(re.compile(r"about \d+ minutes left"))
    expect(field(page, "next")).to_have_text(re.compile(r"^Next: "))
    drawn = """() => [...document.querySelectorAll("[data-curve]")].every((canvas) =>
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((it) => it > 0))"""
    eventually(lambda: page.evaluate(drawn), what="a curve of each")
    shot(page, "patient")


def test_a_table_that_yields_is_said_plainly(patient_page):
    """The moment in which a patient has to do something: breathe out."""
    page = patient_page("bed-02")
    expect(page.get_by_role("heading", level=1)).to_have_text("The table yields")
    expect(field(page, "hint")).to_have_text("Breathe out, let go.")
    expect(page.locator("body")).to_have_attribute("data-mood", "yield")
    shot(page, "patient-yields")


def test_nobody_is_named_and_no_alarm_is_shown(patient_page, north):
    """Whoever walks past learns nothing, and whoever lies there is not frightened."""
    north.alarm("bed-01", alarm("over_force", "high", "ZUG 512 > 450 N", "TENSION 512 > 450 N"))
    page = patient_page()
    expect(field(page, "pull")).to_have_text(NUMBER)
    words = page.locator("body").inner_text()
    for secret in ("bed-01", "north", "TENSION", "512", "***", "Ada"):
        assert secret not in words.replace("To the bed", "")
    assert page.locator(".alarm").count() == 0


def test_a_free_bed_welcomes_without_numbers(patient_page):
    """An empty gauge would be a question."""
    page = patient_page("bed-03")
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome")
    expect(page.locator("#gauges")).to_be_hidden()
    expect(page.locator("#bar")).to_be_hidden()
    shot(page, "patient-welcome")


def test_a_bed_that_falls_silent_goes_calm_and_says_how_to_stop(patient_page, north):
    """A frozen number would be believed by the one person who cannot walk away."""
    page = patient_page()
    expect(field(page, "pull")).to_have_text(NUMBER)
    north.beds["bed-01"].silent = True
    expect(page.get_by_role("heading", level=1)).to_have_text("The picture is taking a break", timeout=8000)
    expect(field(page, "next")).to_have_text("Your team is nearby.")
    expect(page.get_by_text("You can stop at any time with the switch in your hand.")).to_have_count(1)
    expect(page.locator("#gauges")).to_be_hidden()
    shot(page, "patient-away")
    north.beds["bed-01"].silent = False
    expect(field(page, "pull")).to_be_visible(timeout=8000)


def test_a_console_that_is_gone_leaves_no_number_behind(patient_page, wall):
    """The page itself must notice that nobody talks to it any more."""
    page = patient_page(may_fail=("Failed to load", "ERR_"))
    expect(field(page, "pull")).to_have_text(NUMBER)
    wall.process.kill()
    expect(page.get_by_role("heading", level=1)).to_have_text("The picture is taking a break", timeout=8000)
    expect(page.locator("#gauges")).to_be_hidden()


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1440, 900), (390, 844)])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_is_large_speaks_german_and_fits_every_screen(patient_page, wall, width, height, theme):
    """It is read from two metres, lying down, without glasses."""
    page = patient_page(width=width, height=height, locale="de-DE")
    page.goto(f"{wall.address}/preferences?theme={theme}&next=/beds/bed-02/patient?site=north")
    expect(page.get_by_role("heading", level=1)).to_have_text("Die Liege gibt nach")
    expect(field(page, "hint")).to_have_text("Ausatmen, loslassen.")
    expect(field(page, "pull")).to_have_text(NUMBER)
    assert sideways(page) <= 0
    if width > 1000:
        assert page.evaluate("document.documentElement.scrollHeight") <= height
        sizes = "(it) => parseFloat(getComputedStyle(it).fontSize)"
        assert page.get_by_role("heading", level=1).evaluate(sizes) >= 64
        assert field(page, "next").evaluate(sizes) >= 36
    shot(page, f"patient-{width}-{theme}")


def test_who_wants_less_motion_gets_none(patient_page):
    """Moving things make some people dizzy, lying down all the more."""
    page = patient_page("bed-03", reduced_motion="reduce")
    style = "(it) => getComputedStyle(it).animationName"
    assert page.locator(".breath span").evaluate(style) == "none"


def test_the_pointer_goes_away_and_comes_back(patient_page):
    """An arrow in the middle of the picture is all one looks at."""
    page = patient_page()
    expect(page.locator("body")).to_have_class(re.compile("quiet"), timeout=6000)
    page.mouse.move(200, 200)
    expect(page.locator("body")).not_to_have_class(re.compile("quiet"))


def test_a_link_opens_one_bed_and_nothing_else_until_it_is_withdrawn(patient_page, open_page, wall, north):
    """A monitor in a treatment room belongs to nobody: what it holds must open nothing more."""
    with httpx.Client(base_url=wall.address, headers=wall.people.headers("ada"), trust_env=False) as client:
        made = client.post("/api/screens", json={"site": "north", "device": "bed-01", "days": 7}).json()
        page = open_page(f"{wall.address}{made['address']}", user=None)
        expect(field(page, "pull")).to_have_text(NUMBER)
        expect(page.get_by_role("link", name="To the bed")).to_have_count(0)
        secret = made["address"].partition("view=")[2]
        for path in ("/beds/bed-02/patient?site=north&", "/beds/bed-01/patient?site=south&"):
            assert httpx.get(f"{wall.address}{path}view={secret}", trust_env=False).status_code == 404
        for path in ("/api/beds", "/events", "/beds/bed-01", "/api/screens?site=north&device=bed-01"):
            joint = "&" if "?" in path else "?"
            answer = httpx.get(f"{wall.address}{path}{joint}view={secret}", trust_env=False)
            assert answer.status_code == 401, path
        assert client.post("/api/screens/withdraw", json={"screen": made["id"]}).status_code == 200
        expect(page.get_by_role("heading", level=1)).to_have_text("This picture has ended", timeout=6000)
        again = httpx.get(f"{wall.address}{made['address']}", trust_env=False)
        assert again.status_code == 401


def test_a_link_is_made_and_withdrawn_on_the_beds_page(wall, north, open_page):
    """Who sets up a room has a browser, no shell."""
    wall.people.person("tim", "therapist@north")
    page = open_page(f"{wall.address}/beds/bed-01?site=north", user="tim", may_fail=("503",))
    page.get_by_text("Patient's screen", exact=True).click()
    expect(page.get_by_text("At present no link opens this view.")).to_be_visible()
    page.get_by_label("Valid for").select_option("7")
    page.get_by_role("button", name="Make a link").click()
    address = page.locator(".screens-address code")
    expect(address).to_have_text(re.compile(f"^{wall.address}/beds/bed-01/patient"))
    expect(page.locator("#screens-list li")).to_contain_text("by tim")
    screen = open_page(address.text_content(), user=None)
    expect(field(screen, "pull")).to_have_text(NUMBER)
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator("#screens-list li")).to_have_count(0)
    expect(screen.get_by_role("heading", level=1)).to_have_text("This picture has ended", timeout=6000)
