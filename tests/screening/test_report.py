"""The chain-wide report: counts with intervals, small groups kept back, nothing of sites one may not see."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
import scipy  # its parts are imported where they are used: `stats` takes two seconds
from access import somebody
from screening.treated import ended, hear

from services.kit.database import writing
from services.screening.errors import Invalid
from services.screening.outcomes.change import Course
from services.screening.outcomes.measures import MEASURES, Group, words
from services.screening.outcomes.report import Asked, as_csv
from services.screening.patients import store as patients
from services.screening.patients.models import Content

SITES = {"north": 6, "south": 7, "west": 2}


@pytest.fixture
def chain(rig):
    """Three sites with six, seven and two people; each had a cure of two sessions, every other improved."""
    number = 0
    for site, count in SITES.items():
        for _ in range(count):
            number += 1
            cure, patient = uuid4(), opened(rig, site, number)
            last = 3 if number % 2 else 6
            hear(rig, ended(patient, cure=cure, days_ago=2, pain_before=7, pain_after=6), site=site)
            hear(rig, ended(patient, cure=cure, days_ago=1, pain_before=last, pain_after=last - 1), site=site)
    return rig


def opened(rig, site, number):
    """A file, without the API's search for duplicates."""
    patient = uuid4()
    content = Content(family_name=f"Nr {number}", given_name="Test", birth_date=date(1970, 1, 1))
    with writing(rig.engine) as connection:
        patients.put_version(connection, somebody("clinician"), patient, 1, content, "")
        patients.open_row(connection, patient, site, content)
    return patient


def figure(group, name):
    """One figure of a group."""
    return next(row for row in group["measures"] if row["id"] == name)


def test_shares_and_means_have_their_counts_and_intervals(chain):
    """Against another's reckoning: 8 of 15 improved by two points or more."""
    found = chain.ask("GET", "/outcomes/report")
    improved = figure(found["total"], "pain-improved")
    assert (improved["k"], improved["n"]) == (8, 15)
    wilson = scipy.stats.binomtest(8, 15).proportion_ci(method="wilson")
    assert (improved["low"], improved["high"]) == pytest.approx((wilson.low, wilson.high))
    mean = figure(found["total"], "pain-cure")
    changes = [-4.0] * 8 + [-1.0] * 7
    student = scipy.stats.t.interval(0.95, 14, loc=sum(changes) / 15, scale=scipy.stats.sem(changes))
    assert (mean["low"], mean["high"]) == pytest.approx(student)
    assert mean["value"] == pytest.approx(sum(changes) / 15)


def test_a_small_group_is_kept_back_and_cannot_be_reckoned_from_the_rest(chain):
    """Two people at one site would be known by their neighbours; with the sum at hand so would one site."""
    found = chain.ask("GET", "/outcomes/report")
    by_site = {row["name"]: row for row in found["by"]["site"]}
    assert [name for name, row in by_site.items() if row["kept_back"]] == ["north", "west"]
    for name in ("north", "west"):
        assert all(row["value"] is None and row["n"] is None for row in by_site[name]["measures"])
    assert figure(by_site["south"], "patients")["value"] == 7
    alone = chain.ask("GET", "/outcomes/report?site=west")
    assert alone["total"]["kept_back"]
    assert alone["adverse"] is None


def test_an_event_of_somebody_untreated_hides_no_group(chain):
    """It has no figures of its own that others could be reckoned from."""
    patient = chain.patient()
    body = {
        "id": str(uuid4()), "kind": "dizziness", "grade": 1, "region": "cervical",
        "happened_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    chain.ask("POST", f"/patients/{patient}/adverse", json=body)
    (row,) = chain.ask("GET", "/outcomes/report")["by"]["region"]
    assert (row["name"], row["kept_back"]) == ("lumbar", False)


def test_a_reader_s_report_is_of_their_sites_alone(chain):
    """Another site counts like one that is not there, in sums and by name."""
    found = chain.ask("GET", "/outcomes/report", role="therapist", sites=("south",))
    assert figure(found["total"], "patients")["value"] == 7
    assert [row["name"] for row in found["by"]["site"]] == ["south"]
    theirs = chain.ask("GET", "/outcomes/report?site=north", role="therapist", sites=("south",))
    nobody = chain.ask("GET", "/outcomes/report?site=nowhere", role="therapist", sites=("south",))
    assert theirs["total"] == nobody["total"]
    assert theirs["by"] == nobody["by"]
    chain.ask("GET", "/outcomes/report", role="reception", status=403)


def test_the_csv_says_what_the_page_says(chain):
    """One line a figure; what is kept back is empty there, too."""
    answer = chain.client().get("/outcomes/report?format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    found = chain.ask("GET", "/outcomes/report")
    improved = next(row for row in rows if row["by"] == "total" and row["measure"] == "pain-improved")
    assert (improved["n"], improved["k"]) == ("15", "8")
    kept = [row for row in rows if row["group"] == "west"]
    assert len(kept) == len(MEASURES)
    assert {row["value"] for row in kept} == {""}
    assert len(rows) == len(as_csv(found).splitlines()) - 1
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_period_narrows_the_report(chain):
    """Nothing was treated before; one region and no other."""
    last = (datetime.now(UTC) - timedelta(days=30)).date()
    early = chain.ask("GET", f"/outcomes/report?from={last - timedelta(days=30)}&to={last}")
    assert early["total"]["kept_back"]
    neck = chain.ask("GET", "/outcomes/report?region=cervical")
    assert neck["by"]["region"] == []


@pytest.mark.parametrize("period", [("2026-02-01", "2026-01-01"), ("2020-01-01", "2026-01-01")])
def test_a_period_that_cannot_be_reckoned_is_refused(period):
    """In both languages, with the limit."""
    since, until = (date.fromisoformat(day) for day in period)
    with pytest.raises(Invalid) as refused:
        Asked.of(since, until, "", "")
    assert "366" in refused.value.words["de"]


def test_days_of_the_clock_s_change_are_whole_days():
    """25 hours in October, 23 in March, by the clinic's clock."""
    for day in (date(2026, 10, 25), date(2026, 3, 29), date(2026, 7, 1)):
        begin, end = Asked(day, day).times()
        assert begin.astimezone().date() == day
        assert (end - timedelta(microseconds=1)).astimezone().date() == day


def test_no_measure_of_nothing_invents_a_number():
    """An empty chain has counts of zero and no shares."""
    for measure in MEASURES:
        row = measure.of(Group(""), 5)
        assert row["value"] == 0 if measure.kind == "count" else row["kept_back"]
        assert row["text_de"]
        assert row["text_en"]
    assert set(words()["measure"]) == {measure.id for measure in MEASURES}


def test_no_word_of_the_report_promises():
    """It tells what was; a cure is predicted nowhere."""
    said = " ".join(note["en"] for note in words()["note"])
    assert "predicts no cure" in said
    assert Course(None, "lumbar").is_improved() is False
