"""A collector of traces at the edge: takes OTLP over HTTP and keeps the spans."""

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Span:
    """One span as it came: ids in hexadecimal, the service of its resource, its attributes."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    said: dict


class OtlpReceiver:
    """Listens on a port of its own; ``spans`` grows."""

    def __init__(self):
        self.spans, self.bytes, self.paths = [], b"", []
        outer = self

        class Answer(BaseHTTPRequestHandler):
            """One export."""

            def do_POST(self):
                """Take it."""
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.take(self.path, gzip.decompress(body) if self.headers.get("content-encoding") else body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, path, body):
        """Keep what an export holds."""
        self.paths.append(path)
        self.bytes += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            said = values(resource.resource.attributes)
            spans = [span for scope in resource.scope_spans for span in scope.spans]
            self.spans += [
                Span(
                    span.name, said["service.name"], span.trace_id.hex(), span.span_id.hex(),
                    span.parent_span_id.hex(), span.kind, span.status.code == 2, values(span.attributes),
                )
                for span in spans
            ]  # fmt: skip

    def close(self):
        """End."""
        self._server.shutdown()
        self._server.server_close()


def values(attributes):
    """Attributes as a dictionary."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
