"""The pull of one's own weight: by formula, within its limits, drawn as a chart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from services.homecare.dose.chart import svg
from services.homecare.dose.traction import angle_for, force_n
from services.homecare.errors import Invalid

TABLE = {15: (12, 0, 0), 30: (22, 11, 3), 45: (32, 22, 16), 90: (45, 45, 45)}  # % of body weight
ANGLES, WEIGHTS, FRICTIONS = st.floats(0, 90), st.floats(20, 300), st.floats(0, 1)


@pytest.mark.parametrize("angle", TABLE)
def test_the_formula_gives_the_table_that_it_came_from(angle):
    """Share of body weight at frictions 0, 0.3 and 0.5."""
    found = [force_n("board", 80, angle, friction).share_percent for friction in (0, 0.3, 0.5)]
    assert tuple(map(round, found)) == TABLE[angle]


def test_the_command_says_force_formula_and_source(spondyl):
    """What a clinician checks by hand: 0.45 x 80 kg on a board at 45 degrees."""
    status, out, _ = spondyl(
        "homecare", "dose", "--kind", "board", "--angle-deg", "45", "--body-weight-kg", "80", "--friction",
        "0.3", "--json",
    )  # fmt: skip
    said = json.loads(out)
    assert (status, said["force_n"], said["share_of_body_weight_percent"]) == (0, 174.7, 22.3)
    assert "sin(angle)" in said["formula"]
    assert "unverified" in said["source"]
    assert said["least_n"] < said["force_n"] < said["most_n"]


@pytest.mark.parametrize(
    ("given", "value"),
    [("angle_deg", 91), ("angle_deg", -1), ("body_weight_kg", 9), ("friction", 1.1), ("weights_n", -5),
     ("angle_deg", float("nan")), ("body_weight_kg", float("inf"))],
)  # fmt: skip
def test_what_has_no_formula_is_refused_with_value_and_limits(given, value):
    """A typing error in the weight must not become a dose."""
    asked = {"body_weight_kg": 80.0, "angle_deg": 45.0, "friction": 0.3, "weights_n": 0.0} | {given: value}
    with pytest.raises(Invalid, match=given) as refused:
        force_n("board", **asked)
    assert f"{value:g}" in refused.value.words["de"]


@given(ANGLES, WEIGHTS, FRICTIONS)
def test_no_surface_pulls_more_than_hanging_or_less_than_nothing(angle, weight, friction):
    """More than the body below cannot pull; friction only takes away."""
    found = force_n("board", weight, angle, friction)
    assert 0 <= found.force_n <= force_n("hanging", weight, 0, 1).force_n + 1e-9
    assert found.force_n <= force_n("board", weight, angle, 0).force_n


@given(st.floats(0, 800), WEIGHTS, FRICTIONS)
def test_the_angle_that_is_offered_instead_stays_below_the_limit(limit, weight, friction):
    """What a refusal names as possible must be possible."""
    assert force_n("board", weight, angle_for(limit, weight, friction), friction).force_n <= limit


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_chart_says_what_it_shows_to_whoever_cannot_see_it(language):
    """Well-formed, titled, the chosen point inside."""
    drawn = etree.fromstring(svg(80, 0.3, 45, language))
    title = drawn.find("{http://www.w3.org/2000/svg}title").text
    assert "175 N" in title
    circle = drawn.find("{http://www.w3.org/2000/svg}circle")
    assert 0 < float(circle.get("cx")) < 640
    assert 0 < float(circle.get("cy")) < 360
