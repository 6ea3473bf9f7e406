"""Past sessions in a browser: find, open, look closer, compare, export, note, print."""

import json
import re

import pytest
from browser.conftest import shot
from console.session_rig import SessionRig
from history_rig import OFFSET
from playwright.sync_api import expect
from servers import Valkey, eventually
from simulated_session import CURE, SESSION

SPIKE_SEQ = OFFSET + 1517
SPIKE_N = 512.3
SPIKE_S = (SPIKE_SEQ - OFFSET) * 0.02
# How many pixels of the curve have the colour of a high alarm, which nothing else may have.
RED_PIXELS = """() => {
  const canvas = document.querySelector("#plot canvas");
  const style = getComputedStyle(document.documentElement).getPropertyValue("--high").trim();
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(style.slice(at, at + 2), 16));
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4)
    if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) count++;
  return count;
}"""
PAGES = {"list": "/sessions", "one": f"/sessions/{SESSION}", "cure": f"/cures/{CURE}/sessions"}


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A session with one sample far above all others, and two more of its cure."""
    directory = tmp_path_factory.mktemp("sessions")
    with Valkey(directory) as valkey:
        made = SessionRig(valkey.url, directory)
        made.spike(SPIKE_SEQ, SPIKE_N)
        made.alarm("over_force", SPIKE_SEQ + 3, SPIKE_SEQ + 250, value=512.0, limit=380.0)
        made.history.store("archived")
        made.another(1, days=2, peak_n=331.0, pain_before=6, pain_after=3)
        made.another(2, days=4, peak_n=340.0, pain_before=5, pain_after=2)
        yield made
        made.close()


@pytest.fixture
def one(visit):
    """The session's page, its curve drawn and asked for."""
    page = visit(PAGES["one"])
    seen(page)
    return page


def seen(page, condition=lambda _: True):
    """What the plot shows, once that is so: from, to (s), stride, points, peak (N)."""
    box = page.locator("#plot")

    def look():
        data = box.evaluate("(it) => ({...it.dataset})")
        found = {name: float(value) for name, value in data.items() if name != "points"}
        return found if "peak" in found and condition(found) else None

    return eventually(look, 40.0, "the plot's part")


def test_a_session_is_found_opened_and_its_list_has_a_way_back(visit, address):
    """The way that a therapist goes twenty times a day, by keyboard."""
    page = visit("/sessions")
    page.locator("#f-bed").fill("bed-01")
    page.locator("#f-bed").press("Enter")
    expect(page.locator(".past-start")).to_have_count(3)
    page.locator(".past-start").last.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("bed-01")
    seen(page)
    page.get_by_role("navigation", name="Where you are").get_by_role("link", name="Sessions").click()
    expect(page).to_have_url(f"{address}/sessions")


def test_days_are_asked_for_only_between_two_days(visit):
    """Two empty fields that do nothing would be in everybody's way."""
    page = visit("/sessions")
    expect(page.get_by_label("From")).to_be_hidden()
    page.get_by_label("Time").select_option("dates")
    expect(page.get_by_label("From")).to_be_visible()


def test_a_pasted_cure_opens_its_sessions(visit, address):
    """Copied out of a letter."""
    page = visit("/sessions")
    page.get_by_role("textbox", name="Open by id").fill(str(CURE))
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page).to_have_url(f"{address}/cures/{CURE}/sessions")


def drag(page):
    left, top, width, height = page.locator(".u-over").bounding_box().values()
    middle = left + width * SPIKE_S / seen(page)["to"]
    page.mouse.move(middle - 40, top + height / 2)
    page.mouse.down()
    page.mouse.move(middle + 40, top + height / 2, steps=4)
    page.mouse.up()


def wheel(page):
    left, top, width, height = page.locator(".u-over").bounding_box().values()
    page.mouse.move(left + width * SPIKE_S / seen(page)["to"], top + height / 2)
    for _ in range(6):
        page.mouse.wheel(0, -100)


def keys(page):
    page.locator("#plot").focus()
    for key in "++":
        page.keyboard.press(key)


def buttons(page):
    for _ in range(2):
        page.get_by_role("button", name="Closer").click()


@pytest.mark.parametrize("way", [drag, wheel, keys, buttons])
def test_every_way_to_look_closer_asks_for_just_that_part(one, way):
    """At the pixel's width, and never wider than what is seen by more than a margin."""
    whole = seen(one)
    asked = []
    one.on("request", lambda request: asked.append(request.url) if "/curve?" in request.url else None)
    way(one)
    closer = seen(one, lambda now: now["to"] - now["from"] < 0.5 * (whole["to"] - whole["from"]))
    assert closer["stride"] < whole["stride"]
    first, after, width = (int(re.search(rf"{name}=(\d+)", asked[-1])[1]) for name in ("from", "to", "width"))
    assert (after - first) * 0.02 < 1.1 * (closer["to"] - closer["from"]) + 0.2
    assert abs(width - one.evaluate("document.querySelector('.u-over').clientWidth * devicePixelRatio")) < 3
    assert re.search(r"#t=[\d.]+-[\d.]+$", one.url)


def test_a_single_high_sample_is_seen_at_every_zoom(one):
    """From the whole session down to its very sample."""
    spans = []
    for half in (None, 20, 5, 1, 0.3):
        if half:
            one.evaluate(f"location.hash = '#t={SPIKE_S - half:.2f}-{SPIKE_S + half:.2f}'")
            span = 2 * half
            now = seen(one, lambda now, span=span: abs(now["to"] - now["from"] - span) < 0.05)
        else:
            now = seen(one)
        spans.append((now["stride"], now["peak"]))
    assert {peak for _, peak in spans} == {SPIKE_N}
    assert [stride for stride, _ in spans] == sorted((stride for stride, _ in spans), reverse=True)
    assert spans[-1][0] == 1
    shot(one, "session-close")


def test_arrows_move_and_zero_shows_everything(one):
    """Without a mouse."""
    whole = seen(one)
    keys(one)
    part = seen(one, lambda now: now["from"] > 0)
    one.keyboard.press("ArrowRight")
    moved = seen(one, lambda now: now["from"] > part["from"])
    assert moved["to"] - moved["from"] == pytest.approx(part["to"] - part["from"])
    one.keyboard.press("0")
    assert seen(one, lambda now: now["from"] == 0)["to"] == whole["to"]


def test_two_fingers_look_closer(visit):
    """On a tablet beside the bed."""
    page = visit(PAGES["one"], has_touch=True)
    whole = seen(page)
    page.evaluate("""() => {
      const over = document.querySelector(".u-over");
      const box = over.getBoundingClientRect();
      const send = (type, id, x) => over.dispatchEvent(new PointerEvent(type, {
        pointerId: id, pointerType: "touch", clientX: box.left + x * box.width, bubbles: true}));
      send("pointerdown", 1, 0.4); send("pointerdown", 2, 0.6);
      send("pointermove", 1, 0.2); send("pointermove", 2, 0.8);
      send("pointerup", 1, 0.2); send("pointerup", 2, 0.8);
    }""")
    third = (whole["to"] - whole["from"]) / 3
    now = seen(page, lambda now: now["from"] > 0)
    assert now["to"] - now["from"] == pytest.approx(third, rel=0.02)


def test_an_event_leads_to_its_place_on_the_curve(one):
    """The end of the session, fifteen seconds before it."""
    end = seen(one)["to"]
    one.locator(".past-events a").last.click()
    now = seen(one, lambda now: now["from"] > 0)
    assert now["to"] == pytest.approx(end, abs=0.2)
    assert now["to"] - now["from"] == pytest.approx(15, abs=0.5)


def test_an_alarm_stands_in_the_list_and_on_the_curve_in_its_priority(one):
    """Colour, symbol and text as the header had them; from the list to its place on the curve."""
    seen(one)
    line = one.locator('.past-events li[data-priority="high"]')
    expect(line).to_contain_text("*** TENSION 512 > 380 N")
    line.locator("a").click()
    now = seen(one, lambda now: now["from"] > 0)
    assert now["from"] < SPIKE_S + 0.06 < now["to"]
    eventually(lambda: one.evaluate(RED_PIXELS) > 20, what="the alarm's mark")


def test_a_part_that_cannot_be_read_is_said_and_the_curve_stays(visit, rig):
    """A blank picture would say that nothing was pulled."""
    one = visit(PAGES["one"], may_fail=("503",))
    seen(one)
    rig.away(is_away=True)
    try:
        one.get_by_role("button", name="Closer").click()
        expect(one.locator("#plot-note")).to_contain_text("could not be read: telemetry at")
        expect(one.locator("#plot canvas")).to_be_visible()
    finally:
        rig.away(is_away=False)
    one.get_by_role("button", name="All").click()
    expect(one.locator("#plot-note")).to_be_empty()


def test_a_part_that_cannot_be_read_is_said_in_german_to_who_reads_german(visit, rig):
    """The words of the refusal, too."""
    page = visit(PAGES["one"], may_fail=("503",), locale="de-DE")
    seen(page)
    rig.away(is_away=True)
    try:
        page.get_by_role("button", name="Näher").click()
        expect(page.locator("#plot-note")).to_contain_text("nicht lesen: Keine Verbindung zum Archiv unter")
    finally:
        rig.away(is_away=False)


def test_an_export_is_saved_under_its_name(one):
    """What the clinic's statistician opens."""
    with one.expect_download() as download:
        one.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == f"spondyl-{SESSION}.csv"
    lines = download.value.path().read_text().splitlines()
    assert len(lines) > 1000
    assert any(str(SPIKE_N) in line for line in lines)


def test_a_note_is_written_and_markup_in_it_is_text(one):
    """Signed by who wrote it."""
    one.get_by_label("New note").fill("<img src=x onerror=alert(1)> calm after 10 min")
    one.get_by_role("button", name="Add note").click()
    expect(one.locator("#notes .past-text").last).to_have_text(
        "<img src=x onerror=alert(1)> calm after 10 min"
    )
    expect(one.locator("#notes .past-lines")).to_contain_text("nora")


def test_sessions_of_a_cure_lie_over_each_other_and_each_can_be_taken_away(visit):
    """By its box, with the keyboard too."""
    page = visit(PAGES["cure"])
    eventually(lambda: page.locator("#plot").get_attribute("data-points"), 40.0, "the curves")
    boxes = page.locator("[data-toggle]")
    expect(boxes).to_have_count(3)
    boxes.nth(1).focus()
    page.keyboard.press("Space")
    expect(boxes.nth(1)).not_to_be_checked()
    expect(page.locator(".u-legend .u-series").nth(2)).to_have_class(re.compile("u-off"))
    shot(page, "cure")


@pytest.mark.parametrize(("width", "drawn"), [(1440, "1000"), (390, "440")])
def test_the_course_of_a_cure_is_drawn_for_the_width_that_shows_it(visit, width, drawn):
    """A desk's drawing on a phone has words of five pixels."""
    page = visit(PAGES["cure"], width=width)
    shown = page.locator(".past-course:visible")
    expect(shown).to_have_count(1)
    assert shown.get_attribute("data-width") == drawn
    words = shown.locator("text").first.bounding_box()
    assert words["height"] >= 12


# Pairs of words that lie on each other, or on a point of the course; lines of the legend that do.
OVERLAPPING = """() => {
  const box = (element) => element.getBoundingClientRect();
  const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const course = [...document.querySelectorAll(".past-course")].find((it) => it.checkVisibility());
  const words = [...course.querySelectorAll("text")];
  const marks = [...course.querySelectorAll("circle, rect, polyline")];
  const lines = [...document.querySelectorAll(".past-toggles .choice > span")];
  const on = (one, others) => others.filter((other) => other !== one && meets(box(one), box(other)));
  const named = (one, others) => on(one, others).map((it) => [one.textContent, it.outerHTML]);
  const found = (some, others) => some.flatMap((one) => named(one, others));
  const both = [...found(words, [...words, ...marks]), ...found(lines, lines)];
  return { words: words.length, lines: lines.length, found: both };
}"""


@pytest.mark.parametrize("locale", ["de-DE", "en-GB"])
@pytest.mark.parametrize("width", [1440, 390])
def test_no_word_of_a_comparison_lies_on_another_or_on_a_point(visit, width, locale):
    """On a phone the newtons of a peak stood on its line and on the pain beside it."""
    page = visit(PAGES["cure"], width=width, locale=locale)
    expect(page.locator(".past-toggles").first).to_be_visible()
    seen_now = page.evaluate(OVERLAPPING)
    assert seen_now["words"] >= 4
    assert seen_now["lines"] >= 3
    assert seen_now["found"] == []


def test_two_sessions_are_ticked_and_compared(visit):
    """From the list."""
    page = visit("/sessions")
    for number in (0, 2):
        page.locator("input[name=session]").nth(number).check()
    page.get_by_role("button", name="Compare chosen sessions").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sessions compared")
    expect(page.locator("[data-toggle]")).to_have_count(2)


def test_without_scripts_a_session_is_found_seen_and_noted(visit):
    """A locked-down clinic's browser shows the curve that the server drew."""
    page = visit("/sessions", java_script_enabled=False)
    page.get_by_label("From").fill("2026-11-22")
    page.get_by_label("To, inclusive").fill("2026-11-22")
    page.get_by_role("button", name="Show").click()
    page.locator(".past-start").click()
    expect(page.locator("#drawn svg")).to_be_visible()
    expect(page.locator("#plot")).to_be_hidden()
    page.get_by_label("New note").fill("without a script")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#notes .past-text").last).to_have_text("without a script")


def test_paper_gets_the_whole_curve_and_no_buttons_on_one_page(one):
    """A sheet for the patient's file."""
    assert len(re.findall(rb"/Type\s*/Page\b", one.pdf(format="A4"))) == 1
    one.emulate_media(media="print")
    expect(one.locator("#drawn svg")).to_be_visible()
    expect(one.locator("#plot")).to_be_hidden()
    expect(one.get_by_role("button", name="Add note")).to_be_hidden()
    expect(one.locator(".top")).to_be_hidden()


def test_the_curve_on_paper_has_the_alarm_where_it_was_by_colour_and_symbol(one):
    """A sheet in the file is read when no screen is there to ask."""
    one.emulate_media(media="print")
    mark = one.locator('#drawn .drawn-mark[data-priority="high"]')
    expect(mark).to_be_visible()
    expect(one.locator("#drawn .drawn-symbol")).to_have_text("***")
    curve = one.locator("#drawn svg").bounding_box()
    middle = mark.bounding_box()
    share = (middle["x"] + middle["width"] / 2 - curve["x"]) / curve["width"]
    total = json.loads(one.locator("#record").text_content())["total_s"]
    assert share == pytest.approx((56 + (1000 - 56) * (SPIKE_S + 0.06) / total) / 1000, abs=0.01)
    shot(one, "session-print")
