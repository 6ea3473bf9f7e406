"""What a telephone sends: kept once, in whatever pieces, order and repetition it comes."""

import contextlib
import json
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from business_process import PATIENT_S, Process
from homecare.at_home import Home
from homecare.homecare_rig import HomecareRig
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import Mosquitto, eventually

from services.homecare.diary.tables import ENTRIES, PAINS


@pytest.fixture
def home(rig):
    """Somebody at home."""
    return Home(rig)


def events(home):
    """What was told of the diary."""
    told = [event for event in home.rig.told("programme") if event.data["programme"] == home.programme]
    return sorted((event.type, json.dumps(event.data)) for event in told if event.type != "programme.started")


def test_each_entry_is_kept_once_and_told_once(home):
    """Whoever sends all of it again after every lost answer changes nothing."""
    sent = [home.done(), home.session(minutes=1), home.pain(2, minutes=2)]
    first = home.send(*sent)
    assert (first["accepted"], first["known"], first["refused"]) == ([one["id"] for one in sent], [], [])
    again = home.send(*sent, sent[0])
    assert (again["accepted"], again["known"]) == ([], [one["id"] for one in [*sent, sent[0]]])
    assert [kind for kind, _ in events(home)] == ["pain.reported", "session.done"]
    assert [one["id"] for one in home.diary()["entries"]] == [one["id"] for one in reversed(sent)]
    assert [one["id"] for one in again["programme"]["done"]] == [sent[0]["id"]]


def test_a_bad_entry_blocks_no_other_and_is_told_why(home):
    """Each is judged by itself: what, the limit, in German and English; what it held is not repeated."""
    good = [home.done(), home.pain(2, minutes=1)]
    answer = home.send(good[0], *(bad for bad, _ in bad_entries(home)), good[1])
    assert answer["accepted"] == [one["id"] for one in good]
    assert [row["index"] for row in answer["refused"]] == [
        1 + index for index in range(len(bad_entries(home)))
    ]
    for row, (_, words) in zip(answer["refused"], bad_entries(home), strict=True):
        assert words in row["why"]["en"], row
        assert row["why"]["de"]
        assert row["why"]["de"] != row["why"]["en"]
    assert home.rig.count(ENTRIES) == 2


def bad_entries(home):
    """What is no entry, and a part of what is said of it."""
    return [
        (None, "is no entry"),
        (["a"], "is no entry"),
        ({"kind": "sleep"}, "is no entry"),
        ({"id": "\ud800", "kind": "exercise"}, "id"),
        (home.done(id="1"), "id"),
        (home.done(surplus="\ud800\x00"), "surplus"),
        (home.done("no-such-exercise"), "the library has no such exercise"),
        (home.done(None), "exercise"),
        (home.session(exercise="bridge"), "exercise"),
        (home.done(data={"seconds": 86401}), "data.seconds: Input should be less than or equal to 86400"),
        (home.done(data={"seconds": float("nan")}), "data.seconds"),
        (home.done(data={"sets": -1}), "data.sets"),
        (home.done(data={"sets": True}), "data.sets"),
        (home.done(data={"stopped": "no"}), "data.stopped"),
        (home.done(data={"more": {"a": [1]}}), "data.more"),
        (home.pain(11), "data.pain_nrs: Input should be less than or equal to 10"),
        (home.pain(2, data={"where": "Rücken"}), "data.where"),
        (home.pain(2, data={"signs": ["x"] * 21}), "data.signs"),
        (home.pain(2, data={"words": 7}), "data.words: Input should be a valid string"),
        (home.pain(2, data={"words": "x" * 301}), "data.words: String should have at most 300 characters"),
        (home.done(day="2026-02-30"), "day"),
        (home.done(day=1764000000), "day"),
        (home.done(at="2026-11-23T07:00:00"), "at"),
        (home.done(at=1764000000), "at: is no time as text"),
        (home.done(at="0001-01-01T00:00:00+14:00"), "at: is in the year 1"),
        (home.done(day="2026-11-21"), "day is 2026-11-21 and at is 2026-11-23: at most one day apart"),
        (home.done(version=0), "version"),
        (home.done(version=10**30), "version"),
    ]


def test_a_request_is_small_and_has_something_in_it(home):
    """1 to 500 entries, a megabyte: a telephone sends in pieces."""
    assert home.post().status_code == 422
    assert home.post(*[None] * 501).status_code == 422
    assert home.post(*["x" * 300_000] * 4).status_code == 413
    assert home.send(*[None] * 500)["accepted"] == []


def test_an_id_that_is_taken_is_refused_and_nothing_is_overwritten(home):
    """Append-only: another content under the same id is neither kept nor put in its place."""
    first = home.done()
    home.send(first)
    other = home.send(first | {"data": first["data"] | {"seconds": 61}})
    assert [(row["id"], row["index"]) for row in other["refused"]] == [(first["id"], 0)]
    assert "another entry has this id" in other["refused"][0]["why"]["en"]
    neighbour = Home(home.rig)
    assert [row["id"] for row in neighbour.send(first)["refused"]] == [first["id"]]
    assert [one["data"]["seconds"] for one in home.diary()["entries"]] == [60]
    assert neighbour.diary()["entries"] == []


def test_a_clock_that_is_wrong_loses_nothing(home):
    """A flat battery says 1970, a journey says tomorrow: kept, with a mark where it cannot be."""
    at = home.rig.now
    times = {"1970-01-01T00:03:00+00:00": ["clock"], (at - timedelta(hours=9)).isoformat(): ["clock"],
             (at - timedelta(hours=7)).isoformat(): [],
             (at + timedelta(hours=23)).isoformat(): [], (at + timedelta(hours=25)).isoformat(): ["clock"],
             "2026-11-23T23:30:00+14:00": []}  # fmt: skip
    sent = {when: home.done(at=when, day=when[:10]) for when in times}
    home.send(*sent.values())
    marks = home.marks()
    assert {when: marks[one["id"]] for when, one in sent.items()} == times
    assert home.get().json()["days"][0]["items"][0]["level"] == 0


@pytest.mark.requirement("mark-what-was-closed")
def test_what_was_done_while_it_was_closed_is_kept_and_marked(home):
    """It happened: the clinic is told, whether the programme was paused, suspended or over."""
    home.send(before := home.done())
    expected = {before["id"]: []}
    for verb, mark in (("pause", "paused"), ("resume", None), ("end", "ended")):
        home.rig.now += timedelta(hours=1)
        home.turn(verb)
        home.send(entry := home.done(minutes=1))
        expected[entry["id"]] = [mark] if mark else []
    assert home.marks() == expected
    home.send(late := home.session(minutes=-30))  # done before the end, sent behind it
    assert home.marks()[late["id"]] == []


@pytest.mark.requirement("mark-what-was-closed")
def test_what_is_not_open_at_home_is_kept_and_marked(rig):
    """Without a signature, beside the programme, under a suspension."""
    home = Home(rig, signed=["bridge"])
    alone, beside = home.done("abdominal-tightening"), home.done("chin-tuck")
    home.send(alone, beside)
    rig.now += timedelta(hours=1)
    rig.clinic_event(
        "clearance.suspended", patient=home.patient, suspension=uuid4(), region="lumbar", reason="home-pain"
    )
    suspended = home.done(minutes=1)
    told = home.send(suspended)["programme"]
    assert told["suspended"]["words"]["de"]
    assert {item["status"] for item in told["days"][0]["items"]} == {"suspended"}
    assert home.marks() == {
        alone["id"]: ["supervision"], beside["id"]: ["not_set"], suspended["id"]: ["suspended"],
    }  # fmt: skip


def test_the_telephone_is_told_all_that_its_page_needs(home):
    """A fortnight without a network: doses, words in both languages, rules, signs, and nobody's name."""
    told = home.get().json()
    assert [day["day"] for day in told["days"]][::13] == ["2026-11-23", "2026-12-06"]
    assert set(told["library"]) == {"bridge", "abdominal-tightening"}
    assert told["library"]["bridge"]["name"] == {"de": "Brücke", "en": "Bridge"}
    assert set(told["equipment"]) == {"mat"}
    assert {"saddle-numbness", "bladder-bowel"} <= {one["id"] for one in told["signs"]}
    assert (told["pain_limit"], told["note"], told["clinic"]) == (4, "Ruhig atmen", {"site": "north"})
    assert str(home.patient) not in json.dumps(told)


def test_two_telephones_send_the_same_at_once(either_rig):
    """One link on two telephones, or one page in two windows: each entry is kept by one of them."""
    home = Home(either_rig)
    sent = [
        one for minutes in range(10) for one in (home.done(minutes=minutes), home.session(minutes=minutes))
    ]
    sent.append(home.pain(7, minutes=11))
    answers, start = [], threading.Barrier(4)

    def send(order):
        start.wait()
        answers.append(home.send(*order))

    orders = [sent, sent[::-1], sent[5:] + sent[:5], sent[:12]]
    threads = [threading.Thread(target=send, args=(order,)) for order in orders]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    accepted = [one for answer in answers for one in answer["accepted"]]
    assert sorted(accepted) == sorted(one["id"] for one in sent)
    assert sorted(len(one["accepted"]) + len(one["known"]) for one in answers) == [12, 21, 21, 21]
    assert (either_rig.count(ENTRIES), either_rig.count(PAINS), len(events(home))) == (21, 1, 11)


CUTS = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=9), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One service for many programmes."""
    rig = HomecareRig(tmp_path_factory.mktemp("diary"))
    yield rig
    rig.close()


@settings(max_examples=8, deadline=None)
@given(cuts=CUTS)
def test_any_pieces_in_any_order_give_the_same_diary_and_the_same_events(shared, cuts):
    """Nothing lost, nothing twice: what is kept does not show by which way it came."""
    home = Home(shared)
    sent = [home.done(minutes=1), home.session(minutes=2), home.pain(5, minutes=3), home.done(minutes=4),
            home.done("abdominal-tightening", minutes=5), home.pain(1, None, minutes=6),
            home.session(minutes=7), home.done("abdominal-tightening", minutes=8),
            home.done(day="never")]  # fmt: skip
    for cut in [*cuts, range(len(sent))]:
        answer = home.send(*(sent[index] for index in cut))
        assert len(answer["accepted"]) + len(answer["known"]) + len(answer["refused"]) == len(cut)
    marks = {one["id"]: found for one in sent if (found := home.marks().get(one["id"])) is not None}
    assert list(marks.values()) == [[], [], [], ["locked"], [], [], [], ["locked"]]
    assert [kind for kind, _ in events(home)] == ["pain.reported"] * 2 + ["session.done"] * 2
    assert (home.status(), home.status("abdominal-tightening")) == ("pain", "pain")
    assert [one["answer"] for one in home.get().json()["locks"]] == [None, None]


@pytest.mark.system
def test_killed_behind_the_commit_it_knows_what_is_sent_again(tmp_path):
    """Killed before the answer: the telephone sends all of it again, and it counts once. No log has it."""
    rig = HomecareRig(tmp_path)
    rig.now = datetime.now(UTC)
    home = Home(rig, starts_on=rig.now.date().isoformat(), signed=())
    sent = [home.session(), home.pain(6)]
    with Mosquitto(tmp_path) as broker:
        process = Process("homecare", tmp_path, broker, SPONDYL_LOG_LEVEL="debug").start()
        broker.freeze()
        url = f"{process.url}/h/{home.secret}"

        def send():
            with contextlib.suppress(httpx.TransportError):
                httpx.post(f"{url}/entries", json={"entries": sent}, timeout=PATIENT_S)

        telephone = threading.Thread(target=send)
        telephone.start()
        eventually(lambda: rig.count(ENTRIES) == len(sent), PATIENT_S, "the commit")
        process.kill()
        telephone.join()
        broker.thaw()
        process.start()
        again = process.post(f"/h/{home.secret}/entries", {"entries": sent}, {})
        assert (again["accepted"], again["known"]) == ([], [one["id"] for one in sent])
        assert [lock["report"] for lock in again["programme"]["locks"]] == [sent[1]["id"]]
        eventually(lambda: rig.office.outbox.waiting() == 0, PATIENT_S, "an empty outbox")
        with rig.engine.begin() as connection:
            ENTRIES.drop(connection)
        assert httpx.post(f"{url}/entries", json={"entries": sent}, timeout=PATIENT_S).status_code == 500
        process.kill()
    log = (tmp_path / "homecare.log").read_text("utf-8")
    assert "request failed" in log
    assert home.secret not in log
    assert rig.count(PAINS) == 1
    rig.close()
