"""Who may do what, at every route of every service: expected from ROLES and from the route's own rule.

A route without a rule, a path parameter that nobody has said a value for, and a route that is public or for
everybody who is signed in without standing in a list of its subject: each fails.
"""

import asyncio
from itertools import product

import pytest
from access import somebody
from access_subjects import OTHERS, OURS, SUBJECTS, Subject
from asgi_ask import Answer

from services.console.screening.tablet_pages import TabletRule
from services.kit.auth import tokens
from services.kit.auth.guard import Ruled, ruled
from services.kit.auth.principal import Principal
from services.kit.auth.roles import ROLES

pytestmark = pytest.mark.system
WATCHED = {"/livez", "/readyz", "/metrics", "/openapi.json"}  # of every service: nothing of anybody
PLACES = {"own site": (OURS,), "another site": (OTHERS,), "every site": ()}


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def subject(request, tmp_path_factory):
    """One service after the other."""
    with SUBJECTS[request.param](tmp_path_factory.mktemp(request.param)) as made:
        yield made


def doors(subject: Subject) -> list[tuple[Ruled, str | None]]:
    """Every route with every method."""
    found = [
        (route, method)
        for route in ruled(subject.app.routes)
        for method in sorted(route.methods - {"HEAD"}) or [None]
    ]
    assert found
    return found


# --- what is expected -----------------------------------------------------------------------------------
def expected(subject: Subject, route: Ruled, who: Principal | None) -> set[int] | None:
    """The statuses that the rules call for; None: any that is no refusal of the caller."""
    rules = [rule for rule in route.rules if not rule.is_public]
    if not rules:
        return None
    if who is None:
        return {401}
    permissions = [rule.permission for rule in rules if rule.permission]
    here = all(who.may(permission, OURS) for permission in permissions)
    somewhere = all(who.may(permission) for permission in permissions)
    if not somewhere or any(isinstance(rule, subject.never_by_token) for rule in rules):
        return {403}
    if subject.names_record(route.path):
        return None if here else {404}
    return {403} if subject.is_of_one_site and not here else None


def test_every_route_says_who_may_call_it(subject):
    """A rule for each; those that ask for no permission are known by name: none is so by chance."""
    for route, _ in doors(subject):
        assert route.rules, route.path
        asked = {rule.permission for rule in route.rules if not rule.is_public}
        if not asked:
            assert route.path in WATCHED | subject.public, f"{route.path} is open to everybody"
        elif asked == {None}:
            assert route.path in subject.for_anyone_known, f"{route.path} asks for no permission"


def test_a_stranger_is_let_in_nowhere_but_where_everybody_is(subject):
    """401 and not a word of what lies behind."""

    async def knock():
        for route, method in doors(subject):
            answer = await subject.ask(route, method, {})
            wanted = expected(subject, route, None)
            assert_answer(answer, wanted, route, method, "a stranger")
            if wanted:
                assert not [mark for mark in subject.marks if mark in answer.text]

    asyncio.run(knock())


@pytest.mark.parametrize("audience", [tokens.TELEMETRY, tokens.CONSOLE, tokens.PANEL])
def test_a_token_for_one_service_opens_no_other(subject, audience):
    """A panel's machine that keeps what it was shown must not be the administrator at the console."""
    token = subject.bearer(somebody("administrator"), audience)

    async def knock():
        for route, method in doors(subject):
            if not is_open(route):
                answer = await subject.ask(route, method, token)
                assert (answer.status == 401) == (audience != subject.audience), f"{method} {route.path}"

    asyncio.run(knock())


@pytest.mark.parametrize(("role", "place"), list(product(ROLES, PLACES)))
def test_a_role_may_what_its_permissions_say_and_nothing_else(subject, role, place):
    """Every route: 403 without the permission, 404 for another site's record, no refusal otherwise."""
    who = somebody(role, *PLACES[place])
    token = subject.bearer(who)

    async def knock():
        for route, method in doors(subject):
            wanted = expected(subject, route, who)
            answer = await subject.ask(route, method, token)
            assert_answer(answer, wanted, route, method, f"{role} of {place}")
            if place == "another site" and not is_open(route) and route.path not in subject.invented:
                text = beyond_question(subject, route, answer)
                assert not [mark for mark in subject.marks if mark in text], f"{method} {route.path}"
            if wanted == {404}:
                await assert_like_unknown(subject, route, method, token, answer)

    asyncio.run(knock())


@pytest.mark.parametrize("role", ROLES)
def test_who_signs_in_at_a_service_of_its_own_may_what_their_role_says(subject, role):
    """The bedside: what no token opens, its sign-in opens to those who may operate, and to nobody else."""
    who = somebody(role, OURS)

    async def knock():
        cookie = await subject.sign_in(role)
        for route, method in doors(subject):
            rules = [rule for rule in route.rules if isinstance(rule, subject.never_by_token)]
            if rules:
                answer = await subject.ask(route, method, cookie)
                may = all(who.may(rule.permission, OURS) for rule in rules)
                assert (answer.status not in (401, 403)) == may, f"{role}: {route.path}: {answer.status}"

    if subject.sign_in:
        asyncio.run(knock())


def test_a_tablet_with_a_questionnaire_opens_nothing_else(subject):
    """Whoever holds it may type any address: what was handed over is one questionnaire, no sign-in."""

    async def knock():
        for route, method in doors(subject):
            if not is_open(route):
                answer = await subject.ask(route, method, subject.restricted)
                handed = any(isinstance(rule, TabletRule) for rule in route.rules)
                assert (answer.status == 401) is not handed, f"{method} {route.path}: {answer.status}"

    if subject.restricted:
        asyncio.run(knock())


def is_open(route: Ruled) -> bool:
    """For everybody."""
    return all(rule.is_public for rule in route.rules)


def beyond_question(subject: Subject, route: Ruled, answer: Answer) -> str:
    """The answer without the names that the question itself held."""
    text, query = answer.text, subject.queries.get(route.path, "")
    for name, value in subject.records.items():
        if f"{{{name}}}" in route.path or value in query:
            text = text.replace(value, "")
    return text


async def assert_like_unknown(
    subject: Subject, route: Ruled, method: str | None, who: dict[str, str], answer: Answer
) -> None:
    """Another site's record is refused in the very words of one that does not exist."""
    unknown = await subject.ask(route, method, who, unknown=True)
    foreign_text, unknown_text = answer.text, unknown.text
    for name in subject.records:
        if f"{{{name}}}" in route.path:
            foreign_text = foreign_text.replace(subject.records[name], "")
            unknown_text = unknown_text.replace(subject.unknown[name], "")
    assert (answer.status, foreign_text) == (unknown.status, unknown_text), f"{method} {route.path}"


def assert_answer(
    answer: Answer, wanted: set[int] | None, route: Ruled, method: str | None, who: str
) -> None:
    """The status is what the rule calls for."""
    said = f"{who}: {method or 'WS'} {route.path} answers {answer.status}: {answer.text[:200]}"
    if wanted is None:  # (a sign-in that is open to everybody has refusals of its own)
        assert answer.status not in ({500} if is_open(route) else {401, 403, 500}), said
    else:
        assert answer.status in wanted, said
