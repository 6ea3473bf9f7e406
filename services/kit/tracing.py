"""OpenTelemetry traces, where the standard environment asks for them; without it no exporter is loaded.

``OTEL_EXPORTER_OTLP_ENDPOINT`` (http://collector:4318) switches them on; ``OTEL_SERVICE_NAME``,
``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_TRACES_SAMPLER`` and the others mean what OpenTelemetry says they mean. A
trace has the id of the correlation (``correlation.py``), so log lines and spans of one tap find each other.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from services.kit import correlation
from services.kit.correlation import Tap

if TYPE_CHECKING:
    from opentelemetry.trace import Span

log = structlog.get_logger(__name__)

Kind = Literal["server", "client", "producer", "consumer", "internal"]
Value = str | int | float | bool
ASKED_BY: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN: Final = "http/protobuf"
END_S: Final = 1.0  # spans that are not sent by then are lost: no service's end waits for a collector
# Whatever a span says stands here: no name, no address with an id in it, no query, no words of an error.
ATTRIBUTES: Final[Mapping[str, str]] = {
    "http.request.method": "GET, POST, ...",
    "http.route": "the route's template, never the path",
    "http.response.status_code": "of the answer",
    "server.address": "host of the service that was asked",
    "error.type": "class of what went wrong, never its words",
    "messaging.system": "mqtt",
    "messaging.destination.name": "the stream's name, never its topic",
    "messaging.batch.message_count": "messages of one batch",
    "spondyl.site": "the site's name in topics",
    "spondyl.event": "type of an event: session.completed",
}


class Step:
    """What the body of a span may add to it; of one that nobody keeps, nothing happens."""

    def __init__(self, span: "Span | None" = None) -> None:
        self._span = span

    def named(self, name: str) -> None:
        """A better name, known by now."""
        if self._span is not None:
            self._span.update_name(name)

    def says(self, attributes: Mapping[str, Value]) -> None:
        """More of ATTRIBUTES; ValueError for any other."""
        _require_known(attributes)
        if self._span is not None:
            self._span.set_attributes(dict(attributes))

    def failed(self, kind: str) -> None:
        """It came to no good end; ``kind``: the class of the error, or a status."""
        self.says({"error.type": kind})
        if self._span is not None:
            self._span.set_status(import_module("opentelemetry.trace").StatusCode.ERROR)


class _Exporter:
    """Sends spans to the collector that the environment names."""

    def __init__(self, service: str, version: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        class OneTrace(RandomIdGenerator):
            """A trace that begins here has the id that its log lines carry."""

            def generate_trace_id(self) -> int:
                known = correlation.current()
                return super().generate_trace_id() if known is None else int(known, 16)

        own = {"service.namespace": "spondyl", "service.version": version}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            own[SERVICE_NAME] = service
        self._trace = trace
        self._provider = TracerProvider(
            resource=Resource.create(own), id_generator=OneTrace(), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("spondyl", version)

    def begin(self, name: str, kind: Kind, attributes: Mapping[str, Value], tap: Tap) -> "Span":
        """A span below the tap's step, or the first that is known of its trace."""
        trace = self._trace
        context = None
        if tap.step:
            parent = trace.SpanContext(
                int(tap.correlation, 16), int(tap.step, 16), is_remote=True,
                trace_flags=trace.TraceFlags(tap.flags),
            )  # fmt: skip
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        return self._tracer.start_span(
            name, context, trace.SpanKind[kind.upper()], dict(attributes), record_exception=False,
            set_status_on_exception=False,
        )  # fmt: skip

    def end(self) -> None:
        """Send what waits, for END_S at most."""
        sending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        sending.start()
        sending.join(END_S)


_exporters: list[_Exporter] = []  # one at most: of this process


@contextmanager
def exporting(service: str, version: str) -> Iterator[bool]:
    """Export the spans of this process meanwhile, if the environment asks for it; whether it does."""
    if _exporters or not is_asked(os.environ):
        yield bool(_exporters)
        return
    exporter = _Exporter(service, version)
    _exporters.append(exporter)
    try:
        yield True
    finally:
        _exporters.remove(exporter)
        exporter.end()


def is_asked(environment: Mapping[str, str]) -> bool:
    """Whether somebody wants traces, by a protocol that is spoken here; else the log says why not."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    if disabled or exporter != "otlp" or not any(environment.get(name) for name in ASKED_BY):
        return False
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), SPOKEN)
    if protocol != SPOKEN:
        log.error("no traces: this protocol is not spoken here", protocol=protocol, spoken=SPOKEN)
    return protocol == SPOKEN


@contextmanager
def span(name: str, kind: Kind, attributes: Mapping[str, Value] | None = None) -> Iterator[Step]:
    """One step of what is under way, or of something that begins here; its log lines carry the correlation.

    ``attributes`` are of ATTRIBUTES (ValueError). What is raised within is told by its class, and goes on.
    """
    said = dict(attributes or {})
    _require_known(said)
    tap = correlation.now() or correlation.new()
    with correlation.holding(tap):
        if not _exporters:
            yield Step()
            return
        begun = _exporters[0].begin(name, kind, said, tap)
        step = Step(begun)
        try:
            with correlation.holding(_below(begun)):
                yield step
        except Exception as error:
            step.failed(type(error).__name__)
            raise
        finally:
            begun.end()


def _below(begun: "Span") -> Tap:
    context: Any = begun.get_span_context()
    return Tap(f"{context.trace_id:032x}", f"{context.span_id:016x}", int(context.trace_flags) & 0xFF)


def _require_known(attributes: Mapping[str, Value]) -> None:
    if unknown := attributes.keys() - ATTRIBUTES.keys():
        raise ValueError(f"a span says nothing of {', '.join(sorted(unknown))}: see ATTRIBUTES")
