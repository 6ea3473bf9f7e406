"""The list of operators as a token, and what is kept of PINs and badges."""

import json
import stat
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from operator_rig import BADGE, PIN, Staff

from services.kit.auth import operators, tokens
from services.kit.auth.hashing import Work
from services.kit.auth.keys import public_pem
from services.kit.auth.operators import Operator, OperatorList, OperatorListRefused
from services.kit.auth.principal import SYSTEM, Grant
from services.kit.errors import SpondylError

PRIVATE = Ed25519PrivateKey.generate()
PUBLIC = public_pem(PRIVATE)
MK = Operator("a" * 8, "mk", "M. Keller", ("therapist",), "pin-digest", "f" * 64)


def listed(*people, site="north", version=7):
    """A list that is valid for an hour."""
    now = int(time.time())
    return OperatorList(site, version, now, now + 3600, people or (MK,))


def claims(**other):
    """What a list says, with something else in it."""
    signed = operators.sign(PRIVATE, listed())
    return jwt.decode(signed, options={"verify_signature": False}) | other


def test_a_list_comes_back_as_it_was_signed():
    """What the console granted is what the bed knows."""
    found = operators.read(operators.sign(PRIVATE, listed()), PUBLIC, "north")
    assert found == listed()
    assert found.named(" MK ") == MK
    assert found.of_account("a" * 8) == MK
    assert found.with_badge("f" * 64) == MK
    assert found.with_badge("e" * 64) is None


@pytest.mark.requirement("trust-only-signed-lists")
@pytest.mark.parametrize(
    ("token", "why"),
    [
        (lambda: operators.sign(Ed25519PrivateKey.generate(), listed()), "not signed by this chain"),
        (lambda: tampered(operators.sign(PRIVATE, listed())), "not signed by this chain"),
        (lambda: jwt.encode(claims(), None, algorithm="none"), "not signed by this chain"),
        (lambda: jwt.encode(claims(), "x" * 40, algorithm="HS256"), "not signed by this chain"),
        (lambda: tokens.mint(PRIVATE, SYSTEM), "no valid token"),
        (lambda: jwt.encode(claims(aud="spondyl-panel"), PRIVATE, algorithm="EdDSA"), "no valid token"),
        (lambda: jwt.encode(claims(iss="elsewhere"), PRIVATE, algorithm="EdDSA"), "no valid token"),
        (lambda: operators.sign(PRIVATE, listed(site="south")), "for south: this gateway stands in north"),
        (lambda: jwt.encode(claims(operators="all"), PRIVATE, algorithm="EdDSA"), "no list of at most 400"),
        (lambda: jwt.encode(claims(operators=[{}] * 401), PRIVATE, algorithm="EdDSA"), "no list of at most"),
        (lambda: jwt.encode(claims(operators=[{"name": 1}]), PRIVATE, algorithm="EdDSA"), "malformed"),
        (lambda: jwt.encode(claims(operators=["mk"]), PRIVATE, algorithm="EdDSA"), "malformed"),
        (lambda: jwt.encode(claims(version="new"), PRIVATE, algorithm="EdDSA"), "malformed"),
        (lambda: "x" * 250_001, "250001 characters: at most 250000"),
        (lambda: "a.b.c", "no valid token"),
        (lambda: "", "no valid token"),
    ],
)
def test_whatever_is_not_our_list_for_this_site_is_refused_in_words(token, why):
    """A bed is operated by whom the chain says, and by nobody else."""
    with pytest.raises(OperatorListRefused, match=why):
        operators.read(token(), PUBLIC, "north")


def tampered(signed):
    """The list with one more row, under the old signature."""
    head, body, signature = signed.split(".")
    said = json.loads(urlsafe_b64decode(body + "=="))
    said["operators"].append({**said["operators"][0], "name": "intruder"})
    return ".".join((head, urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode(), signature))


def test_a_list_that_no_gateway_would_take_is_not_signed():
    """A refusal at the console is seen; one at a hundred gateways is not."""
    with pytest.raises(OperatorListRefused, match="401 operators: a gateway's list holds 400"):
        operators.sign(PRIVATE, listed(*[MK] * 401))
    people = [Operator(str(uuid4()), f"u{n}", "T" * 80, ("therapist",), "p" * 900) for n in range(400)]
    with pytest.raises(OperatorListRefused, match="characters: at most 250000"):
        operators.sign(PRIVATE, listed(*people))


def test_four_hundred_operators_with_real_digests_fit(tmp_path):
    """The two limits must not contradict each other."""
    digest = Staff(tmp_path).hash(PIN)
    people = [
        Operator(str(uuid4()), f"user-{n:03}", "Given Family", ("therapist",), digest, "f" * 64)
        for n in range(400)
    ]
    assert len(operators.sign(PRIVATE, listed(*people))) < operators.MAX_SIGNED


def test_a_role_of_a_later_release_permits_nothing():
    """An old gateway must neither fail nor guess."""
    rows = [{"account": "a", "name": "x", "title": "", "roles": ["therapist", "magician"]}]
    found = operators.read(jwt.encode(claims(operators=rows), PRIVATE, algorithm="EdDSA"), PUBLIC, "north")
    assert found.operators[0].roles == ("therapist",)


def test_only_those_who_may_operate_at_the_site_are_listed():
    """A gateway learns nothing of people who have nothing to do there."""
    people = [
        (MK, [Grant("therapist", "north")]),
        (Operator("b", "everywhere", "", ()), [Grant("clinician")]),
        (Operator("c", "south", "", ()), [Grant("therapist", "south")]),
        (Operator("d", "desk", "", ()), [Grant("reception", "north")]),
        (Operator("e", "chief", "", ()), [Grant("administrator")]),
        (
            Operator("f", "both", "", ()),
            [Grant("administrator"), Grant("therapist", "north"), Grant("billing", "south")],
        ),
    ]
    found = operators.operators_at("north", people)
    assert [(row.name, row.roles) for row in found] == [
        ("both", ("administrator", "therapist")), ("everywhere", ("clinician",)), ("mk", ("therapist",)),
    ]  # fmt: skip
    assert not found[0].principal("north").may("beds.operate", "south")


@pytest.mark.parametrize(
    "pin",
    [
        "",
        "12345",
        "1234567890123",
        "12345a",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "111111",
        "123456",
        "987654",
        "12 456",
        "-12345",
    ],
)
def test_what_is_no_pin_is_refused_with_the_rule(pin):
    """Six digits are little enough; the ones that everybody tries first are none."""
    with pytest.raises(SpondylError, match="a PIN"):
        operators.check_pin(pin)


@pytest.mark.parametrize("number", ["", "123", "ABC-042", "x" * 65, "with space", "ümlaut", "line\nline"])
def test_what_no_reader_types_is_no_badge(number):
    """A badge is what a reader can type in one run."""
    with pytest.raises(SpondylError, match="a badge's number has 8 to 64"):
        operators.check_badge(number)


@pytest.mark.parametrize("number", ["123456789", "04:12:19:77", "12345-6789"])
def test_a_badge_of_few_digits_could_be_tried_out_and_is_none(number):
    """It is a single factor: what stands on it must be more than a PIN."""
    with pytest.raises(SpondylError, match="without a letter has at least 10 digits"):
        operators.check_badge(number)
    assert operators.check_badge(f"{number}0") if number.isdigit() else operators.check_badge(f"{number}A")


def test_what_is_kept_of_a_pin_can_only_be_checked_with_the_bedside_key(tmp_path):
    """Whoever reads a list on the broker must not be able to try a million PINs at home."""
    staff = Staff(tmp_path)
    kept = operators.hash_pin(staff.key, PIN, Work())
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert PIN not in kept
    for digest in (kept, staff.hash(PIN)):  # whatever work the console kept it with
        assert operators.pin_matches(staff.key, digest, PIN)
        assert not operators.pin_matches(staff.key, digest, PIN[:-1] + "0")
    assert not operators.pin_matches(bytes(32), kept, PIN)
    assert not operators.pin_matches(staff.key, "no digest", PIN)
    assert operators.badge_digest(staff.key, BADGE) != operators.badge_digest(bytes(32), BADGE)


def test_the_bedside_key_is_made_once_and_its_owners_alone(tmp_path):
    """A second process must not make the first one's PINs wrong."""
    key = operators.ensure_bedside_key(tmp_path)
    path = operators.bedside_key_path(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert operators.ensure_bedside_key(tmp_path) == key
    path.write_text("beef")
    with pytest.raises(SpondylError, match="has 2 bytes: a bedside key has 32"):
        operators.ensure_bedside_key(tmp_path)
    path.write_text("no key")
    with pytest.raises(SpondylError, match="is no bedside key"):
        operators.read_bedside_key(path)
