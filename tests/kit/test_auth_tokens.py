"""Tokens: what is ours is read back whole, everything else is one 401 in plain words."""

import base64
import json
import stat
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from services.kit.auth import tokens
from services.kit.auth.keys import public_pem
from services.kit.auth.principal import SYSTEM, Grant, Principal
from services.kit.auth.roles import PERMISSIONS, ROLES
from services.kit.errors import NotSignedIn, SpondylError

PRIVATE = Ed25519PrivateKey.generate()
PUBLIC = public_pem(PRIVATE)
ANNA = Principal("a1", "anna", (Grant("clinician", "north"), Grant("monitor", "south")))
NONE_OF_OURS = "the token is none of this system's: it is malformed or signed by others"
texts = st.text(min_size=1, max_size=tokens.MAX_TEXT).filter(lambda text: text.isprintable())
grants = st.builds(
    Grant, st.sampled_from(sorted(ROLES)), st.from_regex(r"\A[a-z0-9-]{1,40}\Z") | st.just("*")
)
principals = st.builds(Principal, texts, texts, st.lists(grants, max_size=40, unique=True).map(tuple))


def refusal(token, public=PUBLIC):
    """What a stranger is told."""
    with pytest.raises(NotSignedIn) as refused:
        tokens.read(token, public)
    assert refused.value.status == 401
    return refused.value.message


def signed(key=PRIVATE, algorithm="EdDSA", headers=None, **changed):
    """A token of ours but for what is changed; a claim that is None is left out."""
    now = datetime.now(UTC)
    claims = {
        "iss": "spondyl", "aud": "spondyl-telemetry", "sub": "a1", "name": "anna",
        "grants": {"monitor": ["north"]}, "iat": now, "exp": now + timedelta(seconds=60), "jti": "1",
    } | changed  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


@given(principals)
def test_whoever_is_minted_is_read_back(who):
    """Account, name and every grant: services judge by nothing else."""
    found = tokens.read(tokens.mint(PRIVATE, who), PUBLIC)
    assert (found.account, found.name, set(found.grants)) == (who.account, who.name, set(who.grants))
    assert [found.sites(permission) for permission in PERMISSIONS] == [
        who.sites(permission) for permission in PERMISSIONS
    ]


def test_a_token_is_for_the_services_it_names_and_for_no_other():
    """What one service is shown it could show to another: that one has to refuse it."""
    both = tokens.mint(PRIVATE, ANNA, audiences=(tokens.TELEMETRY, tokens.CONSOLE))
    assert tokens.read(both, PUBLIC, tokens.CONSOLE) == tokens.read(both, PUBLIC, tokens.TELEMETRY) == ANNA
    with pytest.raises(NotSignedIn, match="for another service: this one takes those for spondyl-panel"):
        tokens.read(both, PUBLIC, tokens.PANEL)


def test_a_token_says_which_service_asks_in_somebody_s_name():
    """What the console has written down is not written down once more; nobody else may say so."""
    assert tokens.read(tokens.mint(PRIVATE, ANNA), PUBLIC).via is None
    through = tokens.read(tokens.mint(PRIVATE, ANNA, via=tokens.VIA_CONSOLE), PUBLIC)
    assert (through.via, through.grants) == ("console", ANNA.grants)
    assert tokens.read(tokens.mint(PRIVATE, through), PUBLIC).via is None
    for wrong in ([], 0, "", "x" * 300):
        assert refusal(signed(via=wrong)) == "the token's claims are malformed"


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
@example("")
@example("..")
@example("a.b.c")
@example("é" * 100)
@example("\ud800")
@example("[" * 5000)
def test_garbage_is_none_of_ours(text):
    """Whatever bytes come, the answer is a refusal and never a fault."""
    assert refusal(text) == NONE_OF_OURS


@given(st.data())
def test_a_token_of_which_one_character_is_changed_is_none_of_ours(data):
    """A forged role, site, name or time is a changed character."""
    token = tokens.mint(PRIVATE, ANNA)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("abcXYZ019-_.").filter(lambda letter: letter != token[at]))
    changed = token[:at] + other + token[at + 1 :]
    try:
        found = tokens.read(changed, PUBLIC)
    except NotSignedIn as refused:
        assert refused.message == NONE_OF_OURS  # noqa: PT017  (the last character has bits that mean nothing)
    else:
        assert found == ANNA


def test_a_role_written_into_a_signed_token_is_none_of_ours():
    """The classic: the payload is replaced, the signature kept."""
    head, payload, signature = tokens.mint(PRIVATE, ANNA).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["grants"] = {"administrator": ["*"]}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert refusal(f"{head}.{forged}.{signature}") == NONE_OF_OURS


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE"])
def test_a_token_that_is_not_signed_at_all_is_none_of_ours(algorithm):
    """`alg: none` has opened many doors."""
    parts = [{"alg": algorithm, "typ": "JWT"}, jwt.decode(signed(), options={"verify_signature": False})]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    assert refusal(".".join([*coded, ""])) == NONE_OF_OURS


def test_a_token_signed_with_the_public_key_as_a_password_is_none_of_ours():
    """The public key is known to everybody: HS256 with it must prove nothing."""
    import hashlib
    import hmac

    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = head + "." + signed().split(".")[1]
    mac = hmac.new(PUBLIC, body.encode(), hashlib.sha256).digest()
    assert refusal(f"{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}") == NONE_OF_OURS


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (lambda: signed(Ed25519PrivateKey.generate()), NONE_OF_OURS),
        (lambda: signed(ec.generate_private_key(ec.SECP256R1()), "ES256"), NONE_OF_OURS),
        (lambda: signed(aud="spondyl-gateway"), "for another service: this one takes those for spondyl-t"),
        (lambda: signed(iss="another-house"), NONE_OF_OURS),
        (lambda: signed(aud=None), NONE_OF_OURS),
        (lambda: signed(exp=None), NONE_OF_OURS),
        (lambda: signed(jti=None), NONE_OF_OURS),
        (lambda: signed(exp="soon"), NONE_OF_OURS),
        (lambda: signed(exp=10**30), "valid for longer than the 365 days"),
        (lambda: signed(exp=datetime.now(UTC) - timedelta(seconds=31)), "the token has expired"),
        (lambda: signed(exp=datetime(1970, 1, 2, tzinfo=UTC)), "the token has expired"),
        (lambda: signed(iat=datetime.now(UTC) + timedelta(hours=1)), "not valid yet"),
        (lambda: signed(nbf=datetime.now(UTC) + timedelta(hours=1)), "not valid yet"),
        (lambda: signed(grants={"emperor": ["*"]}), "names the role 'emperor': the roles are administrator"),
        (lambda: signed(grants={"e" * 1000: ["*"]}), f"names the role '{'e' * 40}'"),
        (lambda: signed(grants=["administrator"]), "malformed"),
        (lambda: signed(grants={"administrator": "*"}), "malformed"),
        (lambda: signed(grants={"administrator": [["*"]]}), "malformed"),
        (lambda: signed(grants={"administrator": [""]}), "malformed"),
        (lambda: signed(name=["anna"]), "malformed"),
        (lambda: signed(name="n" * 201), "malformed"),
        (lambda: signed(sub=""), "malformed"),
        (lambda: "x" * 10_000, "the token has 10000 characters, at most 8192 pass"),
        (lambda: signed(name="n" * 10_000), "at most 8192 pass"),
    ],
)
def test_what_is_not_quite_ours_is_refused_in_plain_words(token, words):
    """Each says what is wrong as far as a stranger may know, and repeats nothing that is secret."""
    given_token = token()
    said = refusal(given_token)
    assert words in said
    assert given_token not in said
    assert len(said) < 250


def test_clocks_may_differ_by_half_a_minute():
    """Two machines never agree to the second."""
    assert tokens.read(signed(exp=datetime.now(UTC) - timedelta(seconds=25)), PUBLIC).name == "anna"
    assert tokens.read(signed(iat=datetime.now(UTC) + timedelta(seconds=25)), PUBLIC).name == "anna"


@pytest.mark.parametrize("valid_s", [0.0, -1.0, 366 * 86400.0, float("nan"), float("inf")])
def test_a_validity_that_is_none_or_longer_than_a_year_is_refused(valid_s):
    """A token cannot be called back: the longest one has a bound."""
    with pytest.raises(SpondylError, match="more than 0 and at most 365 days"):
        tokens.mint(PRIVATE, ANNA, valid_s)


def test_more_grants_than_a_token_holds_are_refused_with_what_to_do():
    """A token that no service would read is not handed out."""
    many = Principal("a", "anna", tuple(Grant("monitor", f"site-number-{number}") for number in range(600)))
    with pytest.raises(SpondylError, match=r"at most 8192 pass: grant a role at every site"):
        tokens.mint(PRIVATE, many)


def test_keys_are_made_once_and_the_private_one_is_nobody_else_s(tmp_path):
    """A second start keeps every token valid; the public half follows the private one."""
    keys = tokens.ensure_keys(tmp_path)
    assert stat.S_IMODE(keys.private.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.public.stat().st_mode) == 0o644
    before = keys.private.read_bytes()
    keys.public.write_bytes(b"something else")
    assert tokens.ensure_keys(tmp_path) == keys
    assert keys.private.read_bytes() == before
    assert tokens.read(tokens.of_system(tmp_path), tokens.public_key(None, tmp_path)) == SYSTEM


def test_a_key_that_is_none_or_another_s_is_refused_in_one_line(tmp_path):
    """The service does not start, and says which file and what to do."""
    with pytest.raises(
        SpondylError, match=r"access\.pub cannot be read: No such file .*`spondyl up` makes one"
    ):
        tokens.public_key(None, tmp_path)
    path = tmp_path / "key.pem"
    path.write_text("nonsense")
    with pytest.raises(SpondylError, match="is no public key in PEM"):
        tokens.public_key(path, tmp_path)
    with pytest.raises(SpondylError, match="is no private key in PEM"):
        tokens.mint(path, SYSTEM)
    elliptic = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        elliptic.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(SpondylError, match="is no Ed25519 key"):
        tokens.mint(path, SYSTEM)
    path.write_bytes(
        elliptic.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    with pytest.raises(SpondylError, match="is no Ed25519 key"):
        tokens.public_key(path, tmp_path)


def test_keys_that_cannot_be_written_are_refused_in_one_line(tmp_path):
    """A full or foreign disk is no trace back."""
    (tmp_path / "secrets").write_text("a file where a directory belongs")
    with pytest.raises(SpondylError, match=r"the access keys in .* cannot be made"):
        tokens.ensure_keys(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["secrets"]
