"""A site's letterhead and tariffs: versions kept, what is missing named, what cannot be refused."""

import pytest
from billing.billing_rig import CLINIC


def test_what_an_invoice_lacks_is_named(rig):
    """Nobody has to guess why an invoice cannot be issued."""
    rig.ask("PUT", "/clinics/north", json={"name": "Praxis"})
    missing = {one["field"].partition("|")[0] for one in rig.ask("GET", "/clinics/north")["missing"]}
    assert missing == {"doctor", "address", "account_holder", "iban", "tax_number", "identifier"}
    rig.ask("PUT", "/clinics/north", json={**CLINIC, "tax_number": None, "identifier": None, "vat_id": "DE1"})
    assert rig.ask("GET", "/clinics/north")["missing"] == []


def test_every_version_stays(rig):
    """Who changed the account, and when, is seen a year later."""
    rig.clinic()
    rig.clinic(phone="030 7654321")
    rig.clinic(phone="030 7654321")
    versions = rig.ask("GET", "/clinics/north")["versions"]
    assert [one["clinic"]["phone"] for one in versions] == ["030 7654321", "030 1234567"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("iban", "DE02120300000000202052"), ("bic", "NOBANK"), ("zone", "Europe/Nowhere")],
)
def test_an_account_or_clock_that_cannot_be_is_refused_and_nothing_is_kept(rig, field, value):
    """A wrong digit would send a year's payments elsewhere."""
    rig.clinic()
    refused = rig.ask("PUT", "/clinics/north", json={**CLINIC, field: value}, status=422)
    assert value[:4] in refused["detail_de"]
    assert len(rig.ask("GET", "/clinics/north")["versions"]) == 1


def test_an_account_is_kept_as_it_is_written(rig):
    """Blanks in an IBAN are for people."""
    assert rig.clinic(iban="de02 1203 0000 0000 2020 51")["clinic"]["iban"] == "DE02120300000000202051"


def test_a_tariff_may_be_lower_and_never_above_what_needs_no_reason(rig):
    """Self-payers get a lower factor, § 5 Abs. 1 GOÄ."""
    rig.ask("PUT", "/tariffs/north/self", json={"factors": {"652": "1.5"}})
    shown = {one["name"]: one["factors"] for one in rig.ask("GET", "/tariffs/north")["tariffs"]}
    assert shown["self"] == {"652": "1.5"}
    for factors in ({"652": "3.5"}, {"652": "0.5"}, {"99999": "1"}):
        rig.ask("PUT", "/tariffs/north/self", json={"factors": factors}, status=422)
    assert rig.ask("GET", "/tariffs/south")["tariffs"][1]["factors"] == {}
