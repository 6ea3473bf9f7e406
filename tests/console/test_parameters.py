"""The console's APIs refuse what they have no parameter for; its pages open all the same."""

import pytest
from console.samples import BOOT

from services.console.routes.streams import OF_WALL
from services.console.views import View


@pytest.fixture
def rig(empty_room):
    """A console with one bed, and an administrator."""
    empty_room.person("ada", "administrator")
    empty_room.bed()
    return empty_room


@pytest.mark.parametrize(
    ("path", "takes"),
    [
        ("/api/beds?sit=north", "it takes none"),
        ("/api/beds/bed-01/curve?sit=north", "it takes boot, minutes, seq, site, stride"),
        ("/api/beds/bed-01/behind?form=html", "it takes lang, site"),
        ("/api/alarms?site=north", "it takes lang"),
        (f"/api/sessions/{BOOT}/curve?from=0&to=100&points=10", "it takes from, to, width"),
        ("/trail.csv?name=ada", "it takes action, first, last, record, site, who"),
        ("/events?vew=wall", "it takes device, group, lang, page, q, show, site, size, view"),
    ],
)
def test_an_api_names_what_it_has_no_parameter_for(rig, path, takes):
    """An export of the whole trail is no answer to a filter that was mistyped."""
    answer = rig.client("ada").get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert takes in answer.json()["detail"]
    assert rig.console.trail.verify().rows == 0


def test_a_person_reads_it_as_a_page_in_their_language(rig):
    """A link to an export is opened in a browser."""
    answer = rig.client("ada", accept="text/html").get(
        "/trail.csv?name=ada", headers={"accept-language": "de"}
    )
    assert answer.status_code == 422
    assert "kennt den Parameter &#39;name&#39; nicht, nur action, first" in answer.text


@pytest.mark.parametrize("path", ["/", "/beds/bed-01", "/alarms", "/trail", "/users", "/design", "/sign-in"])
def test_a_page_opens_with_the_parameters_of_a_mail(rig, path):
    """A link that something was added to on its way must still open."""
    answer = rig.client("ada", accept="text/html").get(f"{path}?utm_source=mail")
    assert answer.status_code in (200, 303)


def test_the_event_stream_s_definition_names_all_that_a_wall_s_address_has():
    """It is read as a whole, so that no signature tells of it."""
    said = View(wall=True, q="a", site="b", show="alarm", group=True, size=48, page=2).address()
    assert {pair.partition("=")[0] for pair in said.split("&")} == {it["name"] for it in OF_WALL}
