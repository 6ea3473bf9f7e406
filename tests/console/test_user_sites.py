"""Where a role holds is said by a person, and a site that nobody knows is said back."""

import html

import pytest


@pytest.fixture
def rig(empty_room):
    """A console with an administrator of all sites."""
    empty_room.person("ada", "administrator")
    return empty_room


def form(rig, **fields):
    """Send the form of a new account; the answer's status and words."""
    answer = rig.client("ada", accept="text/html").post(
        "/users/new", data={"name": "grace", "title": "Grace", "role": "therapist"} | fields
    )
    return answer.status_code, html.unescape(answer.text)


def sites_of(page):
    """What the first row of a new account has as its site."""
    return page.split('id="site-1"')[1].split('value="')[1].split('"')[0]


def test_a_role_without_a_site_is_refused_and_never_means_every_site(rig):
    """Who picks a role and forgets the site must not give the whole chain away."""
    status, page = form(rig, site="")
    assert status == 422
    assert "Every role needs a site" in page
    assert [user.name for user in rig.console.store.users()] == ["ada"]


def test_no_row_begins_with_every_site_and_the_only_site_is_chosen(rig):
    """A clinic with one site has nothing to choose; a chain must."""
    ask = rig.client("ada", accept="text/html").get
    assert sites_of(ask("/users/new").text) == ""
    rig.bed("bed-01", "north")
    assert sites_of(ask("/users/new").text) == "north"
    rig.bed("bed-02", "south")
    assert sites_of(ask("/users/new").text) == ""


def test_a_site_that_is_not_known_is_said_after_saving(rig):
    """A mistyped site gives a role that holds nowhere; a new one must still be possible."""
    rig.bed("bed-01", "north")
    status, page = form(rig, site="nrth")
    assert status == 200
    assert "This site is not known yet, no bed has been heard of there: nrth" in page
    assert "Known are: north." in page
    assert "not known yet" not in form(rig, name="tom", site="north")[1]
