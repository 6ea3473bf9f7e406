"""Past sessions at the console, on a real telemetry: finding, opening, comparing, exporting, noting."""

import html
import re
from itertools import pairwise
from uuid import UUID, uuid4

import orjson
import pytest
from console.session_rig import SessionRig
from history_rig import OFFSET
from servers import Valkey
from simulated_session import CURE, PATIENT, PERIOD_NS, SESSION, STARTED_NS
from sqlalchemy import insert

from services.console.sessions.asking import PAGE_ROWS
from services.console.sessions.comparing import FACTS, MOST
from services.console.sessions.models import Session
from services.console.sessions.notes import MOST_CHARACTERS
from services.console.tables import TRAIL
from services.kit.formats import MINUS, NOTHING, UNBROKEN

pytestmark = pytest.mark.system
SPIKE_SEQ = OFFSET + 1517
SPIKE_N = 512.3
ALARM_SEQ = OFFSET + 1520
APPOINTMENT = UUID(int=0xA9)


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A session with one sample far above all others; three more of its cure; one of another site."""
    directory = tmp_path_factory.mktemp("sessions")
    with Valkey(directory) as valkey:
        made = SessionRig(valkey.url, directory, panels={"bed-01": "http://127.0.0.1:9/bed-01"})
        made.spike(SPIKE_SEQ, SPIKE_N)
        made.alarm("over_force", ALARM_SEQ, ALARM_SEQ + 250, value=512.0, limit=380.0)
        made.history.store("archived")
        made.another(1, days=2, peak_n=331.0, pain_before=6, pain_after=3, appointment=APPOINTMENT)
        made.another(2, days=4, peak_n=340.0, outcome="aborted", reason="patient_switch")
        made.another(3, days=9)
        made.another(9, days=1, site="south")
        yield made
        made.close()


def shown(answer):
    """The text of a page's content, without tags' escapes."""
    return html.unescape(answer.text[answer.text.index("<main") :])


def listed(rig, who, query=""):
    """The days (of November) and sites of the sessions that a list shows."""
    text = shown(rig.get(who, f"/sessions{query}"))
    rows = text.split("<tr>")[2:]
    return [
        (
            row.split('class="past-start"')[1].split(">")[1].split(",")[0],
            "south" if ">south<" in row else "north",
        )
        for row in rows
    ]


def test_sessions_stand_newest_first_with_what_they_came_to(rig):
    """The columns that a therapist looks for, in words."""
    days = [day for day, _ in listed(rig, "ada")]
    assert days == ["1 Dec 2026", "26 Nov 2026", "24 Nov 2026", "23 Nov 2026", "22 Nov 2026"]
    text = shown(rig.get("ada", "/sessions"))
    for words in ("331\N{NO-BREAK SPACE}N", "6 → 3", "lumbar, L4/L5", "aborted", "patient switch pressed"):
        assert words in text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?site=south", 1), ("?bed=bed-01", 5), ("?bed=bed-77", 0), (f"?cure={CURE}", 4),
        ("?region=lumbar", 5),
        ("?region=cervical", 0), ("?outcome=aborted", 1), ("?outcome=running", 0), (f"?patient={PATIENT}", 4),
        ("?since=2026-11-23&until=2026-11-24", 2), ("?span=dates&since=2026-11-26", 2),
        ("?span=&until=2026-11-22", 1),
    ],
)  # fmt: skip
def test_every_field_of_the_form_narrows_the_list(rig, query, count):
    """A day that is named belongs to it whole."""
    assert len(listed(rig, "ada", query)) == count


def test_a_list_has_only_what_its_reader_may_see(rig):
    """North's clinician does not learn that south treats anybody."""
    assert {site for _, site in listed(rig, "nora")} == {"north"}
    assert {site for _, site in listed(rig, "sam")} == {"south"}
    assert listed(rig, "nora", "?site=south") == []


@pytest.mark.parametrize(
    ("pasted", "address"),
    [
        (SESSION, f"/sessions/{SESSION}"), (CURE, f"/cures/{CURE}/sessions"),
        (PATIENT, f"/sessions?patient={PATIENT}"),
        (APPOINTMENT, f"/sessions/{UUID(int=0x5E55 << 112 | 1)}"),
        (f" {SESSION.hex} ", f"/sessions/{SESSION}"),
    ],
)  # fmt: skip
def test_any_id_that_is_pasted_opens_what_has_it(rig, pasted, address):
    """Whoever has an id in hand does not know of what."""
    answer = rig.get("ada", "/sessions", params={"q": str(pasted)})
    assert (answer.status_code, answer.headers["location"]) == (303, address)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"q": "bed-01"}, "bed-01 is no id"),
        ({"q": "<script>alert(1)</script>"}, "is no id"),
        ({"q": str(UUID(int=7))}, "Nothing that you may see has the id"),
        ({"cure": "x" * 10_000}, "is no id"),
        ({"since": "2026-02-30"}, "2026-02-30 is no day"),
        ({"until": "9999-01-01"}, "9999-01-01 is no day"),
        ({"since": "2026-11-24", "until": "2026-11-23"}, "lies before the first, 2026-11-24"),
        ({"outcome": "cured"}, "cured is no choice here; there are: running, completed, aborted, lost"),
        ({"cursor": "nonsense"}, "nonsense is no page of this list"),
    ],
)
def test_what_cannot_be_looked_for_is_said_with_its_reason(rig, query, words):
    """What, the value, what would do; never as markup of the page."""
    answer = rig.get("ada", "/sessions", params=query)
    assert answer.status_code == 422
    assert words in shown(answer)
    assert "<script>alert" not in answer.text


def test_a_long_list_comes_in_pages_that_miss_none(rig, tmp_path, valkey):
    """The next page begins where this one ends."""
    many = SessionRig(valkey.url, tmp_path)
    many.history.store("archived")
    for number in range(PAGE_ROWS + 3):
        many.another(100 + number, days=number)
    first = shown(many.get("ada", "/sessions"))
    following = first.split('rel="next" href="')[1].split('"')[0]
    second = shown(many.get("ada", f"/sessions{following}"))
    ids = [page.count('class="past-start"') for page in (first, second)]
    assert ids == [PAGE_ROWS, 4]
    assert 'rel="next"' not in second
    many.close()


def test_a_session_page_tells_everything_without_a_script(rig):
    """Curve, limits, summary, phases, events and where the rest would be."""
    answer = rig.get("nora", f"/sessions/{SESSION}")
    text = shown(answer)
    assert answer.status_code == 200
    for words in (
        '<path class="drawn-line" data-trace="tension" d="M', "Limit 380", "Peak 320", "Traction time",
        "Hold RMS error", "Time in phases", "Session started", "Session completed",
        "bedside panel does not answer", "spondyl replay", str(CURE),
    ):  # fmt: skip
        assert words in text
    assert ("nora", "session.seen", str(SESSION), "north") in rig.trail()


@pytest.mark.parametrize(
    ("language", "raised", "cleared"),
    [
        ("en", "*** TENSION 512 > 380 N", "Alarm cleared"),
        ("de", "*** ZUGKRAFT 512 > 380 N", "Alarm vorbei"),
    ],
)
def test_a_past_session_shows_its_alarms_in_the_list_and_on_the_curve(rig, language, raised, cleared):
    """Symbol, value and limit as they stood on the screen; who looks years later sees where it was."""
    answer = rig.get("nora", f"/sessions/{SESSION}", headers={"accept-language": language})
    text = shown(answer)
    (line,) = re.findall(r'<li data-type="alarm.raised" data-priority="high">.*?</li>', text)
    assert raised in line
    (end,) = re.findall(r'<li data-type="alarm.cleared">.*?</li>', text)
    assert cleared in end
    assert raised in end
    record = orjson.loads(re.search(r'id="record">(.*?)</script>', answer.text)[1])
    (mark,) = [mark for mark in record["marks"] if mark["type"] == "alarm.raised"]
    assert mark == {
        "at": round((ALARM_SEQ - OFFSET) * 0.02, 2), "until": None, "type": "alarm.raised", "text": raised,
        "priority": "high", "symbol": "***",
    }  # fmt: skip


def test_a_session_page_names_who_stopped_it_from_remote(rig):
    """The gateway's record says that it was the console; who sat there is in the trail."""
    row = {
        "seq": 10_000, "at_us": (STARTED_NS + PERIOD_NS * ALARM_SEQ) // 1000, "account": "t", "address": "",
        "name": "Tim Okafor", "action": "bed.stop", "site": "north", "record": "north/bed-01",
        "detail": '{"done":true}', "previous": "", "hash": "",
    }  # fmt: skip
    with rig.store.engine.begin() as connection:
        connection.execute(insert(TRAIL).values(row))
    for language, what, who in (
        ("en", "Stop from remote", "by Tim Okafor"), ("de", "Stopp aus der Ferne", "durch Tim Okafor"),
    ):  # fmt: skip
        text = shown(rig.get("nora", f"/sessions/{SESSION}", headers={"accept-language": language}))
        card = text[text.index('id="from-console"') :]
        assert f'<strong>{what}</strong> <span class="muted">{who}</span>' in card
    south = UUID(int=0x5E55 << 112 | 9)
    assert 'id="from-console"' not in shown(rig.get("ada", f"/sessions/{south}"))


@pytest.mark.parametrize("width", [10, 100, 700, 4000])
@pytest.mark.parametrize("around", [40, 400, None], ids=["close", "nearer", "whole"])
def test_one_high_sample_is_seen_at_every_zoom(rig, width, around):
    """A curve that smooths a peak away would hide what a clinician must see."""
    low, high = (SPIKE_SEQ - around, SPIKE_SEQ + around) if around else (OFFSET, 10**6)
    curve = rig.get("nora", f"/api/sessions/{SESSION}/curve?from={low}&to={high}&width={width}").json()
    assert len(curve["seq"]) <= width
    assert max(curve["greatest"]) == SPIKE_N
    assert all(earlier < later for earlier, later in pairwise(curve["seq"]))
    at = max(range(len(curve["seq"])), key=lambda row: curve["greatest"][row])
    assert curve["seq"][at] <= SPIKE_SEQ < curve["seq"][at] + curve["stride"]
    assert curve["phases"][0][0] == curve["seq"][0]


@pytest.mark.parametrize(
    "query", ["from=500&to=400&width=100", "from=0&to=99&width=5", "from=0&to=99&width=99999", "from=-1&to=9",
              "from=500", "from=1e9&to=2", f"from=0&to={10**30}"],
)  # fmt: skip
def test_an_absurd_window_is_refused_in_words(rig, query):
    """Never an empty curve that looks like a session without tension."""
    answer = rig.get("nora", f"/api/sessions/{SESSION}/curve?{query}", headers={"accept": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


WAYS = {
    "page": lambda rig, who, one: rig.get(who, f"/sessions/{one}"),
    "curve": lambda rig, who, one: rig.get(who, f"/api/sessions/{one}/curve?from=0&to=9"),
    "export": lambda rig, who, one: rig.get(who, f"/sessions/{one}/export?format=csv"),
    "note": lambda rig, who, one: rig.post(who, f"/sessions/{one}/notes", data={"text": "seen"}),
    "compare": lambda rig, who, one: rig.get(who, f"/sessions/compare?session={one}&session={uuid4()}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_another_sites_session_answers_like_one_that_does_not_exist(rig, way):
    """The difference would tell who is treated where."""
    nowhere = uuid4()
    before = rig.trail()
    theirs, none = (WAYS[way](rig, "sam", one) for one in (SESSION, nowhere))
    assert theirs.status_code == none.status_code == 404
    assert _plain(theirs) == _plain(none)
    assert rig.trail() == before


def _plain(answer):
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", shown(answer))


def test_another_sites_cure_answers_like_one_that_does_not_exist(rig):
    """A cure is known by its sessions alone."""
    theirs, none = rig.get("sam", f"/cures/{CURE}/sessions"), rig.get("sam", f"/cures/{UUID(int=5)}/sessions")
    assert theirs.status_code == none.status_code == 404
    assert _plain(theirs) == _plain(none)


@pytest.mark.parametrize(
    ("who", "path"),
    [
        ("moni", "/sessions"), ("moni", f"/sessions/{SESSION}"), ("moni", f"/cures/{CURE}/sessions"),
        ("tina", f"/sessions/{SESSION}/export?format=csv"),
        ("bill", f"/sessions/{SESSION}/export?format=csv"),
    ],
)  # fmt: skip
def test_who_may_not_is_told_which_role_may(rig, who, path):
    """A refusal that names nobody to ask is a dead end."""
    answer = rig.get(who, path)
    assert answer.status_code == 403
    assert "it comes with the role" in shown(answer)


def test_a_page_offers_only_what_its_reader_may_do(rig):
    """Billing reads; it neither notes nor exports."""
    bill, tina = (shown(rig.get(who, f"/sessions/{SESSION}")) for who in ("bill", "tina"))
    assert "/export?format" not in bill + tina
    assert "Add note" not in bill
    assert "Add note" in tina


@pytest.mark.parametrize("form", ["parquet", "csv", "edf", "fhir", "arrow"])
def test_an_export_is_telemetrys_own_file(rig, form):
    """The console adds and takes away nothing, and writes down who took it."""
    answer = rig.get("nora", f"/sessions/{SESSION}/export?format={form}")
    origin = rig.history.get(f"/sessions/{SESSION}/export?format={form}")
    assert answer.status_code == 200
    assert answer.content == origin.content
    for header in ("content-type", "content-disposition"):
        assert answer.headers[header] == origin.headers[header]
    assert rig.trail()[-1] == ("nora", "session.exported", str(SESSION), "north")


def test_a_format_that_is_none_is_refused_and_not_recorded(rig):
    """Nothing was taken."""
    before = rig.trail()
    answer = rig.get("nora", f"/sessions/{SESSION}/export?format=xls")
    assert answer.status_code == 422
    assert "xls is no form that a session can be saved in" in shown(answer)
    assert rig.trail() == before


def note(rig, who, text):
    return rig.post(who, f"/sessions/{SESSION}/notes", data={"text": text})


def test_a_note_stays_with_who_and_when_and_is_never_markup(rig):
    """What is written of a patient can be read for ten years, as it was written."""
    typed = "<script>alert('note')</script>\r\nLess tingling & no pain."
    answer = note(rig, "tina", typed)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sessions/{SESSION}#notes")
    page = rig.get("nora", f"/sessions/{SESSION}")
    assert "<script>alert" not in page.text
    assert "<script>alert('note')</script>\nLess tingling & no pain." in shown(page)
    assert ">tina<" in page.text
    assert ("tina", "note.added", str(SESSION), "north") in rig.trail()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 10_000, "The note has 10000 characters: at most 4000 are kept"),
        ("x" * (MOST_CHARACTERS + 1), "The note has 4001 characters"),
        (" \r\n ", "The note is empty"),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused_and_its_text_is_still_there(rig, text, words):
    """Cut in silence, or lost, it would be missed when it counts."""
    before = rig.trail()
    answer = note(rig, "tina", text)
    assert answer.status_code == 422
    assert words in shown(answer)
    assert text.strip() in answer.text
    assert rig.trail() == before


def test_who_may_not_write_notes_leaves_none(rig):
    """Billing reads them."""
    assert note(rig, "bill", "paid").status_code == 403
    assert "paid" not in shown(rig.get("bill", f"/sessions/{SESSION}"))


def test_a_page_of_others_cannot_write_a_note_in_my_name(rig):
    """The cookie alone is not enough."""
    headers = rig.accounts.headers("tina") | {"x-csrf-token": "guessed"}
    answer = rig.post("tina", f"/sessions/{SESSION}/notes", data={"text": "forged"}, headers=headers)
    assert answer.status_code == 403
    assert "forged" not in shown(rig.get("tina", f"/sessions/{SESSION}"))


def test_telemetry_away_is_a_page_with_a_way_to_try_again_and_loses_no_note(rig):
    """What was typed is in the form that comes back."""
    before = rig.trail()
    rig.away(is_away=True)
    try:
        for path in ("/sessions", f"/sessions/{SESSION}", f"/cures/{CURE}/sessions"):
            answer = rig.get("ada", path)
            assert answer.status_code == 503
            assert "No connection to the archive at http://127.0.0.1:9" in shown(answer)
            assert f'href="{path}"' in answer.text
        answer = note(rig, "tina", "a long thought")
        assert answer.status_code == 503
        assert "a long thought</textarea>" in answer.text
    finally:
        rig.away(is_away=False)
    assert rig.trail() == before
    assert "a long thought" not in rig.get("tina", f"/sessions/{SESSION}").text


def test_a_cure_shows_its_course_and_each_sessions_difference_to_the_first(rig):
    """Whether it gets better is seen at one look."""
    answer = rig.get("nora", f"/cures/{CURE}/sessions")
    text = shown(answer)
    first_peak = rig.history.session.summary.peak_n
    assert text.count('<circle class="course-peak"') == 2 * 4  # at a desk, on a phone
    assert text.count('data-toggle="') == 4
    assert f"+{round(331.0 - first_peak)}<" in text.replace("\n", "")
    assert rig.trail()[-1] == ("nora", "cure.seen", str(CURE), "north")


def told(**said):
    """A session whose summary says this, as the table compares it."""
    row = {
        "session": str(SESSION),
        "site": "north",
        "device": "bed-01",
        "state": "completed",
        "summary": said,
    }
    names = ("region", "segment", "cure", "patient", "appointment", "ended_at", "first_seq", "last_seq")
    return Session.of(row | dict.fromkeys(names) | {"started_at": "2026-11-22T09:00:00Z"})


@pytest.mark.parametrize(
    ("name", "mine", "value", "more"),
    [
        ("peak_n", 331.0, "331_N", "+11"), ("peak_n", 300.4, "300_N", f"{MINUS}20"),
        ("peak_n", 320.3, "320_N", ""), ("peak_n", None, NOTHING, ""),
        ("traction_s", 1290.0, "21_min_30_s", "+1_min_30_s"),
        ("traction_s", 1110.0, "18_min_30_s", f"{MINUS}1_min_30_s"),
        ("pain_after", 3, "3", f"{MINUS}2"), ("hold_rms_n", 1.25, "1,3_N", "+0,7"),
    ],
)  # fmt: skip
def test_a_number_stands_with_its_unit_and_its_difference_with_its_sign(name, mine, value, more):
    """A difference that both numbers' digits do not show is none; a hyphen is no minus."""
    first = told(peak_n=320.0, traction_s=1200.0, pain_after=5, hold_rms_n=0.6)
    fact = next(fact for fact in FACTS if fact.name == name)
    shown_now = fact.value(told(**{name: mine}), "de"), fact.more(told(**{name: mine}), first, "de")
    assert [text.replace(UNBROKEN, "_") for text in shown_now] == [value, more]


def test_a_session_without_samples_says_so_alone_and_beside_another(rig):
    """An empty frame looks like a page that is still loading."""
    south = UUID(int=0x5E55 << 112 | 9)
    alone = shown(rig.get("ada", f"/sessions/{south}"))
    assert "No samples are stored." in alone
    assert 'id="plot"' not in alone
    beside = shown(rig.get("ada", f"/sessions/compare?session={south}&session={SESSION}"))
    assert beside.count("No samples are stored.") == 1
    assert 'id="plot"' in beside


def test_chosen_sessions_are_compared_oldest_first(rig):
    """In whatever order they were ticked."""
    other = UUID(int=0x5E55 << 112 | 2)
    text = shown(rig.get("ada", f"/sessions/compare?session={other}&session={SESSION}"))
    assert text.index(f'href="/sessions/{SESSION}"') < text.index(f'href="/sessions/{other}"')
    assert text.count('data-toggle="') == 2


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 sessions were chosen"), (1, "1 sessions were chosen"), (MOST + 1, "two to 12")],
)
def test_too_few_or_too_many_to_compare_is_refused_with_the_limit(rig, count, words):
    """One is no comparison, thirteen lines are no picture."""
    answer = rig.get("ada", "/sessions/compare", params={"session": [str(uuid4()) for _ in range(count)]})
    assert answer.status_code == 422
    assert words in shown(answer)
    assert f'href="/sessions/{SESSION}"' in shown(answer)  # still on the list, nothing lost


def test_an_id_that_opens_nothing_leaves_the_list_with_the_words_why(rig):
    """A mistyped id is corrected beside the list, not on an empty page."""
    for typed, words in (("not-an-id", "not-an-id"), (str(uuid4()), "Nothing that you may see")):
        answer = rig.get("ada", "/sessions", params={"q": typed})
        text = shown(answer)
        assert answer.status_code == 422
        assert words in text
        assert f'href="/sessions/{SESSION}"' in text
        assert text.index('class="past-filters"') < text.index('class="past-open"')


def test_the_legend_of_compared_curves_tells_bed_and_second(rig):
    """Two sessions of one minute at two beds must not have the same line."""
    other = UUID(int=0x5E55 << 112 | 2)
    text = shown(rig.get("ada", f"/sessions/compare?session={other}&session={SESSION}"))
    lines = re.findall(r'data-toggle="\d+".*?<span>(.*?)</span></label>', text)
    assert [line[:10] for line in lines] == ["1. bed-01, "[:10], "2. bed-01, "[:10]]
    assert all(re.search(r"\d\d:\d\d:\d\d", line) for line in lines)


def test_pages_speak_german_to_who_reads_german(rig):
    """With the decimals and days of German."""
    german = {"accept-language": "de"} | rig.accounts.headers("nora")
    text = shown(rig.get("nora", f"/sessions/{SESSION}", headers=german))
    for words in (
        "Zusammenfassung",
        "22.11.2026, ",
        "Zeit in den Phasen",
        "4.000 Zeichen",
        "Sitzung begonnen",
    ):
        assert words in text
    assert "\N{EN DASH} N" not in text
    refused = rig.get("nora", "/sessions?q=nonsense", headers=german)
    assert "nonsense ist keine Kennung" in shown(refused)


@pytest.mark.parametrize(
    ("who", "path", "status", "words"),
    [
        ("nora", f"/sessions/{UUID(int=7)}", 404, f"Eine Sitzung {UUID(int=7)} ist hier nicht bekannt."),
        ("nora", f"/cures/{UUID(int=7)}/sessions", 404, f"Keine Sitzung der Kur {UUID(int=7)} ist hier be"),
        ("nora", "/sessions?cursor=nonsense", 422, "nonsense ist keine Seite dieser Liste"),
        ("nora", f"/sessions/{SESSION}/export?format=xls", 422, "xls ist keine Form"),
        (
            "moni", "/sessions", 403,
            "Ereignisse, Notizen. Das erlaubt die Rolle „Administration“ oder „Ärztin, Arzt“ oder",
        ),
    ],
)  # fmt: skip
def test_what_telemetry_refuses_is_said_in_german_to_who_reads_german(rig, who, path, status, words):
    """An English sentence on a German page reads as a fault of the program."""
    answer = rig.get(who, path, headers={"accept-language": "de"})
    assert answer.status_code == status
    text = shown(answer)
    assert words in text
    detail = re.search(r'error-detail" lang="(..)">(.*?)</p>', text)
    assert detail[1] == "de"


def test_a_german_page_says_in_german_that_telemetry_is_away_also_when_a_note_is_lost(rig):
    """With the address to look at."""
    german = {"accept-language": "de"}
    rig.away(is_away=True)
    try:
        listed_now = shown(rig.get("nora", "/sessions", headers=german))
        noted = rig.post("nora", f"/sessions/{SESSION}/notes", data={"text": "still here"}, headers=german)
    finally:
        rig.away(is_away=False)
    for text in (listed_now, shown(noted)):
        assert "Keine Verbindung zum Archiv unter http://127.0.0.1:9" in text
    assert "still here" in noted.text


def test_a_part_of_a_curve_that_is_refused_says_so_in_german_too(rig):
    """The page's script shows it."""
    part = rig.get(
        "nora", f"/api/sessions/{UUID(int=7)}/curve?from=0&to=9&width=10", headers={"accept": "*/*"}
    )
    assert part.status_code == 404
    assert part.json()["detail_de"] == f"Eine Sitzung {UUID(int=7)} ist hier nicht bekannt."
    assert part.json()["type"] == "urn:spondyl:problem:history-not-found"
