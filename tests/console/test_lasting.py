"""Streams that outlive their database for a while, and not for long."""

import asyncio

import httpx
import pytest
from console.room_rig import RoomRig
from console.samples import Clock
from servers import eventually
from sqlalchemy import text
from starlette.requests import HTTPConnection

from services.console import lasting
from services.console.lasting import HELD_S, Held, Right
from services.console.models import Key
from services.console.routes import streams
from services.kit.database import writing


def take_away(room, *, is_away=True):
    """The table of sign-ins cannot be read any more, or can again."""
    names = ("console_sign_ins", "console_sign_ins_away")
    was, becomes = names if is_away else names[::-1]
    with writing(room.people.store.engine) as connection:
        connection.execute(text(f"ALTER TABLE {was} RENAME TO {becomes}"))


def held(room, clock):
    """What judges a stream of anna's, whose sign-in stands."""
    opened = room.people.open("anna")

    connection = HTTPConnection({"type": "http", "state": {"signed_in": (opened.sign_in, opened.user)}})
    sites = opened.user.principal.sites("beds.see")
    return Held(Right(room.console.accounts, connection, sites).lasts, clock)


def test_a_stream_outlives_its_database_for_a_minute(room):
    """Alarms must not go dark because accounts cannot be read; nor may a sign-in last for ever by that."""
    clock = Clock()
    right = held(room, clock)
    assert asyncio.run(right.lasts())
    take_away(room)
    clock.now += HELD_S - 1
    assert asyncio.run(right.lasts())
    clock.now += 1
    assert not asyncio.run(right.lasts())


def test_each_look_that_succeeds_begins_the_minute_anew(room):
    """Two short outages in an hour are not a long one; and who left during one is found after it."""
    clock = Clock()
    right = held(room, clock)
    for _ in range(3):
        clock.now += HELD_S
        assert asyncio.run(right.lasts())
        take_away(room)
        clock.now += HELD_S - 1
        assert asyncio.run(right.lasts())
        take_away(room, is_away=False)
    room.people.sign_out_everywhere("anna")
    assert not asyncio.run(right.lasts())


def test_a_database_that_hangs_holds_up_no_stream(postgres, tmp_path):
    """A question that nobody answered stood between an alarm and the page, though the broker was there."""
    room, clock = RoomRig(tmp_path, console_database_url=postgres.database()), Clock()
    room.person("anna", "therapist@north")
    right = held(room, clock)

    async def look():
        began = asyncio.get_running_loop().time()
        found = await asyncio.wait_for(right.lasts(), 10)
        return found, asyncio.get_running_loop().time() - began < 5

    async def watch():
        with room.people.store.engine.connect() as connection:
            connection.execute(text("LOCK TABLE console_sign_ins IN ACCESS EXCLUSIVE MODE"))
            assert await look() == (True, True)
            clock.now += HELD_S
            assert await look() == (False, True)
        assert await look() == (True, True)

    asyncio.run(watch())
    room.close()


@pytest.mark.parametrize("path", ["/events", "/beds/bed-01/patient/stream"])
def test_a_streams_reader_is_told_of_its_end_only_when_the_minute_is_over(room, path, monkeypatch):
    """The error reached the response, and every page lost its alarms within two seconds."""
    monkeypatch.setattr(lasting, "HELD_S", 4.0)
    headers = room.people.headers("anna")

    async def read():
        transport = httpx.ASGITransport(room.app)  # (it answers when the stream has ended)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            began = asyncio.get_running_loop().time()
            asked = asyncio.create_task(client.get(path, headers=headers))
            fanout, screens = room.console.fanout, room.console.screens
            is_open = lambda: bool(fanout.readers) or any(screens.watching.values())
            await asyncio.to_thread(eventually, is_open, 10, "a stream")
            await asyncio.to_thread(take_away, room)
            answer = await asyncio.wait_for(asked, 20)
            return answer, asyncio.get_running_loop().time() - began

    answer, seconds = asyncio.run(read())
    assert answer.status_code == 200
    assert seconds >= 4.0


def scope_of(room, **headers):
    """A WebSocket of anna's browser."""
    sent = room.people.headers("anna") | {"host": "127.0.0.1"} | headers
    return {
        "type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "root_path": "",
        "scheme": "ws", "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "subprotocols": [], "app": room.app,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "answer"),
    [
        ("http://127.0.0.1", "websocket.accept"), ("https://spondyl.example", "websocket.accept"),
        ("https://elsewhere.example", "websocket.close"), ("http://[", "websocket.close"),
    ],
)  # fmt: skip
def test_a_socket_opens_for_our_own_pages_alone_the_public_address_among_them(tmp_path, origin, answer):
    """Browsers let any page open a WebSocket, and send our cookie with it."""
    room = RoomRig(tmp_path, public_url="https://spondyl.example")
    room.person("anna", "therapist@north")

    async def talk():
        said, heard = asyncio.Queue(), asyncio.Queue()
        said.put_nowait({"type": "websocket.connect"})
        cookie = room.people.headers("anna")["cookie"]
        served = asyncio.create_task(
            room.app(scope_of(room, origin=origin, cookie=f"__Host-{cookie}"), said.get, heard.put)
        )
        said.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await served
        return await heard.get()

    assert asyncio.run(talk())["type"] == answer
    room.close()


def test_whatever_a_socket_is_sent_it_goes_on(room):
    """Bytes instead of text ended the connection with a fault of ours in the log."""
    odd = [
        {"bytes": b"\xff", "text": None}, {"bytes": b"{}"}, {"text": "["}, {"text": '{"visible": {"a": 1}}'},
        {"text": "[" * 100_000}, {"text": '{"visible": [7, [], "north", null]}'},
        {"text": '{"visible": ["north/bed-01", "south/bed-01"]}'},
    ]  # fmt: skip

    async def talk():
        said, heard = asyncio.Queue(), asyncio.Queue()
        for message in ({"type": "websocket.connect"}, *({"type": "websocket.receive"} | it for it in odd)):
            said.put_nowait(message)
        served = asyncio.create_task(room.app(scope_of(room), said.get, heard.put))
        wanted = lambda: (
            [viewer.wanted for viewer in room.console.fanout.viewers] == [{Key("north", "bed-01")}]
        )
        await asyncio.to_thread(eventually, wanted, 10, "what the last message asked for")
        said.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await served
        assert not room.console.fanout.viewers

    asyncio.run(talk())


def test_a_socket_is_judged_on_while_the_database_is_away_and_closed_when_the_minute_is_over(
    room, monkeypatch
):
    """The error ended the judging alone: whoever was signed out later went on seeing every bed."""
    monkeypatch.setattr(lasting, "HELD_S", 3.0)
    monkeypatch.setattr(streams, "CHECK_S", 0.2)

    async def talk():
        said, heard = asyncio.Queue(), asyncio.Queue()
        said.put_nowait({"type": "websocket.connect"})
        served = asyncio.create_task(room.app(scope_of(room), said.get, heard.put))
        assert (await heard.get())["type"] == "websocket.accept"
        await asyncio.to_thread(take_away, room)
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(20):
            closed = await heard.get()
        said.put_nowait({"type": "websocket.disconnect", "code": 1008})
        await served
        return closed, asyncio.get_running_loop().time() - began

    closed, seconds = asyncio.run(talk())
    assert (closed["type"], closed["code"]) == ("websocket.close", streams.REFUSED)
    assert seconds >= 2.0
