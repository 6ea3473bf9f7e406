"""Errors of the console.

SpondylError
├── UnknownDevice       no such bed has ever been heard of (404)
├── CommandFailed       a stop or pause was not answered or was refused (502)
├── HistoryUnavailable  telemetry does not answer (503)
├── HistoryRefused      telemetry refuses, with its own words and status
├── UnknownUser         no account of this name or id (404)
├── NameTaken           there is an account of this name (409)
├── AccountRefused      a password, role or change that the rules do not allow (422)
└── SignInRefused       wrong name or password, locked (401), or too many tries (429)
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


class HistoryRefused(SpondylError):  # noqa: N818  (the same)
    """Telemetry refuses a question; its words and its status are passed on."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnknownUser(SpondylError):  # noqa: N818  (the same)
    """No account of this name or id."""

    status = 404


class NameTaken(SpondylError):  # noqa: N818  (the same)
    """An account of this name is there already."""

    status = 409


class AccountRefused(SpondylError):  # noqa: N818  (the same)
    """A password, a role or a change of an account that the rules do not allow."""

    status = 422
