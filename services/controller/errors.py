"""Errors of the controller that a person is meant to read; ``status`` is what HTTP makes of them.

SpondylError
├── SessionRefused          the bed, the kernel or the session's state says no
│   └── GivenTwice          a body that says the same thing twice
├── SignInRefused           a wrong PIN or badge, or no list of operators that is in force
├── SignInLocked            too many wrong ones: wait
├── UnknownDevice           no such bed at this gateway
├── UnknownSession          no such session at this gateway
├── BedUnavailable          the control loop does not answer
│   └── LoopStarting        it starts, or is being compiled
└── StoreUnavailable        the session log cannot be written or read

PrescriptionError and ClearanceError are the kit's: the scheduler and screening know them too.
"""

from services.kit.errors import SpondylError
from services.kit.language import Text


class SessionRefused(SpondylError):  # noqa: N818  (a refusal is an answer, not a fault)
    """The action is not possible now; the message says what, the value, the limit and its source."""

    status = 409

    def __init__(self, message: str, german: str = "") -> None:
        super().__init__(message)
        self.german = german or message


class GivenTwice(SessionRefused):
    """A body says the same thing twice: which of the two is meant nobody knows."""

    status = 422


class SignInRefused(SpondylError):  # noqa: N818  (a refusal is an answer, not a fault)
    """Nobody is signed in by this: a wrong PIN or badge, or no list of operators that is in force."""

    status = 401

    def __init__(self, message: str, german: str = "") -> None:
        super().__init__(message)
        self.german = german or message


class NotAtTheBed(SignInRefused):
    """The browser is not where this panel may be operated from."""

    status = 403


class SignInLocked(SignInRefused):
    """Too many wrong ones: the next try is looked at after ``retry_after_s``."""

    status = 429

    def __init__(self, message: str, german: str, retry_after_s: int) -> None:
        super().__init__(message, german)
        self.retry_after_s = retry_after_s


class UnknownDevice(SpondylError):  # noqa: N818  (reads as the state)
    """No such bed at this gateway."""

    status = 404


class UnknownSession(SpondylError):  # noqa: N818  (reads as the state)
    """No such session at this gateway."""

    status = 404


class BedUnavailable(SpondylError):  # noqa: N818  (reads as the state)
    """The control loop does not answer, or its mailbox is full."""

    status = 503


class LoopStarting(BedUnavailable):
    """The control loop starts; ``percent`` of its code is compiled, None while nothing is compiled."""

    def __init__(self, message: str, german: str, percent: int | None) -> None:
        super().__init__(message)
        self.words: Text = {"en": message, "de": german}
        self.percent = percent
        self.more = {"starting": {"percent": percent}}


class StoreUnavailable(SpondylError):  # noqa: N818  (reads as the state)
    """The session log cannot be written or read: disk full, damaged, not permitted."""

    status = 503
