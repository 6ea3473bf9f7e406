"""A machine with a code becomes a gateway, once; whatever else is shown is refused in plain words."""

import json
import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from registry_rig import RegistryRig

from services.kit import pki
from services.kit.database import reading
from services.registry import store


def refused(answer, status, words):
    """The answer's detail, as it must be."""
    assert answer.status_code == status, answer.text
    assert re.search(words, answer.json()["detail"]), answer.json()["detail"]


def the_certificate(papers, part):
    """One of the papers'."""
    return pki.certificates(papers["certificates"][part])[0]


def test_a_code_gives_certificates_whose_names_are_the_registry_s(rig):
    """A machine asks with its keys alone: what it would like to be called counts for nothing."""
    papers = rig.joined(devices=("bed-01", "bed-02"))
    names = {part: pki.name_of(the_certificate(papers, part)) for part in papers["certificates"]}
    assert names == {"gateway": "gw-north", "bridge": "bridge-north", "broker": "broker-north"}
    ours = pki.certificates(papers["authorities"])[0]
    for part, key in rig.machine.items():
        made = the_certificate(papers, part)
        assert pki.is_signed_by(made, ours)
        assert made.public_key() == key.public_key()
        assert timedelta(days=89) < made.not_valid_after_utc - rig.now <= timedelta(days=90)
    usage = the_certificate(papers, "bridge").extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert (papers["site"], papers["devices"]) == ("north", ["bed-01", "bed-02"])
    assert "PUBLIC KEY" in papers["access_public_key"]
    assert "PUBLIC KEY" in papers["clearance_public_key"]
    assert len(bytes.fromhex(papers["bedside_key"])) == 32


def test_a_code_opens_once(rig):
    """Who looked over the shoulder comes too late, and it is written down."""
    code = rig.code()
    assert rig.show(code).status_code == 201
    refused(rig.show(code), 403, "was used already, a code is good once")
    assert [row["detail"] for row in rig.trail("gateway.code-refused")] == [
        '{"address":"127.0.0.1","why":"used"}'
    ]


def test_a_code_ends_with_its_minutes(rig):
    """A note that lies around for an afternoon opens nothing."""
    code = rig.code(minutes=30)
    rig.later(minutes=31)
    refused(rig.show(code), 403, "has expired: ask the centre")


def test_a_newer_code_voids_the_one_before(rig):
    """Asked for twice, there is still one door, with one key."""
    first, second = rig.code(), rig.code()
    rig.later(seconds=1)
    refused(rig.show(first), 403, "has expired")
    assert rig.show(second).status_code == 201


def test_who_guesses_learns_nothing(rig):
    """A wrong secret is unknown, whether a code is open or not; and after twenty it is quiet."""
    answers = [rig.show("0" * 16).json()["detail"]]
    rig.code()
    answers += [rig.show("0" * 16).json()["detail"] for _ in range(19)]
    assert set(answers) == {
        "the enrolment code is not known here: type it again, or ask the centre for a new one"
    }
    refused(rig.show("0" * 16), 429, "too many enrolment codes from this address")


def test_a_refused_request_leaves_the_code_good(rig):
    """A machine that sent nonsense may try again with the same code."""
    code = rig.code()
    body = {"secret": code.secret, "requests": {"gateway": "nonsense"}}
    refused(rig.client().request("POST", "/enrolments", json=body), 422, "certificate request is needed")
    assert rig.show(code).status_code == 201


def test_the_database_has_no_code(rig):
    """Who reads the database, or a backup of it, cannot enrol a machine."""
    code = rig.code()
    with reading(rig.engine) as connection:
        found = store.code(connection, pki.digest(code.secret))
    assert code.secret not in str(dict(found))
    assert code.secret not in (rig.settings.data / "registry" / "registry.db").read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    ("wanted", "status", "words"),
    [
        ({"name": "telemetry"}, 422, "begins with 'gw-'"),
        ({"name": "bridge-north"}, 422, "begins with 'gw-'"),
        ({"name": "gw-x\nuser"}, 422, "pattern"),
        ({"devices": ["#"]}, 422, "pattern"),
        ({"devices": []}, 422, "at least 1"),
        ({"devices": ["bed-07", "bed-07"]}, 422, "named once"),
        ({"devices": ["bed-01"]}, 409, "bed-01 is gw-north's already"),
        ({"name": "gw-north", "site": "south"}, 409, "gw-north is at site north: a gateway does not move"),
        ({"hosts": ["telemetry"]}, 422, "that is a name of the centre"),
        ({"minutes": 0}, 422, "greater than or equal to 1"),
    ],
)
def test_a_gateway_that_could_pass_for_another_is_refused(rig, wanted, status, words):
    """Its name is who it is at the brokers, its devices are what it may say, its hosts what it may serve."""
    rig.joined()
    body = {"name": "gw-south", "site": "south", "devices": ["bed-07"], **wanted}
    refused(rig.knock("POST", "/gateways", json=body), status, words)


def test_no_clinic_s_broker_has_any_name_that_the_centre_answers_to(tmp_path):
    """Whoever has a certificate for the central broker's name is the central broker to every other clinic."""
    rig = RegistryRig(
        tmp_path / "centre", registry_broker_url="mqtts://broker.chain.example:8883",
        registry_hosts=("localhost", "2001:db8::1"), registry_services=("telemetry", "proxy"),
    )  # fmt: skip
    for host in ("mqtt", "Proxy", "registry", "BROKER.chain.example", "2001:DB8:0::1"):
        body = {"name": "gw-south", "site": "south", "devices": ["bed-07"], "hosts": ["localhost", host]}
        refused(rig.knock("POST", "/gateways", json=body), 422, "that is a name of the centre")
    rig.close()


def test_a_second_gateway_of_a_site_has_no_second_bridge(rig):
    """Two bridges of one name would throw each other out at the centre for ever."""
    rig.joined()
    code = rig.code("gw-north-2", devices=("bed-02",))
    refused(rig.show(code), 422, "gw-north has the broker of site north already: join with --broker")
    answer = rig.show(code, parts=("gateway",))
    assert answer.status_code == 201
    assert [row["name"] for row in answer.json()["members"]] == ["gw-north", "gw-north-2"]


def test_everything_that_happened_is_a_row_of_the_trail(rig):
    """Who let which machine in, when, from where."""
    rig.joined()
    assert [
        (row["action"], row["record"], row["site"]) for row in rig.trail() if "gateway" in row["action"]
    ] == [
        ("gateway.enrolment-made", "gw-north", "north"),
        ("gateway.joined", "gw-north", "north"),
    ]
    assert rig.office.trail.verify().ok
    assert not [row for row in rig.trail() if "BEGIN" in row["detail"]]


@pytest.mark.parametrize(
    "pem",
    [
        "", "\0", "ä" * 100, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    ],
)  # fmt: skip
def test_whatever_is_sent_for_a_request_is_refused_in_words(rig, pem):
    """The door is open to everybody: nothing that comes through it may be a fault of ours."""
    body = {"secret": rig.code().secret, "requests": {"gateway": pem}}
    refused(rig.client().request("POST", "/enrolments", json=body), 422, "certificate request")
    signed = {"body": json.dumps({"certificate": pem, "requests": {}, "at": "2026-01-01T00:00:00Z"}),
              "signature": "AAAA"}  # fmt: skip
    assert rig.client().request("POST", "/renewals", json=signed).status_code == 422


def test_an_rsa_key_and_a_stolen_request_are_refused(rig):
    """The chain's keys are of one kind, and who asks for a certificate must have the key."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "x")])
    of_rsa = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    mine = pki.request_pem(pki.new_key(), "x")
    forged = mine[:-80] + ("A" if mine[-80] != "A" else "B") + mine[-79:]
    for pem in (of_rsa.public_bytes(serialization.Encoding.PEM).decode(), forged):
        body = {"secret": rig.code().secret, "requests": {"gateway": pem}}
        refused(rig.client().request("POST", "/enrolments", json=body), 422, "request")
