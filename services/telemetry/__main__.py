"""`python -m services.telemetry`: the HTTP API over what ingest and archiver keep.

It writes nothing but who was shown what.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from services.kit import logging
from services.kit.auth import tokens
from services.kit.auth.guard import bearer
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.health import Check
from services.kit.http import create_app, serve
from services.kit.metrics import process_registry
from services.telemetry.api import create_router
from services.telemetry.hot import Hot
from services.telemetry.query import History
from services.telemetry.reopening import Reopening
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import connect, told
from services.telemetry.trail import ReadTrail


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        run(TelemetrySettings.load())


def run(settings: TelemetrySettings) -> None:
    """Everything in its order; closed in the reverse one."""
    logging.configure("telemetry", settings.log_level, settings.log_format)
    release = version("spondyl")
    guard = bearer(tokens.public_key(settings.access_public_key, settings.data), tokens.TELEMETRY)
    redis_url = settings.redis_url.get_secret_value()
    hot, redis, archive = Hot(redis_url), connect(redis_url), Reopening(settings)
    trail = ReadTrail(settings)
    app = create_app(
        "telemetry",
        release,
        [
            Check("redis", lambda: _trouble(redis.ping)),
            Check("archive", archive.trouble),
        ],
        [create_router(History(hot, archive), trail)],
        registry=process_registry("telemetry", release),
        guard=guard,
    )
    try:
        serve(app, settings)
    finally:
        hot.close()
        redis.close()
        archive.close()
        trail.close()


def _trouble(ask: Callable[[], Any]) -> str | None:
    try:
        with told():
            ask()
    except SpondylError as error:
        return error.message
    return None


if __name__ == "__main__":
    main()
