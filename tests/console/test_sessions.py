"""Finding past sessions at the console, on a real telemetry."""

from uuid import UUID, uuid4

import pytest
from console.past_rig import APPOINTMENT, shown
from console.session_rig import SessionRig
from simulated_session import CURE, PATIENT, SESSION

from services.console.sessions.asking import PAGE_ROWS

pytestmark = pytest.mark.system


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


def test_an_id_that_opens_nothing_leaves_the_list_with_the_words_why(rig):
    """A mistyped id is corrected beside the list, not on an empty page."""
    for typed, words in (("not-an-id", "not-an-id"), (str(uuid4()), "Nothing that you may see")):
        answer = rig.get("ada", "/sessions", params={"q": typed})
        text = shown(answer)
        assert answer.status_code == 422
        assert words in text
        assert f'href="/sessions/{SESSION}"' in text
        assert text.index('class="past-filters"') < text.index('class="past-open"')
