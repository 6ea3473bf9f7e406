"""Many browsers, some of them slow."""

import asyncio
import json

from console.samples import NORTH, Clock, block

from services.console.fanout import (
    FRAMES_WAITING,
    MAX_VISIBLE,
    SUMMARIES_WAITING,
    Fanout,
    Reader,
    Round,
    Viewer,
)
from services.console.live import Live
from services.console.models import Key
from services.console.views import View


def fed(blocks=40):
    live = Live(Clock())
    for seq in range(0, blocks * 10, 10):
        live.tension(NORTH, block(seq))
        live.clock.now += 0.2
    return live


def test_a_slow_browser_loses_the_oldest_frames_and_no_memory():
    """One forgotten tab on a bad line must not bring the console down."""
    live = fed(1)
    viewer = Viewer({NORTH})
    for _ in range(10 * FRAMES_WAITING):
        viewer.offer(list(live.devices[NORTH].backlog))
    assert viewer.queue.qsize() == FRAMES_WAITING
    assert viewer.dropped == 9 * FRAMES_WAITING


def test_a_newly_visible_bed_comes_with_its_last_half_minute():
    """A page opens with a trace, not with an empty field."""
    fanout = Fanout(fed(40))
    viewer = Viewer()
    fanout.look(viewer, {NORTH, Key("nowhere", "bed-99")})
    blocks = json.loads(viewer.queue.get_nowait())
    assert [one["seq"] for one in blocks] == list(range(0, 400, 10))
    assert blocks[0]["tension"] == [200.0] * 10
    fanout.look(viewer, {NORTH})
    assert viewer.queue.empty()


def test_what_nobody_measured_reaches_the_browser_as_a_gap_and_no_sample_more():
    """By the block's own word, whatever the bed is like when the page is opened."""
    live = fed(1)
    lost = {"tension_n": [[0, 2], [7, 10]], "residual_n": [[7, 10]], "position_mm": [[0, 10]]}
    live.tension(NORTH, block(10, tension=0.0, unmeasured=lost))
    live.tension(NORTH, block(20, tension=90.0))
    viewer = Viewer()
    Fanout(live).look(viewer, {NORTH})
    before, during, after = json.loads(viewer.queue.get_nowait())
    assert (before["tension"], after["tension"]) == ([200.0] * 10, [90.0] * 10)
    assert during["tension"] == [None, None, *[0.0] * 5, None, None, None]
    assert during["counter"] == [*[0.0] * 7, None, None, None]
    assert during["target"] == [200.0] * 10
    assert before.keys() == during.keys()


def test_every_bed_of_a_large_wall_comes_with_its_trace():
    """A queue of twenty frames must not cost the twenty-first bed its half minute."""
    live = Live(Clock())
    keys = {Key("north", f"bed-{number:03}") for number in range(MAX_VISIBLE)}
    for key in keys:
        live.tension(key, block(0))
    viewer = Viewer()
    Fanout(live).look(viewer, keys)
    frames = [json.loads(viewer.queue.get_nowait()) for _ in range(viewer.queue.qsize())]
    assert {one["key"] for blocks in frames for one in blocks} == {str(key) for key in keys}
    assert viewer.dropped == 0


def test_one_round_that_fails_does_not_blind_the_wall(monkeypatch):
    """Nobody restarts a console at night."""
    fanout = Fanout(fed(1))
    rounds = []

    def summarise(_fanout):
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise RuntimeError("a fault of ours")
        fanout.live.revision += 1

    monkeypatch.setattr(Fanout, "summarise", summarise)

    async def pump():
        task = asyncio.create_task(fanout.run())
        fanout.live.revision += 1
        async with asyncio.timeout(10):
            while len(rounds) < 3:
                fanout.live.revision += 1
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(pump())
    assert len(rounds) >= 3


def test_a_view_that_fails_blinds_nobody_elses(monkeypatch):
    """One German page's fault must not freeze the English wall beside it."""
    fanout = Fanout(fed(1))
    english, german = Reader(View("en")), Reader(View("de"))
    fanout.readers |= {english, german}
    frame = Round.frame

    def faulty(now, view):
        if view.language == "de":
            raise RuntimeError("a fault of ours")
        return frame(now, view)

    monkeypatch.setattr(Round, "frame", faulty)
    fanout.summarise()
    assert not english.queue.empty()
    assert german.queue.empty()


def test_an_alarms_edge_and_a_new_bed_reach_a_reader_at_once_and_nobody_waits_for_a_slow_one():
    """An alarm must not wait for the next second."""

    async def story():
        live = fed(1)
        fanout = Fanout(live)
        pump = asyncio.create_task(fanout.run())
        async with (
            fanout.reading(View("en", wall=True)) as reader,
            fanout.reading(View("de", device=NORTH)) as slow,
        ):
            first = json.loads(await reader.queue.get())
            live.broker(up=True)
            edge = json.loads(await asyncio.wait_for(reader.queue.get(), 0.9))
            for _ in range(3 * SUMMARIES_WAITING):
                fanout.summarise()
            assert slow.queue.qsize() == SUMMARIES_WAITING
            assert json.loads(slow.queue.get_nowait())["tile"]["device"] == "bed-01"
        pump.cancel()
        return first, edge, fanout

    first, edge, fanout = asyncio.run(story())
    assert first["header"]["broker_up"] is False
    assert list(first["tiles"]) == first["order"] == ["north/bed-01"]
    assert edge["header"]["broker_up"] is True
    assert not fanout.readers
