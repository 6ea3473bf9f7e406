"""Signing in through a real OpenID Connect provider in a process of its own."""

import re
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from console.oidc_visitor import HERE, ROLES, Visitor, said
from oidc_provider import CLIENT, OTHER_CLIENT, SECRET, Provider
from sqlalchemy import select
from starlette.responses import Response

from services.console.accounts.defaults import refuse_defaults
from services.console.accounts.oidc import CALLBACK
from services.console.context import Console
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.remote import Remote
from services.console.routes.sign_in import hand_cookie
from services.console.store import Store
from services.console.tables import TRAIL
from services.kit.auth.principal import Grant
from services.kit.errors import SpondylError


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """The provider, which knows two clients that come from this console's address."""
    with Provider(tmp_path_factory.mktemp("provider"), f"{HERE}{CALLBACK}") as server:
        yield server


@pytest.fixture
def make(provider, tmp_path):
    """A console that signs in by the provider, with other settings where wanted."""
    made = []

    def console(**settings):
        known = {
            "data": tmp_path, "oidc_issuer": provider.issuer, "oidc_client_id": CLIENT,
            "oidc_client_secret": SECRET, "oidc_roles": ROLES, "oidc_label": "Clinic login",
        }  # fmt: skip
        settings = ConsoleSettings(**(known | settings))
        made.append(Store(settings.database))
        return Visitor(Console(Live(), Remote(None), settings, made[-1]))

    yield console
    for store in made:
        store.close()


def test_somebody_of_a_known_group_is_signed_in_with_the_role_of_that_group(make):
    """A clinic's people sign in with what they have; nobody makes accounts twice."""
    visitor = make()
    assert "Sign in with Clinic login" in visitor.get("/sign-in").text
    address = visitor.leave("/sign-in/oidc?next=/beds/bed-01%3Fsite%3Dnorth")
    query = parse_qs(urlsplit(address).query)
    assert query["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= query.keys()
    answer = visitor.get(visitor.sign_in_there(address, "grace"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/beds/bed-01?site=north")
    user = visitor.who
    assert (user.title, user.grants) == ("Grace Provided", (Grant("clinician"),))
    assert user.password is None
    assert visitor.get("/").status_code == 200


def test_groups_are_taken_anew_at_every_sign_in(make, provider):
    """Who changed wards yesterday must not have the old ward's rights today."""
    visitor = make()
    visitor.come("alan")
    user = visitor.console.store.user_named("alan")
    assert set(user.grants) == {Grant("therapist", "north"), Grant("monitor")}
    later = make(oidc_roles={"wall": ["monitor@south"]})
    later.come("alan")
    assert later.console.store.user(user.id).grants == (Grant("monitor", "south"),)
    opened = later.console.accounts.open(later.console.store.user(user.id), "x")
    lost = make(oidc_roles={"clinicians": ["clinician"]})
    assert lost.come("alan").status_code == 403
    assert lost.console.store.user(user.id).grants == ()
    assert not lost.console.accounts.goes_on(opened.sign_in.id)


def test_no_password_pin_or_badge_outlives_lost_or_wider_groups(make):
    """What somebody set for an account with fewer roles must not open what the groups give later."""
    visitor = make()
    visitor.come("alan")
    user, store = visitor.console.store.user_named("alan"), visitor.console.store
    secrets = {"password": "x", "pin": "x", "badge": "x"}
    store.change_user(user.id, secrets)
    narrower = make(oidc_roles={"wall": ["monitor"]})
    narrower.come("alan")
    assert store.user(user.id).pin == "x"
    make().come("alan")
    found = store.user(user.id)
    assert (found.password, found.pin, found.badge) == (None, None, None)
    store.change_user(user.id, secrets)
    make(oidc_roles={"clinicians": ["clinician"]}).come("alan")
    found = store.user(user.id)
    assert (found.password, found.pin, found.badge) == (None, None, None)


def test_accounts_and_roles_by_a_provider_are_rows_of_the_trail(make):
    """Who may what, since when and by whom is asked of these accounts as of any other."""
    make().come("alan")
    visitor = make(oidc_roles={"wall": ["monitor@south"]})
    visitor.come("alan")
    make(oidc_roles={"clinicians": ["clinician"]}).come("alan")
    rows = visitor.console.trail.rows(
        select(TRAIL).where(TRAIL.c.action.like("user.%")).order_by(TRAIL.c.seq)
    )
    assert [(row.action, row.record, row.name) for row in rows] == [
        ("user.added", "alan", "provider"), ("user.roles", "alan", "provider"),
        ("user.roles", "alan", "provider"),
    ]  # fmt: skip
    assert set(rows[0].detail["after"]) == set(rows[1].detail["before"]) == {"therapist@north", "monitor@*"}
    assert rows[1].detail["after"] == rows[2].detail["before"] == ["monitor@south"]
    assert (rows[2].detail["after"], rows[2].site) == ([], "south")
    assert all(row.address for row in rows)


@pytest.mark.parametrize(
    ("name", "words"),
    [("mallory", "the claim “groups” says gardeners"), ("norma", "the claim “groups” is empty")],
)
def test_somebody_of_no_known_group_is_told_which_claim_was_looked_at(make, name, words):
    """Whoever cannot get in must be able to tell the administrator why."""
    visitor = make()
    answer = visitor.come(name)
    assert answer.status_code == 403
    assert words in said(answer)
    assert visitor.get("/").status_code == 303
    assert visitor.refusals()[0]["claim"] == "groups"


def test_a_denied_consent_signs_nobody_in(make):
    """A person may change their mind at the provider."""
    visitor = make()
    answer = visitor.come("emmy", consent="deny")
    assert answer.status_code == 403
    assert said(answer) == "The sign-in was denied there."


def test_an_answer_to_another_browsers_sign_in_is_refused(make):
    """Somebody's own code, slipped to another person, must not sign that person in as the somebody."""
    attacker, victim = make(), make()
    back = attacker.sign_in_there(attacker.leave(), "grace")
    victim.leave()
    for visitor in (victim, make()):
        answer = visitor.get(back)
        assert answer.status_code == 403
        assert "not begun in this browser" in said(answer)
        assert visitor.get("/").status_code == 303


def test_a_code_is_worth_one_sign_in(make):
    """A code read out of a history or a log is worth nothing any more."""
    visitor = make()
    address = visitor.leave()
    cookie = visitor.cookies["spondyl-oidc"]
    back = visitor.sign_in_there(address, "grace")
    assert visitor.get(back).status_code == 303
    again = make()
    assert again.get(back).status_code == 403
    again.cookies.set("spondyl-oidc", cookie, domain="testserver.local", path="/sign-in/oidc")
    answer = again.get(back)
    assert answer.status_code == 403
    assert said(answer) == "The answer of the sign-in service does not hold. Begin again."


def test_a_code_of_another_client_is_refused(make):
    """What another application of the same provider was given opens nothing here."""
    visitor, other = make(), make(oidc_client_id=OTHER_CLIENT)
    theirs = parse_qs(urlsplit(other.sign_in_there(other.leave(), "grace")).query)
    ours = parse_qs(urlsplit(visitor.leave()).query)
    answer = visitor.get(f"{CALLBACK}?code={theirs['code'][0]}&state={ours['state'][0]}")
    assert answer.status_code == 403
    assert "does not hold" in said(answer)


def test_an_answer_that_names_another_provider_is_refused(make):
    """Two providers must not be mixed up (RFC 9207)."""
    visitor = make()
    back = visitor.sign_in_there(visitor.leave(), "grace")
    assert "iss=" in back
    answer = visitor.get(re.sub(r"iss=[^&]*", "iss=http%3A%2F%2Fevil.example", back))
    assert answer.status_code == 403
    assert visitor.refusals()[0]["reason"] == "oidc_token"
    assert "another provider" in visitor.refusals()[0]["message"]


def test_a_sign_in_that_was_begun_too_long_ago_is_begun_anew(make):
    """What lies about in a browser must not work tomorrow."""
    visitor = make()
    visitor.leave()
    key = visitor.console.key
    held = jwt.decode(visitor.cookies["spondyl-oidc"], options={"verify_signature": False})
    stale = jwt.encode({**held, "exp": int(time.time()) - 1}, key, algorithm="EdDSA")
    visitor.cookies.clear()
    visitor.cookies.set("spondyl-oidc", stale, domain="testserver.local", path="/sign-in/oidc")
    answer = visitor.get(f"{CALLBACK}?code=x&state={held['state']}")
    assert answer.status_code == 403
    assert "too long ago" in said(answer)


def test_a_wrong_secret_signs_nobody_in(make):
    """The provider must know that it is us who asks."""
    visitor = make(oidc_client_secret="another one")
    assert visitor.come("grace").status_code == 403


def test_a_provider_that_is_down_is_named_and_passwords_still_work(make):
    """Somebody else's outage must not close the console."""
    visitor = make(oidc_issuer="http://127.0.0.1:9", oidc_label="Clinic login")
    answer = visitor.get("/sign-in/oidc")
    assert answer.status_code == 503
    assert said(answer).startswith("Clinic login does not answer.")
    assert 'name="password"' in answer.text


def test_a_provider_of_another_name_is_not_believed(make, provider):
    """The issuer of every token is compared with what was configured."""
    visitor = make(oidc_issuer=provider.issuer.replace("127.0.0.1", "localhost"))
    assert visitor.get("/sign-in/oidc").status_code == 503


def test_an_account_with_a_password_is_never_taken_over_by_its_name(make):
    """Whoever may choose a name at the provider must not become the administrator here."""
    visitor = make()
    own = visitor.console.store.add_user("grace", "Ours", [Grant("administrator")], password="x")
    visitor.come("grace")
    names = {user.name: user for user in visitor.console.store.users()}
    assert names["grace"] == own
    assert names["grace-2"].grants == (Grant("clinician"),)


def test_an_account_that_is_switched_off_here_stays_so(make):
    """The console's own word is the last one."""
    visitor = make()
    visitor.come("grace")
    user = visitor.who
    visitor.console.store.change_user(user.id, {"disabled_at_us": 1})
    answer = make().come("grace")
    assert answer.status_code == 403
    assert said(answer) == "This account is switched off here."


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"oidc_client_id": ""}, "SPONDYL_OIDC_CLIENT_ID is missing"),
        ({"oidc_client_secret": None}, "SPONDYL_OIDC_CLIENT_SECRET is missing"),
        ({"oidc_client_secret": "changeme"}, "SPONDYL_OIDC_CLIENT_SECRET is a default that everybody knows"),
        ({"oidc_roles": {}}, "SPONDYL_OIDC_ROLES is missing"),
        ({"oidc_roles": {"a": ["king"]}}, "SPONDYL_OIDC_ROLES: 'king' is no role"),
    ],
)
def test_a_console_with_missing_or_default_secrets_does_not_start(make, settings, words):
    """Found at the start, not by the first person at the door."""
    console = make(**settings).console
    with pytest.raises(SpondylError, match=words):
        refuse_defaults(console.settings, console.store)


def test_by_https_every_cookie_is_secure_and_the_sign_in_is_bound_to_its_host(make):
    """A cookie that once went over the air in clear is anybody's."""
    visitor = make(public_url="https://spondyl.example")
    user = visitor.console.store.add_user("ida", "Ida", [Grant("clinician")], password="x")
    answer = Response()
    hand_cookie(visitor.console, visitor.console.accounts.open(user, "x"), answer)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-spondyl=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
    leaves = visitor.get("/sign-in/oidc")
    assert "Secure" in leaves.headers["set-cookie"]
    assert "https%3A%2F%2Fspondyl.example%2Fsign-in%2Foidc%2Fcallback" in leaves.headers["location"]
