"""What the console says when a business service does not answer."""

import asyncio

import httpx
import pytest
from access import somebody

from services.console.errors import OfficeUnavailable
from services.console.offices import OfficeClient


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("Server disconnected without sending a response.", "without sending a response. See"),
        ("", "ReadTimeout. See"),
    ],
)
def test_a_service_that_is_away_ends_its_sentence_once(words, says):
    """What the network said stands inside a sentence of ours, which has its own end."""

    def nobody(request):
        raise httpx.ReadTimeout(words, request=request)

    office = OfficeClient("billing", "http://billing", str, transport=httpx.MockTransport(nobody))
    with pytest.raises(OfficeUnavailable) as away:
        asyncio.run(office.ask(somebody("billing"), "/drafts"))
    assert says in away.value.words["en"]
    assert ".." not in away.value.words["en"] + away.value.words["de"]
