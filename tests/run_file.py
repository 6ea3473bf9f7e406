"""A run file that says where telemetry answers, for commands that ask a running system."""

import os
from datetime import UTC, datetime

from services.kit.auth import tokens
from services.kit.runfile import Run, process_start, save


def running(directory, telemetry, **addresses):
    """As if `spondyl up` ran in this very process."""
    run = Run.model_validate({
        "pid": os.getpid(), "pid_started_at": process_start(os.getpid()), "started_at": datetime.now(UTC),
        "version": "0", "data": directory, "console": "http://127.0.0.1:1", "telemetry": telemetry,
        "panels": {}, "mqtt": "mqtt://127.0.0.1:1", "mqtt_user": "u", "mqtt_password": "p", "redis": "redis://127.0.0.1:1/0",
        "users": {}, "sites": {}, **addresses,
    })  # fmt: skip
    tokens.ensure_keys(directory)
    save(run)
