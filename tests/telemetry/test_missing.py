from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.holes import Asking, Hole, read_holes, write_holes
from services.telemetry.ingest.missing import MOST_BACK_OFF_S, NEVER_ANSWERED, Missing
from services.telemetry.models import Gap, Place, Source
from services.telemetry.store import connect

BED = Source(Place("north", "bed-01"), UUID(int=1))
HOLE = Hole("tension", BED, 100, 130)
HOUR = 3600.0
SINCE = datetime(2026, 11, 22, 8, tzinfo=UTC)


def everybody(_place):
    return True


def nobody(_place):
    return False


def made(ask_s=2.0, give_up_s=24 * HOUR, **options):
    return Missing(ask_s, give_up_s, wall=lambda: SINCE, **options)


def asked_at(missing, seconds, holes=(HOLE,), is_heard=everybody, step_s=0.25):
    """At which seconds from the first look on anything was asked for."""
    steps = round(seconds / step_s) + 1
    return [
        step * step_s for step in range(steps) if missing.look(holes, 1000.0 + step * step_s, is_heard).asks
    ]


def test_a_hole_is_asked_for_after_two_seconds_then_with_doubled_patience_up_to_a_minute():
    """Quick when one message was lost, gentle when the gateway cannot answer."""
    times = asked_at(made(), 250.0)
    assert times == [2.0, 6.0, 14.0, 30.0, 62.0, 122.0, 182.0, 242.0]


def test_a_hole_that_is_being_filled_is_left_alone():
    """The gateway's backlog comes by itself: asking for every piece of it would only send it twice."""
    missing = made()
    for second in range(60):
        assert not missing.look([Hole("tension", BED, 100 + second, 1000)], float(second), everybody).asks


def test_nobody_is_asked_who_is_not_there_and_silence_does_not_count_as_an_answer():
    """A clinic that is closed for a week still has its rows: named lost, they would be trimmed unsent."""
    missing = made(give_up_s=10.0)
    missing.look([HOLE], 0.0, everybody)
    assert missing.look([HOLE], 3.0, everybody).asks == [HOLE]
    assert asked_at(missing, 7 * 24 * HOUR, is_heard=nobody, step_s=HOUR) == []
    assert missing.look([HOLE], 1000.0 + 7 * 24 * HOUR + 1.0, everybody).named == []


def test_a_hole_that_is_never_answered_is_named():
    """A gateway that is there and neither sends nor names its rows must not stop `committed` for ever."""
    missing = made(give_up_s=10.0)
    named = [missing.look([HOLE], float(second), everybody).named for second in range(11)]
    assert named[:10] == [[]] * 10
    assert named[10] == [Gap("tension", BED, 100, 130, NEVER_ANSWERED)]


def test_what_was_asked_for_is_written_down_and_forgotten_when_it_is_closed():
    """Whoever looks from outside sees what is being waited for, and since when."""
    missing = made()
    missing.look([HOLE], 0.0, everybody)
    assert missing.look([HOLE], 2.0, everybody).changes == {HOLE: Asking(SINCE.isoformat(), 2.0, 1)}
    assert missing.look([HOLE], 3.0, everybody).changes == {}
    assert missing.look([], 4.0, everybody).changes == {HOLE: None}
    assert missing.look([], 5.0, everybody).changes == {}


def test_a_store_that_was_away_for_days_counts_as_no_answer():
    """Nobody was asked meanwhile: given up at once, the gateway would trim what it still has."""
    missing = made(give_up_s=24 * HOUR)
    missing.look([HOLE], 0.0, everybody)
    assert missing.look([HOLE], 3.0, everybody).asks == [HOLE]
    look = missing.look([HOLE], 3.0 + 48 * HOUR, everybody)
    assert look.named == []
    assert look.asks == [HOLE]


def test_holes_of_a_site_that_went_to_another_worker_are_left_as_they_are_written_down():
    """They are not closed: the other worker goes on from what it finds there."""
    elsewhere = Hole("tension", Source(Place("south", "bed-01"), UUID(int=2)), 5, 9)
    missing = made()
    missing.look([HOLE, elsewhere], 0.0, everybody)
    missing.look([HOLE, elsewhere], 3.0, everybody)
    missing.forget("north")
    assert missing.look([], 4.0, everybody).changes == {elsewhere: None}


def test_a_hole_that_closes_before_it_was_asked_for_leaves_no_trace():
    """Blocks that overtake each other by a moment are the rule, not an event."""
    missing = made()
    missing.look([HOLE], 0.0, everybody)
    look = missing.look([], 1.0, everybody)
    assert (look.asks, look.changes) == ([], {})


def test_a_successor_goes_on_with_the_time_that_was_waited():
    """A worker that is restarted every day must not begin its 24 hours anew each time."""
    missing = made(give_up_s=100.0)
    missing.recall({HOLE: Asking(SINCE.isoformat(), 99.0, 7)})
    missing.look([HOLE], 0.0, everybody)
    look = missing.look([HOLE], 1.0, everybody)
    assert [gap.first for gap in look.named] == [100]
    other = made()
    other.recall({HOLE: Asking(SINCE.isoformat(), 99.0, 7)})
    assert other.look([], 0.0, everybody).changes == {HOLE: None}


def test_many_holes_are_asked_for_in_turn():
    """A broker that restarted tore a hole into every bed of the chain at once."""
    holes = [Hole("tension", Source(Place("north", f"bed-{n}"), UUID(int=1)), 0, 10) for n in range(100)]
    missing = made(per_s=10.0)
    seen = []
    for step in range(14 * 4):
        asks = missing.look(holes, step / 4, everybody).asks
        assert len(asks) <= 10
        seen += asks
    assert set(seen) == set(holes)
    assert len(seen) <= 1 + 14 * 10


@given(
    looks=st.lists(
        st.tuples(
            st.floats(0.0, 40.0),
            st.sets(st.tuples(st.sampled_from(["tension", "event"]), st.integers(0, 5)), max_size=6),
            st.booleans(),
        ),
        max_size=40,
    ),
    ask_s=st.floats(0.1, 10.0),
    per_s=st.floats(1.0, 5.0),
)
def test_whatever_happens_it_asks_only_for_what_is_open_due_and_affordable(looks, ask_s, per_s):
    """Too early, too often or for something that is not missing would be noise on every clinic's line."""
    missing, now = made(ask_s, 50.0, per_s=per_s), 0.0
    opened, last, noted, total = {}, {}, set(), 0
    for elapsed, spans, heard in looks:
        now += elapsed
        holes = {Hole(kind, BED, 10 * number, 10 * number + 5) for kind, number in spans}
        opened = {hole: opened.get(hole, now) for hole in holes}
        last = {hole: at for hole, at in last.items() if hole in holes}
        look = missing.look(sorted(holes), now, lambda _place, heard=heard: heard)
        assert set(look.asks) <= holes
        assert len(look.asks) == len(set(look.asks)) <= per_s + 1
        assert heard or not look.asks
        for hole in look.asks:
            assert now - max(opened[hole], last.get(hole, -1e9)) >= ask_s - 0.01
            assert now - last.get(hole, -1e9) >= min(2 * ask_s, MOST_BACK_OFF_S) - 0.01
            last[hole] = now
        for gap in look.named:
            assert now - opened[Hole(gap.kind, gap.source, gap.first, gap.after)] >= 50.0 - 0.1
        total += len(look.asks)
        noted = (noted | {h for h, a in look.changes.items() if a}) - {
            h for h, a in look.changes.items() if a is None
        }
        assert noted <= holes
    assert total <= 1 + per_s * now


@pytest.mark.system
def test_holes_are_kept_beside_their_stream(valkey):
    """The audit and a successor read what one worker has written down."""
    client = connect(valkey.url)
    other = Hole("event", BED, 3, 4)
    write_holes(client, {HOLE: Asking("2026-11-22T08:00:00+00:00", 2.2, 1), other: Asking("x", 60.0, 5)})
    assert read_holes(client, BED) == {
        HOLE: Asking("2026-11-22T08:00:00+00:00", 2.2, 1),
        other: Asking("x", 60.0, 5),
    }
    write_holes(client, {HOLE: None})
    assert set(read_holes(client, BED)) == {other}
    client.close()
