"""The item picker's answers: prices and rules while somebody puts lines together."""

import pytest

DAY = "2026-11-23"


def line(number, factor="1.8", **more):
    """A line as it is typed."""
    return {"date": DAY, "number": number, "factor": factor, **more}


def test_lines_that_are_put_together_are_priced_and_checked(rig):
    """Whoever types an invoice learns what it costs and what forbids it before it is kept."""
    told = rig.ask("POST", "/goae/check", json={"lines": [line("652", "2.3"), line("650")]})
    assert [price["amount"] for price in told["prices"]] == ["59.66", "15.95"]
    assert told["total"] == "75.61"
    first = told["findings"][0]
    assert (first["verdict"], first["lines"]) == ("forbidden", [0, 1])
    assert "650 bis 653" in first["sentence"]
    assert rig.ask("POST", "/goae/check", json={}) == {"prices": [], "total": "0.00", "findings": []}


@pytest.mark.parametrize(("typed", "number"), [("650", "650"), ("Elektrokardiografische", "650")])
def test_what_is_looked_for_says_what_it_would_break(rig, typed, number):
    """An exclusion is seen while one types, not when the invoice is refused."""
    body = {"q": typed, "on": DAY, "lines": [line("652", "2.3")]}
    found = {item["number"]: item for item in rig.ask("POST", "/goae/pick", json=body)["items"]}
    assert [one["verdict"] for one in found[number]["findings"]][:1] == ["forbidden"]
    alone = rig.ask("POST", "/goae/pick", json={"q": number, "on": DAY})["items"][0]
    assert not [one for one in alone["findings"] if one["verdict"] == "forbidden"]
    assert alone["price"]["amount"] == "15.95"


def test_an_item_is_offered_at_the_factor_of_whoever_pays(rig):
    """Somebody who pays for themselves is not offered the threshold; a site may have its own factor."""
    asked = {"q": "652", "on": DAY, "tariff": "self"}
    assert rig.ask("POST", "/goae/pick", json=asked)["items"][0]["price"]["amount"] == "46.69"
    rig.ask("PUT", "/tariffs/north/self", json={"factors": {"652": "1.5"}})
    price = rig.ask("POST", "/goae/pick", json={**asked, "site": "north"})["items"][0]["price"]
    assert (price["factor"], price["amount"]) == ("1.5", "38.91")
    rig.ask("POST", "/goae/pick", json={**asked, "site": "north"}, sites=("south",), status=404)


def test_an_item_comes_with_every_rule_that_names_it(rig):
    """Beside a number stands what is to be known before it is charged."""
    item = rig.ask("GET", "/goae/items/652", params={"on": DAY})
    assert any("650" in (*rule["numbers"], *rule["others"]) for rule in item["rules"])
    assert all(rule["paragraph"] and rule["sentence"] for rule in item["rules"])


def test_what_a_stranger_asks_of_a_patient_elsewhere_is_not_there(rig):
    """History is a patient's record: it is read where one may see it, and it is written down."""
    patient = rig.patient()
    body = {"site": "north", "patient": str(patient), "lines": [line("1", "2.3")]}
    rig.ask("POST", "/goae/check", json=body, sites=("south",), status=404)
    rig.ask("POST", "/goae/check", json=body)
    assert [row["record"] for row in rig.trail("charges.checked")] == [str(patient)]
