"""Every HTTP interface asked by its own description, by whoever may do everything and by nobody.

Schemathesis makes the questions: values that the description allows and values that it forbids. Half of them
name records that are there. `make verify` asks many more.
"""

import asyncio
import json
import re
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import schemathesis
from access_subjects import SUBJECTS
from asgi_ask import ask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from services.kit.auth.principal import Grant, Principal
from services.kit.auth.roles import EVERY_ROLE

pytestmark = pytest.mark.system
EVERYBODY = Principal("account-of-all", "all", tuple(Grant(role, "*") for role in EVERY_ROLE))
ASKED = tuple(sorted(set(SUBJECTS) - {"ingest"}))  # (ingest has only what every service has)
LEAST_DETAIL = 5
AWAY = (502, 503, 504)  # what this service needs is not there, and it says so
QUICK = {"max_examples": 2, "phases": (Phase.explicit, Phase.generate)}
LONG = {"max_examples": 300}


@pytest.fixture(scope="module", params=ASKED)
def subject(request, tmp_path_factory):
    """One service after the other, with a little of everything in it."""
    with SUBJECTS[request.param](tmp_path_factory.mktemp(f"asked-{request.param}")) as made:
        yield made


def operations(subject):
    """What the service says of itself."""
    schema = schemathesis.openapi.from_dict(subject.app.openapi())
    return [found.ok() for found in schema.get_all_operations()]


def questions(subject, operation):
    """Cases as the description allows and as it forbids, half of them with ids of records that are there."""
    known = {**subject.others, **subject.records}
    named = {name: known[name] for name in re.findall(r"{(\w+)(?::\w+)?}", operation.path) if name in known}
    positive = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    negative = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    here = operation.as_strategy(generation_mode=GenerationMode.POSITIVE, path_parameters=named)
    return st.one_of(here, positive, negative)


def answered(subject, case, headers):
    """The service's answer to a case, as a client would have it."""
    told = case.as_transport_kwargs(base_url="http://127.0.0.1")
    told["headers"] = dict(told.get("headers") or {}) | headers
    made = requests.Request(**{name: told.get(name) for name in NAMES}).prepare()
    parts = urlsplit(made.url)
    address = parts.path + (f"?{parts.query}" if parts.query else "")
    body = made.body.encode() if isinstance(made.body, str) else made.body or b""
    sent = {name.lower(): str(value) for name, value in made.headers.items()}
    found = asyncio.run(ask(subject.app, made.method, address, sent, body))
    request = httpx.Request(made.method, "http://127.0.0.1")  # (httpx takes no address that is this long)
    response = httpx.Response(found.status, headers=found.headers, content=found.body, request=request)
    response.elapsed = timedelta()
    return response


NAMES = ("method", "url", "params", "headers", "cookies", "data", "json", "files")


def told_well(response):
    """An error is problem+json with words; a browser's page is HTML, FHIR has its own form."""
    kind = response.headers.get("content-type", "")
    if "text/html" in kind:
        return True
    if kind == "application/fhir+json":
        return len(response.json()["issue"][0]["diagnostics"]) > LEAST_DETAIL
    return kind == "application/problem+json" and len(response.json()["detail"]) > LEAST_DETAIL


def explore(subject, operation, headers, **asked):
    """Ask one operation; whatever is not as it should be fails with the case."""

    @settings(
        derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), **asked
    )
    @given(questions(subject, operation))
    def one(case):
        response = answered(subject, case, headers)
        told = f"{case.method} {case.path} {case.query} {case.body!r}: {response.status_code}"
        assert response.status_code < 500 or response.status_code in AWAY, f"{told} {response.text[:500]}"
        if response.status_code >= 400:
            assert told_well(response), f"{told} {response.text[:500]}"
            return
        checks = [not_a_server_error]
        if response.status_code == 200:
            checks += [response_schema_conformance, content_type_conformance]
        case.validate_response(response, checks=checks)

    one()


async def headers_of(subject):
    """Of whoever may do all: a token, or a sign-in of the service's own."""
    if subject.sign_in:
        return await subject.sign_in("administrator")
    return subject.bearer(EVERYBODY)


@pytest.mark.parametrize(
    "form", [pytest.param(QUICK, id="quick"), pytest.param(LONG, marks=pytest.mark.soak)]
)
def test_no_question_that_can_be_asked_makes_a_service_fail(subject, form):
    """A 500 is a fault of ours, whatever was asked; a refusal has words, an answer its described form."""
    headers = asyncio.run(headers_of(subject))
    failed = {}
    for operation in operations(subject):
        try:
            explore(subject, operation, headers, **form)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  (all are told at once)
            failed[operation.label] = str(error)[:3000]
    assert not failed, "\n\n".join(f"{a}: {b}" for a, b in failed.items())


ONCE_FAILED = (  # (path, body): each was found by the test above
    ("/fill", {"region": "lumbar", "stage": "subacute", "hernia": "protrusion", "starts_on": "2026-11-24"}),
    ("/api/appointments/{appointment}/check", {"site": "nor\x12th", "at": "2026-11-24T09:00"}),
    ("/api/appointments/{appointment}/check", {"site": "north/../south?x=1#", "at": "2026-11-24T09:00"}),
)


def test_what_once_made_a_service_fail_is_refused_in_words(subject):
    """A finding whose parts do not fit each other, and a site that was taken for an address."""
    headers = asyncio.run(headers_of(subject)) | {"content-type": "application/json"}
    for path, body in ONCE_FAILED:
        if path in subject.app.openapi()["paths"]:
            sent = json.dumps(body).encode()
            answer = asyncio.run(ask(subject.app, "POST", subject.address(path), headers, sent))
            assert answer.status in (404, 422), answer.text
            assert answer.headers["content-type"] == "application/problem+json"
