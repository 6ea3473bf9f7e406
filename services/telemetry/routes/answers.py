"""What the routes share: parameters, refusals, and a window as JSON, Arrow or CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from fastapi import Header, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse

from services.kit.auth.principal import Sites
from services.kit.moments import instant_of
from services.telemetry.errors import BadQuestion, UnknownFormat
from services.telemetry.models import Place, Source
from services.telemetry.query import History, Span
from services.telemetry.routes.rules import names_nobody, shows
from services.telemetry.traces import Trace, joined, missing, of_buckets, of_run, segment
from services.telemetry.trail import Reader
from services.telemetry.windows import by_seq, by_time, moment

Form = Literal["json", "arrow", "csv"]
MEDIA: Final[dict[Form, str]] = {
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.stream",
    "csv": "text/csv",
}
MAX_ROWS: Final[dict[Form, int]] = {"json": 500_000, "arrow": 2_000_000, "csv": 2_000_000}
MAX_NAME: Final = 40  # of a site or a device, as in every topic
NO_NUL: Final = r"^[^\x00]*$"  # which PostgreSQL takes in no text

# The rule of a route: what it asks for, and what the audit trail calls what it shows.
Devices = Annotated[Reader, shows("samples.see", "beds.listed")]
Device = Annotated[Reader, shows("samples.see", "bed.seen")]
SessionList = Annotated[Reader, shows("sessions.see", "sessions.listed")]
Session = Annotated[Reader, shows("sessions.see", "session.seen")]
Exports = Annotated[Reader, shows("sessions.export", "session.exported", each_time=True)]
Statistics = Annotated[Reader, shows("statistics.see", "statistics.seen")]
Trails = Annotated[Reader, shows("trail.see", "trail.seen", each_time=True)]
Audits = Annotated[
    Sites, names_nobody("audit.see", "counts what is stored of a device: no session, no sample, no person")
]

Points = Annotated[
    int | None,
    Query(ge=10, le=20_000, description="Thin to at most so many buckets a gapless piece (min, max, mean)."),
]
Name = Annotated[str | None, Query(max_length=MAX_NAME, pattern=NO_NUL)]
Site = Annotated[
    str | None,
    Query(
        max_length=MAX_NAME,
        pattern=NO_NUL,
        description="Needed only where two sites have a device of the same name.",
    ),
]
Edge = Annotated[
    str | None, Query(max_length=MAX_NAME, description="A time (ISO 8601 with a zone), or a seq of the boot.")
]
FormName = Annotated[
    str | None, Query(max_length=MAX_NAME, description="json, arrow (an IPC stream) or csv; else by Accept.")
]
Accept = Annotated[str, Header(max_length=1000, include_in_schema=False)]


class OrjsonResponse(JSONResponse):
    """Lists of many numbers, written fast."""

    def render(self, content: Any) -> bytes:
        """As bytes."""
        return orjson.dumps(content)


def day_of(name: str, edge: str | None) -> str | None:
    """The day (UTC) of an edge that is a time: as exactly as the audit trail tells what was looked at."""
    return None if edge is None or _is_seq(edge) else instant_of(moment(name, edge)).date().isoformat()


def form_of(name: str | None, accept: str) -> Form:
    """What is asked for by name, else by the first media type that is known. Raises UnknownFormat."""
    if name is not None:
        for form in MEDIA:
            if name == form:
                return form
        raise UnknownFormat(f"format {name!r} is none: {', '.join(MEDIA)}")
    wanted = [part.partition(";")[0].strip() for part in accept.split(",")]
    return next((form for part in wanted for form, media in MEDIA.items() if part == media), "json")


@dataclass(frozen=True, slots=True)
class Window:
    """The samples of some spans of a device, to be answered in a form."""

    place: Place
    spans: Sequence[Span]
    points: int | None = None
    form: Form = "json"
    session: UUID | None = None

    def answer(self, history: History) -> Response:
        """Read and write it. Raises BadQuestion when it is too large."""
        count = sum(span.count for span in self.spans)
        if self.points is None and count > MAX_ROWS[self.form]:
            raise BadQuestion(
                f"the window holds {count} samples: at most {MAX_ROWS[self.form]} at once as {self.form}; "
                "add ?points=, or ask for parts of it"
            )
        by_boot = [(span, self._traces(history, span, count)) for span in self.spans]
        if self.form != "json":
            return _table(self.form, [trace for _, traces in by_boot for trace in traces])
        boots = list(dict.fromkeys(str(span.source.boot) for span in self.spans))
        segments = [
            segment(trace) | ({"boot": str(span.source.boot)} if len(boots) > 1 else {})
            for span, traces in by_boot
            for trace in traces
        ]
        return OrjsonResponse({
            "site": self.place.site,
            "device": self.place.device,
            "boot": boots[-1] if boots else None,
            **({"session": str(self.session)} if self.session else {}),
            "missing": sum(missing(traces) for _, traces in by_boot),
            "segments": segments,
        })  # fmt: skip

    def _traces(self, history: History, span: Span, total: int) -> list[Trace]:
        if self.points is None:
            runs = history.runs("tension", span.source, span.first, span.after)
            return joined(of_run(run) for run in runs)
        share = max(2, self.points * span.count // max(total, 1))
        return joined(of_buckets(buckets) for buckets in history.buckets(span, share))


def _table(form: Form, traces: Sequence[Trace]) -> Response:
    from services.telemetry.exports import tables

    schema, batches = tables.of_traces(traces)
    write = tables.arrow_stream if form == "arrow" else tables.csv_lines
    return StreamingResponse(write(schema, batches), media_type=MEDIA[form])


def asked_spans(history: History, place: Place, since: str, until: str, boot: UUID | None) -> list[Span]:
    """What ``from`` and ``to`` mean: both a seq of a boot (the newest unless given), or both a time."""
    numbers = [_is_seq(text) for text in (since, until)]
    if all(numbers):
        boots = [boot] if boot else history.boots(place)
        return [by_seq(Source(place, boots[-1]), since, until)] if boots else []
    if any(numbers):
        moment(*(("to", until) if numbers[0] else ("from", since)), or_seq=True)
        raise BadQuestion(f"from is {since!r} and to is {until!r}: both are times, or both are seqs")
    spans = by_time(history, place, since, until)
    return [span for span in spans if boot in (None, span.source.boot)]


def _is_seq(text: str) -> bool:
    return text.isascii() and text.isdigit()
