"""Errors of the console.

SpondylError
├── UnknownDevice       no such bed has ever been heard of (404)
├── CommandFailed       a stop or pause was not answered or was refused (502)
├── HistoryUnavailable  telemetry does not answer (503)
├── HistoryRefused      telemetry refuses, with its own words and status
├── UnknownUser         no account of this name or id (404)
├── NameTaken           there is an account of this name (409)
├── AccountRefused      a password, role or change that the rules do not allow (422)
├── SignInRefused       wrong name or password (401), locked or too many tries (429)
├── ForgedRequest       a change that does not come from a page of ours (403)
└── PasswordChangeFirst an initial password opens nothing but its own change (403)
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
    """A password, a role or a change of an account that the rules do not allow.

    ``text`` is the id of the same words for a page, ``values`` what they are filled with.
    """

    status = 422

    def __init__(self, message: str, *, text: str, **values: object) -> None:
        super().__init__(message)
        self.text = text
        self.values = values


class SignInRefused(SpondylError):  # noqa: N818  (the same)
    """Wrong name or password, an account that waits, or too many tries from an address."""

    def __init__(self, message: str, *, reason: str, wait_s: int = 0, user: object = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.wait_s = wait_s
        self.user = user  # whose password was wrong, for the trail; never shown
        self.status = 429 if wait_s else 401


class ForgedRequest(SpondylError):  # noqa: N818  (the same)
    """A change without what only this sign-in's own pages know."""

    status = 403


class PasswordChangeFirst(SpondylError):  # noqa: N818  (the same)
    """Whoever has an initial password changes it before anything else."""

    status = 403
