"""A machine whose certificate holds gets new ones, signed for with its old key; nobody else does."""

import re
from datetime import timedelta

import pytest
from registry_rig import signed

from services.kit import pki

LATER = {"days": 61}


def ask(rig, papers, **more):
    """The answer to a renewal, and the new keys."""
    body, keys = signed(rig, papers, **more)
    return rig.client().request("POST", "/renewals", json=body.model_dump()), keys


def test_a_renewal_gives_new_certificates_for_new_keys_and_no_secret_again(rig):
    """The old key's last use is to vouch for the new one; the bedside's key travels with the code alone."""
    papers = rig.joined()
    rig.later(**LATER)
    answer, keys = ask(rig, papers, parts=("gateway", "bridge", "broker"))
    assert answer.status_code == 200, answer.text
    made = {part: pki.certificates(pem)[0] for part, pem in answer.json()["certificates"].items()}
    assert {part: one.public_key() for part, one in made.items()} == {
        part: key.public_key() for part, key in keys.items()
    }
    assert made["gateway"].not_valid_after_utc - rig.now == timedelta(days=90)
    assert answer.json()["bedside_key"] == ""
    assert rig.ask("GET", "/gateways/gw-north")["version"] == "0.2.0"
    assert len(rig.ask("GET", "/gateways/gw-north")["certificates"]) == 6


def test_a_machine_learns_of_others_at_its_site(rig):
    """A second gateway is in the access list of the clinic's broker within the hour."""
    papers = rig.joined()
    first = rig.machine
    rig.show(rig.code("gw-north-2", devices=("bed-02",)), parts=("gateway",))
    answer, _ = ask(rig, papers, key=first["gateway"], parts=())
    assert [row["name"] for row in answer.json()["members"]] == ["gw-north", "gw-north-2"]
    assert answer.json()["certificates"] == {}


def test_a_gateway_without_its_site_s_broker_gets_no_certificate_of_it_by_renewing(rig):
    """The bridge may what every gateway of the site may: one gateway must not make itself all of them."""
    rig.joined()
    rig.show(rig.code("gw-north-2", devices=("bed-02",)), parts=("gateway",))
    for parts in (("bridge",), ("gateway", "broker")):
        answer, _ = ask(rig, rig.last, parts=parts)
        assert answer.status_code == 403, answer.text
        assert "gw-north-2 has no certificate" in answer.json()["detail"]
    assert len(rig.ask("GET", "/gateways/gw-north-2")["certificates"]) == 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"key": pki.new_key()}, "is not signed by the key of the certificate"),
        ({"apart": 16}, "set the gateway's clock, at most 15 minutes"),
        ({"apart": -16}, "set the gateway's clock, at most 15 minutes"),
        ({"expired": True}, "the certificate of gw-north expired on .*: enrol it anew"),
        ({"revoked": True}, "gw-north is revoked: ask the centre"),
        ({"stranger": True}, "of an authority that is not known here: enrol it anew"),
        ({"bridge": True}, "the certificate is no gateway's"),
    ],
)
def test_who_has_no_certificate_that_holds_gets_none(rig, how, words):
    """Each refusal says which and what to do; the gateway puts it into its log."""
    papers, now = rig.joined(), rig.now
    key, certificate = how.get("key", rig.machine["gateway"]), None
    if how.get("expired"):
        rig.later(days=91)
    if how.get("revoked"):
        rig.ask("POST", "/gateways/gw-north/revoke", json={"reason": "stolen"})
    if how.get("stranger"):
        key = pki.new_key()
        signer = pki.authority("stranger", now + timedelta(days=1), now)
        wanted = pki.Wanted("gw-north", "client", now + timedelta(days=1))
        certificate = pki.pem_of(pki.issue(signer, key.public_key(), wanted, now))
    if how.get("bridge"):
        key, certificate = rig.machine["bridge"], papers["certificates"]["bridge"]
    at = rig.now + timedelta(minutes=how.get("apart", 0))
    answer, _ = ask(rig, papers, key=key, at=at, certificate=certificate)
    assert answer.status_code == 403, answer.text
    assert re.search(words, answer.json()["detail"]), answer.json()["detail"]


def test_the_centre_s_own_certificates_and_lists_are_renewed_in_time(rig):
    """A broker with an expired revocation list lets nobody in: it is made anew every day."""
    from services.registry import files

    files.write_all(rig.desk)
    centre = rig.settings.centre
    before = {path: path.read_bytes() for path in centre.rglob("*") if path.is_file()}
    files.write_all(rig.desk)
    assert {path: path.read_bytes() for path in before} == before
    rig.later(days=1, seconds=1)
    files.write_all(rig.desk)
    assert [path.name for path in before if path.read_bytes() != before[path]] == ["crl.pem"]
    rig.later(days=243)
    files.write_all(rig.desk)
    changed = {path.name for path in before if path.read_bytes() != before[path]}
    assert {"crl.pem", "telemetry.crt", "telemetry.key", "mqtt.crt", "registry.crt"} <= changed
    assert "ca.crt" not in changed
