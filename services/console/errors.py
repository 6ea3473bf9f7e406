"""Errors of the console.

SpondylError
├── UnknownDevice       no such bed has ever been heard of (404)
├── CommandFailed       a stop or pause was not answered or was refused (502)
└── HistoryUnavailable  telemetry does not answer (503)
"""

from services.kit.errors import SpondylError


class UnknownDevice(SpondylError):  # noqa: N818  (the name is what a reader meets)
    """No bed of this name has been heard of."""

    status = 404


class CommandFailed(SpondylError):  # noqa: N818  (the same)
    """A remote stop or pause did not get its answer."""

    status = 502


class HistoryUnavailable(SpondylError):  # noqa: N818  (the same)
    """Telemetry could not be asked."""

    status = 503
