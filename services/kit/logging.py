"""Structured logs to stderr: one JSON object a line, or coloured lines for a person at a terminal.

Whatever is written while something is done for a tap carries its ``correlation``. No line says who a patient
is: of an exception it has the class, the places and what ``told`` may repeat, never its words.
"""

import logging
import math
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any, Literal

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from services.kit import correlation
from services.kit.told import WITHHELD, plain, told

MOST_FRAMES = 50
MOST_CAUSES = 10
DEEPEST = 6  # of what a field holds
# A log line never says who a patient is: values under these names are replaced, whatever the caller meant.
IDENTIFIERS = frozenset(
    {
        *("first_name", "last_name", "given_name", "family_name", "full_name", "patient_name"),
        *(
            "birth_date",
            "date_of_birth",
            "email",
            "phone",
            "street",
            "postal_address",
            "iban",
            "insurance_no",
            "insurance_number",
            "family_name",
            "account_holder",
            "recipient",
            "diagnosis",
        ),
        *("password", "token", "clearance", "secret", "authorization"),
    }
)
_QUIET = (
    "alembic",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "asyncio",
    "paho",
    "websockets",
    "httpx",
    "httpcore",
    "urllib3",
    "requests",
)


def configure(
    service: str,
    level: str = "info",
    log_format: Literal["json", "console"] = "json",
    site: str | None = None,
) -> None:
    """Send structlog and the standard library's logging to stderr; every line carries service and site."""
    structlog.contextvars.clear_contextvars()
    bound = {"service": service} | ({"site": site} if site else {})
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _binding(bound),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        belonging,
        withhold_identifiers,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    _catch_the_rest()


def belonging(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What this line belongs to, from a tap to the invoice."""
    known = event.pop("correlation", None) or correlation.current()
    if known is not None:
        event["correlation"] = known
    return event


def withhold_identifiers(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace every value that could name a person or open a door: by its field or its form."""
    return {key: _withheld(key, value, DEEPEST) for key, value in event.items()}


def _withheld(key: object, value: Any, depth: int) -> Any:
    if key in IDENTIFIERS:
        return WITHHELD
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, BaseException):
        return told(value)
    if isinstance(value, dict):
        rows = value.items() if depth else ()
        return {
            name if isinstance(name, str) else str(name): _withheld(name, held, depth - 1)
            for name, held in rows
        }
    if isinstance(value, list | tuple | set | frozenset) and key != "exc_info":
        return [_withheld(None, held, depth - 1) for held in value] if depth else []
    is_json = not isinstance(value, float) or math.isfinite(value)
    return value if is_json else str(value)


def _binding(bound: dict[str, str]) -> Processor:
    def bind(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**bound, **event}

    return bind


def _rendering(log_format: Literal["json", "console"]) -> list[Processor]:
    if log_format == "console":
        colours = sys.stderr.isatty()
        return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=_for_a_terminal)]
    return [
        structlog.processors.ExceptionRenderer(lambda info: list(_for_a_collector(info[1]))),
        structlog.processors.JSONRenderer(default=_as_text),
    ]


def _for_a_collector(error: BaseException | None) -> Iterator[dict[str, Any]]:
    """An exception and what it came from, the last first: class, what may be told, places."""
    for one, frames in _chain(error):
        places = [{"filename": at.filename, "lineno": at.lineno, "name": at.name} for at in frames]
        yield {"exc_type": type(one).__name__, "exc_value": told(one), "frames": places}


def _for_a_terminal(stream: IO[str], info: ExcInfo) -> None:
    """The same for a person, with the lines of the program."""
    for one, frames in reversed(list(_chain(info[1]))):
        stream.write("\n" + "".join(traceback.format_list(frames)) + told(one))


def _chain(error: BaseException | None) -> Iterator[tuple[BaseException, traceback.StackSummary]]:
    for _ in range(MOST_CAUSES):
        if error is None:
            return
        yield error, traceback.extract_tb(error.__traceback__, limit=-MOST_FRAMES)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _as_text(value: Any) -> str:
    """Of what is no JSON; a library's object may hold anything, and says it."""
    try:
        return plain(str(value))
    except Exception:  # noqa: BLE001  (the line is worth more than this value)
        return f"<{type(value).__name__}>"


def _catch_the_rest() -> None:
    """What nobody catches is a line like any other: the interpreter would print its words."""
    last = structlog.get_logger("services.kit.logging")

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        last.critical("this process ends by an error", exc_info=(kind, error, trace))

    def of_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is None or issubclass(arguments.exc_type, SystemExit):
            return
        info = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        last.critical("a thread ends by an error", thread=_name_of(arguments.thread), exc_info=info)

    sys.excepthook = of_process
    threading.excepthook = of_thread


def _name_of(thread: threading.Thread | None) -> str:
    return thread.name if thread else "unknown"
