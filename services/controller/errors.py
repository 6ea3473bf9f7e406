"""Errors of the controller that a person is meant to read.

SpondylError
├── PrescriptionError       a file or document that is no prescription, or one beyond a limit
├── ClearanceError          not signed by us, expired, or for another patient or region
├── SessionRefused          the bed, the kernel or the session's state says no (409)
├── UnknownDevice           no such bed at this gateway (404)
├── UnknownSession          no such session at this gateway (404)
└── BedUnavailable          the control loop does not answer (503)
"""

from services.kit.errors import SpondylError


class PrescriptionError(SpondylError):
    """No prescription, or one beyond a limit; ``refusals`` lists every reason."""

    def __init__(self, message: str, refusals: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.refusals = refusals


class ClearanceError(SpondylError):
    """A clearance that does not let this patient be treated here and now."""


class SessionRefused(SpondylError):  # noqa: N818  (a refusal is an answer, not a fault)
    """The action is not possible now; the message says what, the value, the limit and its source."""


class UnknownDevice(SpondylError):  # noqa: N818  (reads as the state)
    """No such bed at this gateway."""


class UnknownSession(SpondylError):  # noqa: N818  (reads as the state)
    """No such session at this gateway."""


class BedUnavailable(SpondylError):  # noqa: N818  (reads as the state)
    """The control loop does not answer, or its mailbox is full."""
