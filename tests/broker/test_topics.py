import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import topics
from broker.contract import ALARM, CLINIC, SLUG, STATUS, STREAMS, TENSION

NAMES = st.from_regex(SLUG, fullmatch=True).filter(
    lambda name: len(name) <= topics.MAX_NAME and name != CLINIC
)
EVERY_STREAM = st.sampled_from(list(STREAMS.values()))


@given(EVERY_STREAM, NAMES, NAMES)
def test_every_topic_parses_back_to_what_it_was_built_from(stream, site, device):
    """A message must never be filed under another bed than the one that sent it."""
    address = topics.Address(stream, site, None if stream.scope == "clinic" else device)
    assert topics.parse(address.topic) == address


@given(st.text())
def test_any_text_is_a_topic_or_a_clear_refusal(text):
    """Whatever a foreign client publishes, parsing ends in an address or a TopicError."""
    try:
        parsed = topics.parse(text).topic
    except topics.TopicError:
        return
    assert parsed == text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("spondyl/v1/north/bed-01", "no topic"),
        ("spondyl/v2/north/bed-01/tension", "no topic"),
        ("spondyl/v1/north/bed-01/tension/more", "no topic"),
        ("spondyl/v1/north/bed-01/Tension", "no stream"),
        ("spondyl/v1/north/clinic/tension", "a device stands before"),
        ("spondyl/v1/north/bed-01/invoice", "`clinic` stands before"),
        ("spondyl/v1/North/bed-01/tension", "site 'North'"),
        ("spondyl/v1/north/bed--01/tension", "device 'bed--01'"),
        ("spondyl/v1/north/-bed/tension", "device '-bed'"),
        ("spondyl/v1/north/bed-01\n/tension", "device"),
        ("spondyl/v1/north/+/tension", "device '+'"),
        (f"spondyl/v1/north/{'b' * 41}/tension", "at most 40"),
        ("spondyl/v1//bed-01/tension", "site ''"),
    ],
)
def test_a_refused_topic_is_told_which_part_is_wrong(text, names):
    """The person who reads the log must find the mistake without reading our code."""
    with pytest.raises(topics.TopicError, match="^.*" + names.replace("+", r"\+")):
        topics.parse(text)


def test_a_stream_asks_for_the_names_it_needs():
    """A clinic stream has no device, every other stream has one, and `clinic` is not a name."""
    for stream, device in ((TENSION, None), (STATUS, "clinic"), (STREAMS["invoice"], "bed-01")):
        with pytest.raises(topics.TopicError):
            topics.topic(stream, "north", device)


def test_a_filter_names_what_it_can_and_leaves_the_rest_open():
    """Subscriptions are as narrow as the caller knows how to be."""
    assert topics.topic_filter(TENSION) == "spondyl/v1/+/+/tension"
    assert topics.topic_filter(ALARM, "north") == "spondyl/v1/north/+/alarm"
    assert topics.topic_filter(ALARM, device="bed-01") == "spondyl/v1/+/bed-01/alarm"
    assert topics.topic_filter(STREAMS["invoice"], "north") == "spondyl/v1/north/clinic/invoice"
    with pytest.raises(topics.TopicError):
        topics.topic_filter(TENSION, "#")
