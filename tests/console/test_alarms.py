"""Alarms, their occurrences and who acknowledged them, without a browser."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from console.room_rig import RoomRig, over_force
from servers import eventually
from sqlalchemy import event, select

from services.console.alarms import SHOWN
from services.console.tables import ACKNOWLEDGEMENTS, TRAIL

SINCE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def rig(empty_room):
    """A console with a bed that treats somebody, a therapist of its site and somebody of each other kind."""
    empty_room.bed()
    empty_room.person("tom", "therapist@north")
    empty_room.person("rita", "reception@north")
    empty_room.person("sue", "therapist@south")
    empty_room.person("cleo", "therapist")
    return empty_room


def on_now(rig, name="tom"):
    return rig.client(name).get("/api/alarms").json()["alarms"]


def named(row):
    """What names the occurrence of a row."""
    return {name: row[name] for name in ("site", "device", "condition", "occurrence")}


def acknowledge(rig, row, name="tom"):
    return rig.client(name).post("/api/alarms/acknowledge", json=named(row))


def header(rig):
    return rig.console.fanout.header("en")


def test_an_acknowledged_alarm_keeps_everything_but_its_signal(rig):
    """Acknowledging never hides an alarm and never judges it anew."""
    rig.raise_alarms(rig.bed(), over_force(SINCE))
    before = on_now(rig)[0]
    answer = acknowledge(rig, before)
    assert (answer.status_code, answer.json()["name"], answer.json()["first"]) == (200, "tom", True)
    after = on_now(rig)[0]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"acknowledged", "acknowledged_text"}
    assert "by tom" in after["acknowledged_text"]
    assert (header(rig)["worst"], header(rig)["signal"]) == ("high", None)


@pytest.mark.requirement("acknowledge-one-occurrence")
def test_what_was_seen_at_the_bed_signals_nowhere_and_says_so(rig):
    """Who stands there counts first; what is over and was seen by nobody still signals, and says so."""
    seen = {"state": "active_acknowledged", "acknowledged_at": SINCE, "acknowledged_by": "account-7"}
    rig.raise_alarms(
        rig.bed(),
        over_force(SINCE).model_copy(update=seen),
        over_force(SINCE, "low", "network_lost").model_copy(update={"state": "gone_unacknowledged"}),
    )
    high, low = sorted(on_now(rig), key=lambda row: row["priority"])
    assert high["acknowledged"]
    assert high["acknowledged_text"].startswith("acknowledged at the bed ")
    assert not low["acknowledged"]
    assert low["text"].endswith(" (over)")
    assert header(rig)["signal"] == "low"


def test_a_second_acknowledgement_is_told_of_the_first(rig):
    """Two at the same button: both learn who it was."""
    rig.person("tina", "clinician")
    rig.raise_alarms(rig.bed(), over_force(SINCE))
    row = on_now(rig)[0]
    acknowledge(rig, row, "tina")
    answer = acknowledge(rig, row).json()
    assert (answer["name"], answer["first"]) == ("tina", False)


def test_many_at_once_are_one_acknowledgement(rig):
    """The database decides who was first."""
    who = rig.person("tom", "therapist@north")
    rig.raise_alarms(rig.bed(), over_force(SINCE))
    wanted = next(iter(rig.console.live.devices.values()))
    from services.console import alarms

    one = next(alarms.raised(rig.live, wanted, rig.live.clock())).occurrence
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: rig.console.desk.acknowledge(who, one), range(16)))
    assert sum(first for _, first in found) == 1
    assert len({known.at_us for known, _ in found}) == 1


def test_it_is_in_the_audit_trail(rig):
    """Who silenced what, and when, must be told years later."""
    rig.raise_alarms(rig.bed(), over_force(SINCE))
    acknowledge(rig, on_now(rig)[0])
    row = rig.console.trail.rows(select(TRAIL).where(TRAIL.c.action == "alarm.acknowledged"))[0]
    assert (row.name, row.site, row.record) == ("tom", "north", "bed-01 over_force")


def test_raised_again_it_signals_again(rig):
    """This occurrence only."""
    key = rig.bed()
    rig.raise_alarms(key, over_force(SINCE))
    acknowledge(rig, on_now(rig)[0])
    rig.raise_alarms(key)
    rig.raise_alarms(key, over_force(SINCE + timedelta(minutes=1)))
    assert (on_now(rig)[0]["acknowledged"], header(rig)["signal"]) == (False, "high")


def test_what_is_not_on_cannot_be_acknowledged(rig):
    """An old page's button must not silence the next alarm."""
    key = rig.bed()
    rig.raise_alarms(key, over_force(SINCE))
    row = on_now(rig)[0]
    rig.raise_alarms(key, over_force(SINCE + timedelta(minutes=1)))
    answer = acknowledge(rig, row)
    assert answer.status_code == 404
    assert "it went, or came on again" in answer.json()["detail"]


def test_another_sites_alarm_is_unknown_in_the_same_words(rig):
    """Who may not see a bed must not learn that it has an alarm."""
    rig.raise_alarms(rig.bed(), over_force(SINCE))
    row = on_now(rig)[0]
    seen = acknowledge(rig, row, "sue")
    unknown = acknowledge(rig, {**row, "occurrence": "nothing"}, "sue")
    assert seen.status_code == unknown.status_code == 404
    assert seen.json()["detail"] == unknown.json()["detail"]
    assert on_now(rig, "sue") == []


def test_who_may_only_look_is_refused_with_the_permission_named(rig):
    """Reception sees the wall and silences nothing."""
    rig.raise_alarms(rig.bed(), over_force(SINCE))
    answer = acknowledge(rig, on_now(rig)[0], "rita")
    assert answer.status_code == 403
    assert "alarms.acknowledge" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["site", "device", "condition", "occurrence"])
def test_absurd_names_are_refused(rig, name):
    """10 000 characters name no alarm."""
    row = {
        "site": "north",
        "device": "bed-01",
        "condition": "over_force",
        "occurrence": "x",
        name: "x" * 10_000,
    }
    assert acknowledge(rig, row).status_code == 422


def test_a_lost_connection_and_a_lost_broker_are_acknowledged_like_any(rig):
    """The console's own conditions have occurrences, too, with a time."""
    rig.live.clock.now += 30
    lost = on_now(rig)[0]
    assert (lost["condition"], bool(lost["since"])) == ("connection_lost", True)
    assert acknowledge(rig, lost).status_code == 200
    assert on_now(rig)[0]["acknowledged"]
    rig.live.broker(up=False)
    broker = on_now(rig)[0]
    assert (broker["condition"], broker["acknowledged"]) == ("broker_lost", False)
    assert acknowledge(rig, broker, "cleo").status_code == 200
    assert header(rig)["signal"] is None
    rig.live.broker(up=True)
    rig.live.clock.now += 5
    rig.live.broker(up=False)
    assert header(rig)["signal"] == "medium"


def test_a_lost_broker_is_silenced_only_by_who_may_at_every_site(rig):
    """It is one alarm for the whole chain: one site's therapist must not silence the others."""
    rig.live.broker(up=False)
    refused = acknowledge(rig, on_now(rig)[0])
    assert refused.status_code == 403
    assert "alarms.acknowledge is not permitted to 'tom' at every site" in refused.json()["detail"]
    assert header(rig)["signal"] == "medium"
    assert "data-acknowledge " not in rig.client("tom").get("/alarms").text
    assert "data-acknowledge " in rig.client("cleo").get("/alarms").text


def test_a_connection_lost_again_signals_again(rig):
    """New samples came in between: it is another loss."""
    from console.samples import NORTH, block

    rig.live.clock.now += 30
    acknowledge(rig, on_now(rig)[0])
    rig.live.tension(NORTH, block(1600))
    assert on_now(rig) == []
    rig.live.clock.now += 30
    assert not on_now(rig)[0]["acknowledged"]


def test_consoles_on_one_database_agree_by_one_query_each_second(rig, tmp_path):
    """What was acknowledged in one room is quiet in the other; also after a restart."""
    other = RoomRig(tmp_path)
    for each in (rig, other):
        each.raise_alarms(each.bed(), over_force(SINCE))
    acknowledge(rig, on_now(rig)[0])
    queries = []
    event.listen(other.console.store.engine, "before_cursor_execute", lambda *it: queries.append(it[2]))
    other.console.desk.refresh()
    assert other.console.fanout.header("en")["signal"] is None
    queries.clear()
    revision = other.live.revision
    other.console.desk.refresh()
    assert len([query for query in queries if query.startswith("SELECT")]) == 1
    assert other.live.revision == revision
    other.close()


def test_a_console_without_a_connection_to_spare_hears_of_the_others_afterwards(rig, tmp_path, monkeypatch):
    """Reading ended for good: what other rooms acknowledged went on flashing in this one."""
    rig.raise_alarms(rig.bed(), over_force(SINCE))
    other = RoomRig(tmp_path)
    other.raise_alarms(other.bed(), over_force(SINCE))
    row, engine = on_now(rig)[0], other.console.store.engine
    monkeypatch.setattr(engine.pool, "_timeout", 0.1)

    async def hear():
        with structlog.testing.capture_logs() as said, contextlib.ExitStack() as taken:
            for _ in range(engine.pool.size() + engine.pool._max_overflow):
                taken.enter_context(engine.connect())
            reading = asyncio.create_task(other.console.desk.run())
            await asyncio.to_thread(eventually, lambda: bool(said), 10, "a look that fails")
        await asyncio.to_thread(acknowledge, rig, row)
        quiet = lambda: other.console.fanout.header("en")["signal"] is None
        await asyncio.to_thread(eventually, quiet, 10, "the other console's acknowledgement")
        reading.cancel()

    asyncio.run(hear())
    other.close()


def test_the_header_puts_first_what_signals_then_the_worst_then_the_newest(rig):
    """One line is all that a narrow page shows."""
    for number, priority in enumerate(("low", "high", "high", "medium")):
        rig.raise_alarms(rig.bed(f"bed-{number}"), over_force(SINCE + timedelta(seconds=number), priority))
    worst = header(rig)["alarms"][0]
    assert worst["device"] == "bed-2"
    acknowledge(rig, worst)
    assert [row["device"] for row in header(rig)["alarms"]] == ["bed-1", "bed-3", "bed-0", "bed-2"]


def test_the_header_is_short_however_many_alarms_there_are(rig):
    """A thousand beds that lose their mains must not make every page a megabyte."""
    for number in range(SHOWN + 30):
        rig.raise_alarms(rig.bed(f"bed-{number}"), over_force(SINCE))
    shown = header(rig)
    assert (len(shown["alarms"]), shown["count"]) == (SHOWN, SHOWN + 30)
    assert len(on_now(rig)) == SHOWN + 30


def test_a_tiles_border_stands_still_once_the_worst_is_acknowledged(rig):
    """The tile keeps its colour and stops flashing."""
    rig.raise_alarms(rig.bed(), over_force(SINCE), over_force(SINCE, "low", "network_lost"))
    with rig.live.lock:
        assert not rig.console.fanout.round().tile("north/bed-01", "en")["quiet"]
    acknowledge(rig, on_now(rig)[0])
    with rig.live.lock:
        tile = rig.console.fanout.round().tile("north/bed-01", "en")
    assert (tile["quiet"], tile["priority"]) == (True, "high")


def test_an_acknowledgement_is_kept_once(rig):
    """The table is the record; two rows would be two stories."""
    rig.raise_alarms(rig.bed(), over_force(SINCE))
    row = on_now(rig)[0]
    acknowledge(rig, row)
    acknowledge(rig, row)
    with rig.console.store.engine.connect() as connection:
        assert len(connection.execute(select(ACKNOWLEDGEMENTS)).all()) == 1
