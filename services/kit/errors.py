"""Errors a person is meant to read.

SpondylError            anything a user can mend: one line, no trace back
├── NotRunning          no running system under the data directory (exit status 2)
├── NotSignedIn         nobody that this system knows asks (401)
│   └── SignInFirst     the same of a browser that opens a page: it is led to the sign-in (303)
├── NotPermitted        whoever asks lacks the permission (403)
├── UnknownParameter    an API was asked by a parameter that its definition does not have (422)
├── PrescriptionError   a document that is no prescription, or one beyond a limit (409)
└── ClearanceError      not signed by us, expired, or for another patient or region (409)
"""

import contextlib
import gc
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from services.kit.language import Text


class SpondylError(Exception):
    """A refusal in one line: what, the value, the limit and where the limit comes from."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class NotRunning(SpondylError):  # noqa: N818  (the name is the state a user meets, not a fault)
    """No running system under the data directory."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=2)


class NotSignedIn(SpondylError):  # noqa: N818  (the same)
    """No sign-in and no token, or one that is expired, forged or none of ours."""

    status = 401


class SignInFirst(NotSignedIn):
    """A page was opened by somebody unknown."""

    status = 303

    def __init__(self, location: str) -> None:
        super().__init__("this page needs a sign-in")
        self.location = location


class NotPermitted(SpondylError):  # noqa: N818  (the same)
    """A permission that whoever asks does not have; ``words`` are the same for a page, where there is one."""

    status = 403

    def __init__(self, message: str, words: Text | None = None) -> None:
        super().__init__(message)
        self.words = words


class UnknownParameter(SpondylError):  # noqa: N818  (the same)
    """A parameter that the API's definition does not have; ``words`` are the same for a page."""

    status = 422

    def __init__(self, message: str, words: Text) -> None:
        super().__init__(message)
        self.words = words


class PrescriptionError(SpondylError):
    """No prescription, or one beyond a limit; ``refusals`` lists every reason."""

    status = 409

    def __init__(self, message: str, german: str = "", refusals: Iterable[Any] = ()) -> None:
        super().__init__(message)
        self.german = german or message
        self.refusals = tuple(refusals)


class ClearanceError(SpondylError):
    """A clearance that does not let this patient be treated here and now."""

    status = 409

    def __init__(self, message: str, german: str = "") -> None:
        super().__init__(message)
        self.german = german or message


@contextlib.contextmanager
def refusals_in_one_line() -> Iterator[None]:
    """Around a process's work: a refusal ends it with one line on stderr and its exit status.

    What is alive behind it is left to the end of the process: collecting it takes 0.3 s of a processor. Not
    with DuckDB loaded: its binding calls that a leak, in sixty lines on stderr.
    """
    try:
        yield
    except SpondylError as error:
        print(f"spondyl: {error.message}", file=sys.stderr)  # noqa: T201  (for a person, also without a log)
        sys.exit(error.exit_code)
    finally:
        if "duckdb" not in sys.modules:
            gc.freeze()
