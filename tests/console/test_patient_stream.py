"""The stream of the patient's view ends with what opened it."""

import asyncio

import httpx
import pytest
from servers import eventually


@pytest.mark.parametrize("end", ["signed out", "switched off", "moved to another site"])
def test_the_stream_ends_when_the_sign_in_that_opened_it_does(room, end):
    """A screen that was left open must not go on showing a bed to nobody who may see it."""
    headers = room.people.headers("anna")
    user = room.people.store.user_named("anna")

    def act():
        if end == "signed out":
            room.people.sign_out_everywhere("anna")
        elif end == "switched off":
            room.people.store.change_user(user.id, {"disabled_at_us": 1})
        else:
            room.person("anna", "therapist@south")

    async def read():
        transport = httpx.ASGITransport(room.app)  # (it answers when the stream has ended)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            asked = asyncio.create_task(client.get("/beds/bed-01/patient/stream", headers=headers))
            looked_at = room.console.screens.watching
            await asyncio.to_thread(eventually, lambda: any(looked_at.values()), 10, "a stream")
            assert not asked.done()
            await asyncio.to_thread(act)
            return await asyncio.wait_for(asked, 10)

    text = asyncio.run(read()).text
    assert "event: now" in text
    assert text.endswith("event: over\ndata: {}\n\n")
