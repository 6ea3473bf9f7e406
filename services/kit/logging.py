"""Structured logs to stderr: one JSON object a line, or coloured lines for a person at a terminal."""

import logging
import sys
from typing import Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

WITHHELD = "[withheld]"
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


def withhold_identifiers(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the value of every field that could name a person or open a door."""
    return {key: WITHHELD if key in IDENTIFIERS else value for key, value in event.items()}


def _binding(bound: dict[str, str]) -> Processor:
    def bind(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**bound, **event}

    return bind


def _rendering(log_format: Literal["json", "console"]) -> list[Processor]:
    if log_format == "console":
        plain = structlog.dev.plain_traceback  # its other one shows the values of every variable
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    transformer = ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(transformer),
        structlog.processors.JSONRenderer(default=str),
    ]
