"""`python -m services.telemetry`: the HTTP API over what ingest and archiver keep; it writes nothing."""

import time
from importlib.metadata import version
from typing import Any

from services.kit import logging
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.health import Check
from services.kit.http import create_app, serve
from services.kit.metrics import process_registry
from services.telemetry import keys
from services.telemetry.api import create_router
from services.telemetry.hot import Hot
from services.telemetry.models import Place
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import connect, told


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        run(TelemetrySettings.load())


def run(settings: TelemetrySettings) -> None:
    """Everything in its order; closed in the reverse one."""
    logging.configure("telemetry", settings.log_level, settings.log_format)
    release = version("spondyl")
    redis_url = settings.redis_url.get_secret_value()
    hot, redis = Hot(redis_url), connect(redis_url)
    app = create_app(
        "telemetry",
        release,
        [Check("redis", lambda: _redis_trouble(redis))],
        [create_router(hot, lambda place: _age_s(redis, place))],
        registry=process_registry("telemetry", release),
    )
    try:
        serve(app, host=settings.http_host, port=settings.http_port)
    finally:
        hot.close()
        redis.close()


def _redis_trouble(redis: Any) -> str | None:
    try:
        with told():
            redis.ping()
    except SpondylError as error:
        return error.message
    return None


def _age_s(redis: Any, place: Place) -> float | None:
    """Seconds since the newest block of a device came in, None when none ever did."""
    with told():
        heard_ms = redis.hget(keys.HEARD, str(place))
    return None if heard_ms is None else max(0.0, time.time() - int(heard_ms) / 1000)


if __name__ == "__main__":
    main()
