"""The audit trail's page and export, without a browser."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from console.room_rig import RoomRig
from sqlalchemy import event, text

import services.console
from services.console import chain_watch
from services.console.texts import TEXTS
from services.kit.database import writing
from services.kit.trail_pages import A_PAGE

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def rig(empty_room):
    """A console with an administrator of all sites, one of a site, and a therapist."""
    empty_room.person("ada", "administrator")
    empty_room.person("nora", "administrator@north")
    empty_room.person("tom", "therapist")
    return empty_room


def write(rig, count, **values):
    who = rig.person("tom", "therapist")
    for number in range(count):
        rig.console.trail.append(
            who, "session.seen", **{"record": f"session-{number}", "site": "north", **values}
        )


def numbers(html):
    """The numbers of the rows that a page shows, as they stand."""
    return [int(found) for found in re.findall(r'<td data-label="No\."[^>]*>(\d+)<', html)]


def page(rig, name="ada", path="/trail"):
    answer = rig.client(name, accept="text/html").get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_reading_the_trail_is_in_the_trail(rig):
    """Who watches the watchers: the page's first row is the look at it."""
    html = page(rig)
    assert numbers(html) == [1]
    assert "Trail read" in html
    assert ">ada<" in html


def test_pages_follow_each_other_without_a_row_lost_or_twice(rig):
    """Rows are written while somebody turns the pages."""
    write(rig, 2 * A_PAGE + 20)
    seen, path = [], "/trail"
    while path:
        html = page(rig, path=path)
        seen += numbers(html)
        older = re.search(r'rel="next" href="([^"]+)"', html)
        path = older and older.group(1).replace("&amp;", "&")
    assert seen == list(range(2 * A_PAGE + 21, 0, -1))


def test_one_page_is_one_query(rig):
    """Fifty rows are not fifty questions."""
    write(rig, 30)
    page(rig)
    queries = []
    event.listen(rig.console.store.engine, "before_cursor_execute", lambda *it: queries.append(it[2]))
    page(rig)
    few = len(queries)
    write(rig, 15)
    queries.clear()
    page(rig)
    assert len(queries) == few
    assert len([query for query in queries if "FROM console_trail" in query and "hash, " not in query]) <= 6


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("who=TOM", True), ("who=nobody", False), ("action=session.seen", True), ("action=user.added", False),
        ("record=session-1", True), ("record=%25", False), ("site=north", True), ("site=south", False),
        (f"first={datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}", False), ("last=2020-01-01", False),
        ("first=2020-01-01&last=2099-01-01", True), ("first=nonsense", True), (f"who={'x' * 9000}", False),
    ],
)  # fmt: skip
def test_filters_find_what_is_asked_for(rig, query, found):
    """Who saw this record, in March, at this site."""
    write(rig, 3)
    assert ("session-1" in re.sub(r'value="[^"]*"', "", page(rig, path=f"/trail?{query}"))) == found


def test_absurd_filters_find_what_there_is_and_break_nothing(people, tmp_path):
    """The calendar ends where no midnight follows, and PostgreSQL takes no NUL."""
    rig = RoomRig(
        tmp_path, console_database_url=people.store.engine.url.render_as_string(hide_password=False)
    )
    rig.person("ada", "administrator")
    write(rig, 2)
    found = {
        "first=0001-01-01&last=9999-12-31": 2, "last=1969-12-31": 0, "first=9999-12-31": 0,
        "who=a%00b": 0, "site=%00": 0,
    }  # fmt: skip
    for query, count in found.items():
        assert len(numbers(page(rig, path=f"/trail?action=session.seen&{query}"))) == count
        assert rig.client("ada").get(f"/trail.csv?{query}").status_code == 200
    rig.close()


def test_an_administrator_of_a_site_reads_that_sites_rows_only(rig):
    """Another clinic's trail is another clinic's."""
    write(rig, 1, record="ours")
    write(rig, 1, record="theirs", site="south")
    write(rig, 1, record="nobody's", site=None)
    html = page(rig, "nora")
    assert "ours" in html
    assert "theirs" not in html
    assert "nobody" not in html
    assert "theirs" not in rig.client("nora").get("/trail.csv").text


def test_who_may_not_read_it_does_not(rig):
    """A therapist's own doings are not theirs to look up."""
    assert rig.client("tom").get("/trail").status_code == 403
    assert rig.client("tom").get("/trail.csv").status_code == 403
    assert rig.client("tom").post("/trail/verify").status_code == 403


def test_script_in_every_field_stays_text(rig):
    """Whoever fails to sign in writes into this page."""
    who = rig.person("tom", "therapist")
    rig.console.trail.append(
        type(who)(who.account, SCRIPT, ()),
        SCRIPT,
        record=SCRIPT,
        site=SCRIPT,
        address=SCRIPT,
        detail={SCRIPT: SCRIPT},
    )
    html = page(rig, path=f"/trail?who={SCRIPT}")
    assert SCRIPT not in html
    assert "&lt;script&gt;" in html


def test_the_export_has_every_row_and_runs_no_formula(rig):
    """A spreadsheet computes what begins with an equals sign."""
    write(rig, 3)
    write(rig, 1, record="=HYPERLINK(1)")
    answer = rig.client("ada").get("/trail.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [int(row["seq"]) for row in rows] == [1, 2, 3, 4, 5]
    assert rows[3]["record"] == "'=HYPERLINK(1)"
    assert rows[4]["action"] == "trail.exported"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_verify_now_says_whether_the_chain_is_whole_and_names_the_bad_row(rig):
    """The page says it in words, and that somebody looked is a row."""
    write(rig, 3)
    assert rig.client("ada").post("/trail/verify").status_code == 303
    assert "The chain is whole" in page(rig)
    tamper(rig, 2)
    rig.client("ada").post("/trail/verify")
    html = page(rig)
    assert "The chain is broken" in html
    assert "Row 2 is not the one that was written" in html
    assert "Trail verified" in html


def tamper(rig, seq):
    """Who owns the database changes a row."""
    with writing(rig.console.store.engine) as connection:
        connection.execute(text("DROP TRIGGER IF EXISTS console_trail_no_update"))
        connection.execute(text(f"UPDATE console_trail SET name = 'nobody' WHERE seq = {seq}"))  # noqa: S608  (ours)


def chain(html):
    """What a page says of the chain, without tags."""
    card = re.search(r'id="chain".*?</form>', html, re.DOTALL)[0]
    return " ".join(re.sub(r"<[^>]*>", " ", card).split())


def test_the_page_says_which_rows_were_read_when_and_reads_what_was_written_since(rig):
    """`1 row checked` above a table of 26 rows is what was true at the start."""
    write(rig, 3)
    rig.console.chain.again()
    write(rig, 20)
    said = chain(page(rig))
    assert "checked: 24 of 24" in said  # (the look itself is the last)
    assert re.search(r"Read up to row 3: [^.]*\d{2}:\d{2}:\d{2}", said)
    assert re.search(r"Written since, rows 4 to 24, read: [^.]*\d{2}:\d{2}:\d{2}", said)
    german = rig.client("ada", accept="text/html").get("/trail", headers={"accept-language": "de"}).text
    assert "geprüft: 25 von 25" in chain(german)


def test_a_row_that_was_changed_since_the_last_look_is_told_when_the_page_is_opened(rig):
    """Nobody need press a button to be warned; and a row that was read before is read again on demand."""
    write(rig, 3)
    assert "checked: 4 of 4" in chain(page(rig))
    write(rig, 3)
    tamper(rig, 6)
    said = chain(page(rig))
    assert "The chain is broken Row 6 is not the one that was written" in said
    assert "checked" not in said


def test_a_long_chain_is_read_a_part_at_a_time_and_the_page_says_how_far(rig, monkeypatch):
    """A page must not wait for a million rows, nor say that they are whole."""
    monkeypatch.setattr(chain_watch, "MOST_AT_ONCE", 10)
    write(rig, 15)
    assert "As far as it was checked, the chain is whole (checked: 10 of 16 rows)" in chain(page(rig))
    assert "The chain is whole: each row is as it was written (checked: 17 of 17)" in chain(page(rig))


def test_a_page_does_not_wait_for_a_look_that_goes_on(rig):
    """The look at the start of a console with ten years of rows takes its time."""
    write(rig, 3)
    with rig.console.chain._turn:
        assert "Not checked to the end yet" in chain(page(rig))


def test_a_damaged_row_is_shown_as_far_as_it_can_be(rig):
    """The page must open just when something is wrong."""
    write(rig, 1)
    with writing(rig.console.store.engine) as connection:
        connection.execute(text("DROP TRIGGER console_trail_no_update"))
        connection.execute(text("UPDATE console_trail SET detail = '{', record = CAST(x'ff41' AS TEXT)"))
    assert "unreadable" in page(rig)


def test_details_are_called_in_the_readers_language(rig):
    """`done: false` is a program's word; what has no text is shown as it stands."""
    write(rig, 1, detail={"done": False, "odd_one": 7})
    german = rig.client("ada", accept="text/html").get("/trail", headers={"accept-language": "de"}).text
    assert '<span class="muted">bestätigt</span> <bdi>nein</bdi>' in german
    assert '<span class="muted">odd_one</span> <bdi>7</bdi>' in german


def test_a_cell_with_nothing_in_it_is_left_out_where_rows_are_cards(rig):
    """Eight lines a row, four of them dashes, is no page for a phone."""
    html = page(rig)
    for label in ("Record", "Site", "Details"):
        assert re.search(rf'<td data-label="{label}" class="is-nothing">', html)
    assert not re.search(r'<td data-label="(Who|What|When)" class="is-nothing">', html)


def test_every_action_that_is_recorded_has_its_words():
    """A code in place of a word tells an auditor nothing."""
    root = Path(services.console.__file__).parent
    call = re.compile(
        r'(?:record(?:_look)?|append|_say)\([^"()]*(?:\([^"()]*\)[^"()]*)*"([a-z_]+(?:\.[a-z_]+)?)"'
    )
    recorded = {name for path in root.rglob("*.py") for name in call.findall(path.read_text())}
    assert {"sign_in", "session.seen", "alarm.acknowledged", "user.added"} <= recorded
    actions = {name for name in recorded if "." in name or name.startswith("sign_")}
    assert {name for name in actions if f"action_{name}" not in TEXTS} == set()
