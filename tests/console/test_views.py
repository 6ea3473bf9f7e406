"""What a page of the wall shows of a large clinic: filters, pages, order, and whose beds."""

import json
import time
from datetime import UTC, datetime

import pytest
from console.samples import BOOT, Clock, block

from broker.messages import ActiveAlarm, AlarmState
from services.console.fanout import SUMMARIES_WAITING, Fanout, Reader, pack
from services.console.live import Live
from services.console.models import Key
from services.console.views import MAX_SIZE, MAX_TEXT, View, wall_view

BEDS = 300


def alarms(*priorities):
    active = [
        ActiveAlarm(
            condition="over_force", priority=priority, since=datetime.now(UTC), latched=True, hazard="H-1",
            text={"de": "ZUG", "en": "TENSION"},
        )
        for priority in priorities
    ]  # fmt: skip
    return AlarmState(boot=BOOT, seq=1, at=datetime.now(UTC), alarms=active)


@pytest.fixture
def clinic():
    """300 beds of three sites: every third in session, three with an alarm, five long silent."""
    live = Live(Clock())
    live.broker(up=True)
    for number in range(BEDS):
        key = Key(f"site-{number % 3}", f"bed-{number:03}")
        live.tension(key, block(0, phase="hold" if number % 3 == 0 else "idle"))
    live.clock.now += 3.5
    for number in range(5, BEDS):
        phase = "hold" if number % 3 == 0 else "idle"
        live.tension(Key(f"site-{number % 3}", f"bed-{number:03}"), block(175, phase=phase))
    for number, priority in ((200, "low"), (100, "high"), (150, "medium")):
        live.alarm(Key(f"site-{number % 3}", f"bed-{number:03}"), alarms(priority))
    return Fanout(live)


def shown(fanout, **query):
    frame = fanout.frame(wall_view({name: str(value) for name, value in query.items()}, "en", None))
    return frame, [name.partition("/")[2] for name in frame["order"]]


def test_the_worst_come_first_and_the_rest_by_site_and_name(clinic):
    """Who looks at the first page must have seen everything that matters; a lost session counts as medium."""
    _, beds = shown(clinic)
    assert beds[:5] == ["bed-100", "bed-000", "bed-003", "bed-150", "bed-200"]
    assert beds[5:8] == ["bed-006", "bed-009", "bed-012"]
    assert len(beds) == 24


def test_a_page_is_a_part_of_the_whole_and_says_which(clinic):
    """Page 13 of 300 beds by 24 has the last twelve, and a page beyond the last one is the last one."""
    frame, beds = shown(clinic, page=13)
    assert (len(beds), frame["page"]["page"], frame["page"]["pages"]) == (12, 13, 13)
    assert set(frame["tiles"]) == set(frame["order"])
    assert shown(clinic, page=99)[1] == beds
    every = [bed for page in range(1, 14) for bed in shown(clinic, page=page)[1]]
    assert len(set(every)) == BEDS


def test_states_filter_and_each_says_how_many_it_has(clinic):
    """`3 not connected` in a header is a question; the filter is its answer."""
    frame, beds = shown(clinic, show="away")
    assert frame["page"]["counts"] == {"all": 300, "session": 100, "alarm": 5, "away": 5}
    assert sorted(beds) == [f"bed-00{number}" for number in range(5)]
    assert shown(clinic, show="alarm")[0]["page"]["found"] == 5
    assert frame["header"]["beds"] == "300 beds · 100 in session · 5 not connected"


def test_site_and_text_narrow_what_is_counted(clinic):
    """One filter on top of the other, as people use them."""
    frame, beds = shown(clinic, site="site-1", q=" BED-10 ")
    assert beds == ["bed-100", "bed-103", "bed-106", "bed-109"]
    assert frame["page"]["counts"]["all"] == 4
    assert frame["page"]["sites"] == ["site-0", "site-1", "site-2"]


def test_grouped_beds_stand_site_by_site_with_the_worst_of_each_first(clinic):
    """A chain's central room thinks in clinics."""
    frame, _ = shown(clinic, group="site", size=96)
    sites = [name.partition("/")[0] for name in frame["order"]]
    assert sites == sorted(sites)
    assert frame["order"][0] == "site-0/bed-000"


def test_a_reader_sees_the_sites_of_the_role_and_nothing_of_others(clinic):
    """Neither tile, count, alarm nor name of another clinic may be found out."""
    view = wall_view({"show": "all", "size": "96", "site": ""}, "en", frozenset({"site-1"}))
    frame = clinic.frame(view)
    text = json.dumps(frame)
    assert frame["page"]["counts"]["all"] == 100
    assert frame["header"]["beds"].startswith("100 beds")
    assert frame["page"]["sites"] == ["site-1"]
    assert "site-0" not in text
    assert "site-2" not in text
    assert clinic.frame(View(sites=frozenset({"site-1"}), device=Key("site-2", "bed-002"))).keys() == {
        "header"
    }
    assert clinic.frame(View(sites=frozenset(), wall=True))["order"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"page": "-1", "size": "0", "show": "everything", "group": "x"},
        {"page": "9" * 400, "size": "1e9", "q": "x" * 10_000, "site": "y" * 10_000},
        {"page": "٣", "size": "²", "q": "<script>alert(1)</script>"},
    ],
)
def test_what_is_no_choice_counts_as_not_chosen(clinic, query):
    """Old links and hostile ones open a page like any other."""
    view = wall_view(query, "en", None)
    assert 1 <= view.size <= MAX_SIZE
    assert len(view.q) <= MAX_TEXT
    assert view.show == "all"
    assert clinic.frame(view)["page"]["page"] >= 1


def test_the_address_of_a_view_opens_the_same_view():
    """A shared link, the back button and the kept view all stand on this."""
    from urllib.parse import parse_qsl

    view = View(wall=True, site="north", show="alarm", q="bed 1", page=3, size=48, group=True)
    assert wall_view(dict(parse_qsl(view.address())), "en", None) == view
    assert View(wall=True).address() == ""


def test_after_the_whole_only_changes_are_sent(clinic):
    """Forty-eight tiles a second are mostly the same tiles."""
    view = View(wall=True, size=96)
    before = clinic.frame(view)
    clinic.live.tension(Key("site-1", "bed-010"), block(190, tension=123.0, phase="idle"))
    after = clinic.frame(view)
    whole, change = (json.loads(data) for data in pack(after, before))
    assert whole["tiles"].keys() == set(after["order"])
    assert set(change) <= {"whole", "tiles", "header"}
    changed = {name: row for name, row in change["tiles"].items() if "tension" in row}
    assert changed == {} or changed["site-1/bed-010"]["tension"] == "123"
    merged = {name: before["tiles"][name] | change["tiles"].get(name, {}) for name in after["order"]}
    assert merged == after["tiles"]


def test_a_reader_that_lost_a_frame_gets_a_whole_one():
    """A change of something that was never received would show a wrong tile for good."""
    reader = Reader(View(wall=True))
    for number in range(5 * SUMMARIES_WAITING):
        reader.tell(b"whole %d" % number, b"change %d" % number)
        assert reader.queue.qsize() <= SUMMARIES_WAITING
    waiting = [reader.queue.get_nowait() for _ in range(reader.queue.qsize())]
    assert waiting[0].startswith(b"whole")
    assert waiting[-1].endswith(str(5 * SUMMARIES_WAITING - 1).encode())
    reader.tell(b"whole", b"change")
    assert reader.queue.get_nowait() == b"change"


def test_readers_of_one_view_are_served_the_same_bytes_and_tiles_are_built_once(clinic, monkeypatch):
    """A hundred screens cost what one costs, whatever they are a hundred of."""
    from services.console import present

    built = []
    tile = present.tile
    monkeypatch.setattr(present, "tile", lambda *it: built.append(it[1].key) or tile(*it))
    readers = [Reader(View(wall=True)) for _ in range(100)]
    clinic.readers.update(readers)
    clinic.summarise()
    assert len(built) == 24
    frames = [reader.queue.get_nowait() for reader in readers]
    assert all(frame is frames[0] for frame in frames)


def test_a_look_at_a_thousand_beds_is_a_light_one():
    """One pass a second must leave the second to the browsers; a generous bound for a busy machine."""
    live = Live(Clock())
    for number in range(1000):
        live.tension(Key("north", f"bed-{number}"), block(0))
    fanout = Fanout(live)
    fanout.frame(View(wall=True))
    began = time.process_time()
    for _ in range(5):
        fanout.frame(View(wall=True))
    assert (time.process_time() - began) / 5 < 0.2
