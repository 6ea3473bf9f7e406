"""Signing in, one's own password and the accounts, in a real browser against a real console."""

import re

import pytest
from browser.conftest import shot, sideways
from console.account_rig import ADMINISTRATOR, PASSWORD
from least_work import LEAST
from oidc_provider import CLIENT, SECRET, Provider
from oidc_provider import PASSWORD as PROVIDED
from playwright.sync_api import expect
from servers import free_port

from services.console.accounts import passwords
from services.console.accounts.oidc import CALLBACK
from services.kit.moments import now_us

KEPT = passwords.kept(PASSWORD, LEAST)
REFUSED = ("401", "403", "404", "422", "429", "HTTP Authentication failed")  # the last is a WebSocket's 401
PROVIDERS_OWN = ("Content Security", "Failed to load", "Error with Permissions")  # its pages, not ours
NEW = "kestrel over the quarry"


@pytest.fixture
def console(lasting_wall):
    """One console for this file's tests."""
    return lasting_wall


@pytest.fixture
def people(console):
    """The console's people: grace, whose password is PASSWORD, among them."""
    people = console.people
    values = {
        "password": KEPT,
        "failures": 0,
        "locked_until_us": 0,
        "must_change": False,
        "disabled_at_us": None,
    }
    people.store.change_user(people.person("grace", "clinician@north").id, values)
    return people


def sign_in(page, name, password):
    page.get_by_label(re.compile("^Name$")).fill(name)
    page.get_by_label(re.compile("^Pass(word|wort)$")).fill(password)
    page.get_by_role("button", name=re.compile("Sign in|Anmelden")).click()


def test_a_stranger_is_led_to_the_sign_in_and_back_to_the_page_that_was_wanted(console, people, open_page):
    """A link in a message must survive the sign-in."""
    page = open_page(f"{console.address}/?show=alarm", user=None)
    assert "/sign-in?next=" in page.url
    assert page.evaluate("document.activeElement.id") == "name"
    shot(page, "sign-in")
    sign_in(page, "Grace", PASSWORD)
    expect(page).to_have_url(f"{console.address}/?show=alarm")
    expect(page.locator("#menu-button")).to_contain_text(re.compile("grace", re.IGNORECASE))
    cookie = next(it for it in page.context.cookies() if it["name"] == "spondyl")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"]) == (True, "Lax", -1)


def test_signing_out_ends_it_in_this_browser_and_the_cookie_is_worth_nothing(console, people, open_page):
    """The next person at this machine is a stranger again, whatever was copied before."""
    page = open_page(console.address, user="grace", may_fail=REFUSED)
    kept = page.context.cookies()
    page.locator("#menu-button").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{console.address}/sign-in")
    page.context.add_cookies(kept)
    page.goto(console.address)
    assert "/sign-in" in page.url


def test_a_wrong_password_says_so_and_five_lock_the_account(console, people, open_page):
    """The person learns how long to wait; the right password does not shorten it."""
    page = open_page(f"{console.address}/sign-in", user=None, may_fail=REFUSED)
    for _ in range(5):
        sign_in(page, "grace", "not this one")
        expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        assert page.get_by_label("Name").input_value() == "grace"
    sign_in(page, "grace", PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Try again in \d+ s"))
    shot(page, "sign-in-locked")
    assert people.store.user_named("grace").failures == 5


def test_a_cookie_planted_before_the_sign_in_is_not_the_one_after_it(console, people, open_page):
    """Session fixation: whoever knew the browser's cookie beforehand must know nothing afterwards."""
    page = open_page(f"{console.address}/sign-in", user=None)
    page.context.add_cookies([{"name": "spondyl", "value": "planted", "url": console.address}])
    sign_in(page, "grace", PASSWORD)
    expect(page.locator("#menu-button")).to_be_visible()
    assert next(it["value"] for it in page.context.cookies() if it["name"] == "spondyl") != "planted"


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_the_sign_in_leads_nowhere_else(console, people, open_page, target):
    """A link with our name must not end on somebody else's page."""
    page = open_page(f"{console.address}/sign-in?next={target}", user=None)
    sign_in(page, "grace", PASSWORD)
    expect(page).to_have_url(f"{console.address}/")


def test_an_initial_password_opens_nothing_but_its_own_change(console, people, open_page):
    """Every page leads there until it is done, and the sign-in before it is over then."""
    people.store.change_user(people.store.user_named("grace").id, {"must_change": True})
    page = open_page(f"{console.address}/sign-in", user=None, may_fail=REFUSED)
    sign_in(page, "grace", PASSWORD)
    for path in ("/", "/sessions", "/password"):
        page.goto(console.address + path)
        expect(page).to_have_url(f"{console.address}/password")
    expect(page.get_by_text("is for one use only")).to_be_visible()
    expect(page.locator(".nav")).to_have_count(0)
    assert page.request.get(f"{console.address}/api/beds").status == 403
    shot(page, "password-forced")
    before = page.context.cookies()
    change(page, PASSWORD, "grace is my name", "grace is my name")
    expect(page.get_by_role("alert")).to_contain_text("contains the name")
    change(page, PASSWORD, NEW, "kestrel over the query")
    expect(page.get_by_role("alert")).to_contain_text("not typed the same twice")
    change(page, PASSWORD, NEW, NEW)
    expect(page).to_have_url(f"{console.address}/")
    page.context.add_cookies([it for it in before if it["name"] == "spondyl"])
    page.goto(console.address)
    assert "/sign-in" in page.url


def change(page, current, new, again):
    page.get_by_label("Present password").fill(current)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("New password again").fill(again)
    page.get_by_role("button", name="Change password").click()


def test_a_role_sees_its_own_pages_only(console, people, open_page):
    """The navigation offers what opens, and an address typed by hand opens nothing more."""
    people.person("moni", "monitor")
    page = open_page(console.address, user="moni", may_fail=REFUSED)
    assert page.locator(".nav a").all_text_contents() == ["Wall"]
    for path in ("/users", "/trail", "/users/new"):
        assert page.goto(console.address + path).status == 403
        expect(page.get_by_text(re.compile("administrator", re.IGNORECASE)).first).to_be_visible()


def test_a_role_that_was_taken_away_is_gone_with_the_next_page(console, people, open_page):
    """Nobody keeps a right because a browser is open."""
    user = people.person("lena", "administrator@north")
    page = open_page(f"{console.address}/users", user="lena", may_fail=REFUSED)
    expect(page.get_by_role("heading", name="Users")).to_be_visible()
    people.store.set_grants(user.id, people.person("moni", "monitor").grants)
    assert page.reload().status == 403
    people.store.change_user(user.id, {"disabled_at_us": now_us()})
    page.reload()
    assert "/sign-in" in page.url


def test_a_page_that_stays_open_is_closed_when_its_sign_in_ends(console, people, open_page):
    """A wall that goes on showing patients after its account was switched off would be a leak."""
    people.person("otto", "clinician")
    page = open_page(console.address, user="otto", may_fail=(*REFUSED, "Failed to load", "WebSocket", "ERR_"))
    expect(page.locator("#menu-button")).to_be_visible()
    people.sign_out_everywhere("otto")
    page.wait_for_url("**/sign-in?next=*", timeout=25_000)


def test_an_account_is_added_changed_switched_off_and_on_by_hand(console, people, open_page):
    """Everything that an administrator does in a week, with the keyboard's own elements."""
    page = open_page(f"{console.address}/users", may_fail=REFUSED)
    page.get_by_role("link", name="New account").click()
    page.get_by_label("Sign-in name").fill("emmy")
    page.get_by_label("Person").fill("Emmy <script>alert(1)</script>")
    page.locator("#role-1").select_option("therapist")
    page.locator("#site-1").fill("north")
    page.get_by_role("button", name="Add account").click()
    password = page.locator(".once code").text_content()
    assert re.fullmatch(r"(\w{4}-){3}\w{4}", password)
    shot(page, "user-added")
    expect(page.get_by_role("heading", level=1)).to_have_text("Emmy <script>alert(1)</script>")
    page.goto(f"{console.address}/users?q=emmy")
    shot(page, "users")
    page.get_by_role("link", name=re.compile("Emmy")).click()
    expect(page.locator(".once")).to_have_count(0)
    page.locator("#role-2").select_option("billing")
    page.locator("#site-2").fill("*")
    page.get_by_role("button", name="Save roles").click()
    expect(page.get_by_text("hold at once")).to_be_visible()
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("The account is switched off")).to_be_visible()
    assert people.store.user_named("emmy").disabled
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("switched on again.")).to_be_visible()
    page.get_by_label("PIN").fill("123456")
    page.get_by_role("button", name="Set").first.click()
    expect(page.locator(".alert[role=alert]")).to_contain_text("no run")
    page.get_by_label("PIN").fill("394817")
    page.get_by_role("button", name="Set").first.click()
    expect(page.get_by_text("The PIN is set.")).to_be_visible()
    shot(page, "user")
    assert [grant.role for grant in people.store.user_named("emmy").grants] == ["billing", "therapist"]


def test_a_filter_does_not_say_that_it_is_optional(console, people, open_page):
    """As those of sessions and trail: every filter is."""
    page = open_page(f"{console.address}/users", may_fail=REFUSED)
    expect(page.locator(".user-filters label").first).to_be_visible()
    expect(page.locator(".user-filters .field-optional").first).to_be_hidden()


def test_what_cannot_be_is_refused_on_the_page_and_nothing_is_lost(console, people, open_page):
    """Ten thousand characters, markup and the last administrator: words, not a fault."""
    page = open_page(f"{console.address}/users/new", may_fail=REFUSED)
    page.evaluate("for (const it of document.querySelectorAll('input')) it.removeAttribute('maxlength')")
    page.get_by_label("Sign-in name").fill("x" * 10_000)
    page.get_by_label("Person").fill("<img src=x onerror=alert(1)>")
    page.locator("#role-1").select_option("clinician")
    page.locator("#site-1").fill("*")
    page.get_by_role("button", name="Add account").click()
    expect(page.locator(".alert[role=alert]")).to_contain_text("1 to 80 characters")
    assert page.get_by_label("Person").input_value() == "<img src=x onerror=alert(1)>"
    assert page.locator("#role-1").input_value() == "clinician"
    assert sideways(page) <= 0
    own = people.store.user_named(ADMINISTRATOR)
    page.goto(f"{console.address}/users/{own.id}")
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator(".alert[role=alert]")).to_contain_text("last administrator")
    assert not people.store.user(own.id).disabled
    assert page.goto(f"{console.address}/users/00000000-0000-0000-0000-000000000000").status == 404


def test_a_change_without_the_forms_token_is_refused(console, people, open_page):
    """A page of another site can send a form here, but it cannot know this sign-in's token."""
    page = open_page(console.address, may_fail=REFUSED)
    user = people.store.user_named("grace")
    for headers in ({}, {"x-csrf-token": "wrong"}, {"content-type": "text/plain"}):
        answer = page.request.post(f"{console.address}/users/{user.id}/disable", headers=headers)
        assert answer.status == 403
        assert "x-csrf-token" in answer.text()
    foreign = page.request.post(
        f"{console.address}/sign-in", form={}, headers={"origin": "https://evil.example"}
    )
    assert foreign.status == 403
    assert not people.store.user(user.id).disabled
    token = page.locator('meta[name="csrf"]').get_attribute("content")
    done = page.request.post(f"{console.address}/users/{user.id}/disable", headers={"x-csrf-token": token})
    assert done.ok
    assert people.store.user(user.id).disabled


@pytest.mark.parametrize("path", ["/sign-in", "/password", "/users", "/users/new"])
def test_the_pages_speak_german_and_fit_a_phone(console, people, open_page, path):
    """Reception signs in on a phone, in German, too; test_pages looks at them in every theme."""
    user = None if path == "/sign-in" else ADMINISTRATOR
    page = open_page(console.address + path, width=390, height=844, locale="de-DE", user=user)
    assert page.locator("html").get_attribute("lang") == "de"
    expect(page.get_by_role("heading", level=1)).to_have_text(
        {
            "/sign-in": "Anmelden",
            "/password": "Passwort ändern",
            "/users": "Konten",
            "/users/new": "Neues Konto",
        }[path]
    )
    assert sideways(page) <= 0
    shot(page, f"phone{path.replace('/', '-')}")


def test_language_and_theme_follow_the_person_to_another_browser(console, people, open_page):
    """Chosen once, at whatever screen."""
    page = open_page(f"{console.address}/preferences?theme=light&language=de&next=/password", user="grace")
    assert people.store.user_named("grace").theme == "light"
    other = open_page(f"{console.address}/sign-in", user=None)
    sign_in(other, "grace", PASSWORD)
    expect(other.locator("html")).to_have_attribute("lang", "de")
    expect(other.locator("html")).to_have_attribute("data-theme", "light")
    assert page.locator("html").get_attribute("lang") == "de"
    people.store.change_user(people.store.user_named("grace").id, {"language": None, "theme": None})


def test_somebody_signs_in_through_the_clinics_own_provider(make_wall, tmp_path, open_page):
    """There, through its forms, and back as a clinician."""
    port = free_port()
    console = make_wall(
        SPONDYL_OIDC_ISSUER=f"http://127.0.0.1:{port}", SPONDYL_OIDC_CLIENT_ID=CLIENT,
        SPONDYL_OIDC_CLIENT_SECRET=SECRET, SPONDYL_OIDC_ROLES='{"clinicians": ["clinician"]}',
        SPONDYL_OIDC_LABEL="Clinic login",
    )  # fmt: skip
    provider = Provider(tmp_path, f"{console.address}{CALLBACK}")
    provider.port = port
    with provider:
        page = open_page(f"{console.address}/sign-in", user=None, may_fail=PROVIDERS_OWN)
        shot(page, "sign-in-oidc")
        page.get_by_role("link", name="Sign in with Clinic login").click()
        page.locator("input[name=login]").fill("grace")
        page.locator("button[type=submit]").first.click()
        page.locator("input[name=password]").fill(PROVIDED)
        page.locator("button[type=submit]").first.click()
        page.locator("button[name=answer][value=accept]").click()
        expect(page).to_have_url(f"{console.address}/")
        expect(page.locator("#menu-button")).to_contain_text(re.compile("grace", re.IGNORECASE))


def test_the_demo_shows_its_name_and_password_and_they_open_it(make_wall, open_page):
    """Nobody has to look for a password to see the demo."""
    console = make_wall(SPONDYL_DEMO="true")
    page = open_page(console.address, user=None)
    shot(page, "sign-in-demo")
    name, password = page.locator(".door-demo dd").all_text_contents()
    sign_in(page, name, password)
    expect(page).to_have_url(f"{console.address}/")


def test_outside_the_demo_the_page_shows_no_password(console, people, open_page):
    """What the page of a clinic shows, everybody may know."""
    page = open_page(f"{console.address}/sign-in", user=None)
    expect(page.locator(".door-demo")).to_have_count(0)
