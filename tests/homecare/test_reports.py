"""Who needs a call today, what each day was, and the figures of a site."""

import csv
import io
from datetime import timedelta
from uuid import uuid4

import pytest
from homecare.reported import STARTED, begin, enter, hurt, noon, open_page
from sqlalchemy import event

from services.homecare.reports import calls

YESTERDAY = 27  # the rig's day is the twenty-ninth


def overview(rig, **query):
    """Its rows by their programmes, in their order."""
    found = rig.ask("GET", "/overview", params=query)
    return {row["programme"]: row for row in found["rows"]}


def spoken(row):
    return [call["id"] for call in row["calls"]]


@pytest.mark.requirement("call-the-patient")
def test_the_overview_tells_nothing_done_from_nothing_heard(rig):
    """One of them gets a question, the other a look at the telephone."""
    lazy, silent, good = (begin(rig) for _ in range(3))
    open_page(rig, lazy)
    open_page(rig, silent, noon(STARTED + timedelta(days=20)))
    open_page(rig, good)
    enter(rig, good, range(28))
    rows = overview(rig, site="north")
    week = {name: rows[name]["adherence"]["7"] for name in rows}
    assert (week[lazy]["percent"], week[lazy]["due"], week[lazy]["missing"]) == (0, 5, 0)
    assert (week[silent]["percent"], week[silent]["missing"]) == (None, 7)
    assert (week[good]["percent"], week[good]["minutes"]) == (100, 35)
    assert [spoken(rows[name]) for name in (silent, lazy, good)] == [["nothing-heard"], ["adherence-low"], []]
    assert list(rows) == [silent, lazy, good]
    assert rows[good]["last_pain"] is None
    assert rows[good]["urgency"] is None


@pytest.mark.requirement("call-the-patient")
def test_a_report_without_an_answer_stands_above_everything_whatever_became_of_the_programme(rig):
    """Ending a programme does not answer what its patient reported."""
    quiet, ended = begin(rig), begin(rig)
    open_page(rig, quiet)
    entry = hurt(rig, ended, YESTERDAY, 8, signs=["saddle-numbness"])
    reason = {"request": str(uuid4()), "reason": "moved away"}
    rig.ask("POST", f"/programmes/{ended}/end", json=reason)
    rows = overview(rig)
    assert next(iter(rows)) == ended
    assert spoken(rows[ended]) == ["warning-sign", "pain-open"]
    assert "Taubheit" in rows[ended]["calls"][0]["words"]["de"]
    assert "8" in rows[ended]["calls"][1]["words"]["en"]
    assert rows[ended]["last_pain"] == {"day": "2026-11-22", "most": 8, "before": None, "after": None}
    told = {"request": str(uuid4()), "decision": "stays_off", "words": "Bitte kommen Sie vorbei."}
    rig.ask("POST", f"/pains/{entry}/answer", json=told)
    assert ended not in overview(rig)
    assert ended in overview(rig, state="ended")


def test_every_reason_for_a_call_speaks_in_both_languages(rig):
    """Each row of the table is found in something that happens."""
    done, waiting = begin(rig, weeks=5), begin(rig, signed=())
    open_page(rig, done)
    open_page(rig, waiting)
    enter(rig, done, [20], marks=["locked"])
    enter(rig, done, [YESTERDAY - 1], marks=["locked"])
    for number, nrs in ((17, 1), (18, 1), (25, 4), (26, 5)):
        enter(rig, done, [number], "session", pain_before=0, pain_after=nrs, seconds=300)
    hurt(rig, done, 26, 5, signs=["bladder-bowel"])
    silent = begin(rig)
    rows = overview(rig)
    said = {call["id"]: call for name in (done, waiting, silent) for call in rows[name]["calls"]}
    assert set(said) == {rule.id for rule in calls.rules()}
    assert all(call["words"]["de"] != call["words"]["en"] for call in said.values())
    assert all("{" not in words for call in said.values() for words in call["words"].values())
    assert "locked" in said["locked-entry"]["words"]["en"]
    assert rows[waiting]["waiting"] == {"bridge": 1, "abdominal-tightening": 1}


def test_every_reason_has_something_that_looks_for_it():
    """A row of the table that nothing reads would never speak."""
    assert {rule.id for rule in calls.rules()} == set(calls.LOOKING)


def test_thirty_programmes_cost_as_many_statements_as_one(rig):
    """The page is open all day at every site."""

    def asked():
        told = []
        count = lambda *given: told.append(given[2])
        event.listen(rig.engine, "before_cursor_execute", count)
        rows = overview(rig)
        event.remove(rig.engine, "before_cursor_execute", count)
        return len(rows), len(told)

    enter(rig, begin(rig), range(5))
    one = asked()
    for _ in range(29):
        enter(rig, begin(rig, signed=()), range(2))
    assert one[0] == 1
    assert asked() == (30, one[1])


@pytest.mark.requirement("mark-what-was-closed")
def test_a_report_says_what_each_day_was(rig):
    """Done, nothing, closed and why, not heard of since; nothing of it is a zero that nobody measured."""
    programme = begin(rig)
    enter(rig, programme, [0, 1, 14])
    enter(rig, programme, [3], marks=["locked"])
    enter(rig, programme, [1], "session", pain_before=2, pain_after=1, seconds=300)
    now, rig.now = rig.now, noon(STARTED + timedelta(days=7))
    turn = {"reason": "on holiday"}
    rig.ask("POST", f"/programmes/{programme}/pause", json=turn | {"request": str(uuid4())})
    rig.now = noon(STARTED + timedelta(days=9))
    rig.ask("POST", f"/programmes/{programme}/resume", json=turn | {"request": str(uuid4())})
    rig.now = now
    found = rig.ask("GET", f"/programmes/{programme}/report")
    days = found["days"]
    assert [days[number]["status"] for number in (0, 1, 2, 3, 7, 9, 14, 15, 27)] == [
        "done", "done", "nothing", "nothing", "closed", "closed", "done", "missing", "missing",
    ]  # fmt: skip
    assert days[7]["closed"] == "paused"
    assert days[3]["marks"] == ["locked"]
    assert days[1]["pain"] == {"most": 2, "before": 2, "after": 1}
    assert days[0]["pain"] == {"most": None, "before": None, "after": None}
    assert (found["from"], found["to"], len(days)) == ("2026-10-26", "2026-11-23", 29)
    assert found["last_heard"].startswith("2026-11-09")
    assert [week["missing"] for week in found["weeks"]] == [0, 0, 6, 7]
    assert {row["exercise"]: row["ceiling_level"] for row in found["levels"]} == {
        "bridge": 2, "abdominal-tightening": 2,
    }  # fmt: skip


def test_impossible_times_are_refused(rig):
    """Both ends, in words; never an error of ours."""
    programme = begin(rig)
    for query in (
        {"from": "2026-11-23", "to": "2026-11-22"}, {"from": "2020-01-01", "to": "2026-01-01"},
        {"from": "0001-01-01", "to": "9999-12-31"}, {"from": "2026-02-30"}, {"from": "9999-12-31"},
        {"to": "0001-01-01"},
    ):  # fmt: skip
        for path in (f"/programmes/{programme}/report", "/report", "/report.csv"):
            answer = rig.knock("GET", path, params=query)
            assert answer.status_code == 422, (path, query, answer.text)
    said = rig.knock("GET", "/report", params={"from": "2020-01-01", "to": "2026-01-01"}).json()
    assert "2193 Tage: 1 bis 400" in said["detail_de"]
    assert "2193 days: 1 to 400" in said["detail"]


def test_the_figures_of_a_site_say_what_is_not_known(rig):
    """A median over those who were heard of, and how many were not."""
    good, half, silent = (begin(rig) for _ in range(3))
    for programme in (good, half):
        open_page(rig, programme)
    enter(rig, good, range(28))
    enter(rig, half, [number for number in range(28) if number % 7 in (0, 1)])
    hurt(rig, half, 20, exercise="abdominal-tightening")
    south = begin(rig, "south")
    found = rig.ask("GET", "/report")
    assert [row["site"] for row in found["sites"]] == ["north", "south"]
    north = found["sites"][0]
    assert (north["programmes"], north["states"]["running"]) == (3, 3)
    assert north["adherence"] == {
        "lower_quartile": 55.0, "median": 70.0, "upper_quartile": 85.0, "known": 2, "unknown": 1,
    }  # fmt: skip
    assert (north["with_pain_reports"], north["with_pain_reports_percent"]) == (1, 33.3)
    assert found["sites"][1]["adherence"]["median"] is None
    assert found["total"]["days"]["missing"] == 2 * 28
    only = rig.ask("GET", "/report", role="therapist", sites=["south"])
    assert [row["site"] for row in only["sites"]] == ["south"]
    assert (
        rig.knock("GET", "/overview", params={"site": "north"}, role="therapist", sites=["south"]).status_code
        == 404
    )
    assert {silent, south} <= set(overview(rig))


def test_the_table_has_a_line_a_figure_and_leaves_empty_what_is_not_known(rig):
    """A spreadsheet would count an unknown zero."""
    begin(rig)
    answer = rig.knock("GET", "/report.csv", params={"site": "north"})
    rows = {(row["site"], row["measure"]): row["value"] for row in csv.DictReader(io.StringIO(answer.text))}
    assert answer.headers["content-type"].startswith("text/csv")
    assert rows["north", "adherence.median"] == ""
    assert rows["north", "programmes"] == "1"
    assert rows["", "states.running"] == "1"


def test_whoever_looks_stands_in_the_audit_trail(rig):
    """Every page about patients does."""
    programme = begin(rig)
    overview(rig, site="north")
    rig.ask("GET", f"/programmes/{programme}/report")
    rig.ask("GET", "/report")
    said = [row["action"] for row in rig.trail()][-3:]
    assert said == ["overview.seen", "report.seen", "figures.seen"]
