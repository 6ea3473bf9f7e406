"""The wall of a site that nobody has heard of."""

import html
import re

import pytest


@pytest.fixture
def rig(empty_room):
    """A console with one bed and somebody who may see it."""
    empty_room.person("ada", "clinician")
    empty_room.bed("bed-01", "north")
    return empty_room


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "No bed has been heard of at site nrth."), ("de", "Am Standort nrth hat sich noch keine Liege")],
)
def test_a_mistyped_site_shows_no_bed_and_is_named(rig, language, words):
    """Every bed of the chain under another site's name would be taken for that site's."""
    client = rig.client("ada", accept="text/html", **{"accept-language": language})
    text = html.unescape(client.get("/?site=nrth").text)
    assert words in text
    assert '<option value="nrth" selected>' in text  # so the page's script asks for that site, too
    assert not re.search(r'<div class="empty" id="none" hidden', text)
    assert 'data-site="north"' not in text
    known = html.unescape(client.get("/?site=north").text)
    assert 'data-site="north"' in known
    assert re.search(r'id="none-site"[^>]* hidden', known)
