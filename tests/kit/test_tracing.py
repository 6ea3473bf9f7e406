"""Traces by OpenTelemetry's own environment: spans at a real receiver, and nothing at all without it."""

import subprocess
import sys
from pathlib import Path

import pytest
from asgi_client import Client
from fastapi import HTTPException
from otlp_receiver import OtlpReceiver
from servers import eventually

from services.kit import correlation, http, tracing
from services.kit.auth.guard import NOBODY, public
from services.kit.fetch import fetch
from services.kit.routes import Routes

ROOT = Path(__file__).parents[2]
ID, STEP = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = {"traceparent": f"00-{ID}-{STEP}-01"}
SERVER, CLIENT = 2, 3


@pytest.fixture
def receiver(monkeypatch):
    """A collector that the environment names."""
    for name in tracing.ASKED_BY:
        monkeypatch.delenv(name, raising=False)
    made = OtlpReceiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    yield made
    made.close()


@pytest.fixture
def app():
    """A service with an answer, a refusal and a fault."""
    routes = Routes(dependencies=[public()])

    @routes.get("/patients/{patient}")
    async def one(patient: str) -> dict[str, str | None]:
        if patient == "lost":
            raise HTTPException(404, "no such patient")
        if patient == "Muster":
            raise RuntimeError(patient)
        return {"held": correlation.current()}

    return http.create_app("screening", "1.2.3", routers=[routes], guard=NOBODY)


def test_a_request_is_a_span_of_the_trace_it_came_with(receiver, app):
    """From the console's page to the service's answer it is one trace, and its id the correlation."""
    with tracing.exporting("screening", "1.2.3") as exports:
        answer = Client(app, GIVEN).request("GET", "/patients/anna?name=Muster")
    assert exports
    assert answer.json() == {"held": ID}
    assert answer.headers["spondyl-correlation"] == ID
    (span,) = receiver.spans
    assert (span.trace, span.parent, span.kind, span.service) == (ID, STEP, SERVER, "screening")
    assert span.name == "GET /patients/{patient}"
    assert span.said == {
        "http.request.method": "GET", "http.route": "/patients/{patient}", "http.response.status_code": 200,
    }  # fmt: skip
    assert receiver.paths == ["/v1/traces"]
    assert b"Muster" not in receiver.bytes


def test_fastapi_s_own_spans_are_off_whatever_the_environment_says(receiver, app, monkeypatch):
    """They have the path and the query, and so the id or the name that somebody looked for."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    assert set(app._telemetry.values()) <= {False, None}
    assert not app._native_telemetry.enabled()


def test_a_fault_is_marked_and_its_words_stay_here(receiver, app):
    """A trace store is read by many; what was worked on is none of their business."""
    with tracing.exporting("screening", "1.2.3"):
        assert Client(app).request("GET", "/patients/Muster").status_code == 500
        assert Client(app).request("GET", "/patients/lost").status_code == 404
    fault, refusal = receiver.spans
    assert (fault.failed, fault.said["error.type"]) == (True, "500")
    assert not refusal.failed
    assert b"Muster" not in receiver.bytes


def test_what_is_asked_of_another_service_goes_on_in_the_same_trace(receiver):
    """The other one's span stands below the question, not beside it."""
    with tracing.exporting("billing", "1"), tracing.span("work", "internal"):
        begun = correlation.current()
        with pytest.raises(OSError, match="501"):  # it takes no GET
            fetch(f"{receiver.url}/patients/anna", 1.0)
    question, work = sorted(receiver.spans, key=lambda span: span.name)
    assert (question.trace, question.parent, question.kind) == (begun, work.id, CLIENT)
    assert work.trace == begun
    assert question.said["server.address"] == "127.0.0.1"
    assert (question.failed, question.said["error.type"]) == (True, "HTTPError")
    assert b"anna" not in receiver.bytes


def test_a_message_s_correlation_is_the_trace_of_whoever_handles_it(receiver):
    """A message has no step to stand below: its trace begins anew under the same id."""
    with (
        tracing.exporting("billing", "1"),
        correlation.holding(ID),
        tracing.span("process event", "consumer", {"spondyl.event": "session.completed"}),
    ):
        assert correlation.current() == ID
    (span,) = receiver.spans
    assert (span.trace, span.parent) == (ID, "")


def test_a_span_takes_no_attribute_that_is_not_on_the_list():
    """Whoever adds one has to say what it holds, in one place."""
    with pytest.raises(ValueError, match="patient"), tracing.span("work", "internal", {"patient": "Anna"}):
        pass


def test_the_sampler_of_the_environment_counts(receiver, app, monkeypatch):
    """A chain of a thousand clinics keeps a part of its traces."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with tracing.exporting("screening", "1"):
        answer = Client(app).request("GET", "/patients/anna")
    assert receiver.spans == []
    assert len(answer.headers["spondyl-correlation"]) == 32


def test_the_environment_names_the_service(receiver, monkeypatch):
    """As OpenTelemetry has it everywhere."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "north-billing")
    with tracing.exporting("billing", "1"), tracing.span("work", "internal"):
        pass
    assert [span.service for span in receiver.spans] == ["north-billing"]


def test_a_collector_that_is_away_holds_nothing_up(app, monkeypatch):
    """Traces are for looking on; nobody waits for them, at the end neither."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with tracing.exporting("screening", "1"):
        assert Client(app).request("GET", "/patients/anna").status_code == 200


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
    ids=["nothing", "disabled", "no exporter", "another protocol"],
)
def test_unasked_nothing_is_exported(environment):
    """An address alone is not enough where the environment says no."""
    assert not tracing.is_asked(environment)


def test_without_an_endpoint_no_exporter_is_loaded():
    """Its memory and its start are paid by those who want it; FastAPI and redis bring OpenTelemetry's API."""
    script = (
        "import sys\nfrom services.kit import http, tracing\n"
        "with tracing.exporting('x', '1'), tracing.span('work', 'internal'): pass\n"
        "heavy = 'opentelemetry.exporter', 'opentelemetry.sdk', 'requests'\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_spans_come_while_a_process_runs_not_only_at_its_end(receiver):
    """A process that is killed has told what it did."""
    with tracing.exporting("billing", "1"):
        with tracing.span("work", "internal"):
            pass
        eventually(lambda: receiver.spans, what="the span")
