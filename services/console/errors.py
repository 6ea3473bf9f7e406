"""Errors of the console.

SpondylError
├── UnknownDevice       no such bed has ever been heard of (404)
├── DatabaseAway        the console's own database does not answer (503)
├── UnknownAlarm        this occurrence of an alarm is not on, or not any more (404)
├── CommandFailed       a stop or pause was not sent or was refused (502), or nobody answered it (504)
├── HistoryUnavailable  telemetry does not answer (503)
├── HistoryRefused      telemetry refuses, with its own words and status
│   └── HistoryNotFound     it knows nothing of that name or id, or may not tell this caller (404)
├── OfficeUnavailable   screening or the scheduler does not answer (503)
├── OfficeRefused       screening or the scheduler refuses, with its own words and status
│   └── OfficeNotFound      it knows no such record, or may not tell this caller (404)
├── BadSearch           a search for sessions, or a note, that cannot be (422)
├── UnknownUser         no account of this name or id (404)
├── NameTaken           there is an account of this name (409)
├── SaidOnPage          knows the same words for a page, in the reader's language
│   ├── AccountRefused      a password, role or change that the rules do not allow (422)
│   └── ProviderRefused     the OpenID provider's answer does not hold, or opens nothing here (403)
├── SignInRefused       wrong name or password (401), locked or too many tries (429)
├── ForgedRequest       a change that does not come from a page of ours (403)
├── UnknownScreen       no link for a patient's screen of this id (404)
├── ScreenRefused       a link that the rules do not allow (422)
├── PasswordChangeFirst an initial password opens nothing but its own change (403)
└── ProviderUnavailable the OpenID provider does not answer (503)
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from services.kit.errors import SpondylError
from services.kit.language import Language

if TYPE_CHECKING:
    from concurrent.futures import Future

    from services.console.remote import Late


class UnknownDevice(SpondylError):  # noqa: N818  (the name is what a reader meets)
    """No bed of this name has been heard of, or several; a page says it in the reader's language."""

    status = 404

    def __init__(self, device: str, site: str | None = None, several: Sequence[str] = ()) -> None:
        names = ", ".join(several)
        if several:
            english = f"bed {device} exists at {names}: name one with ?site="
            german = f"Liege {device} gibt es an {names}: Nennen Sie einen mit ?site=STANDORT."
            page = f"Bed {device} exists at {names}: name one with ?site=SITE."
        else:
            where, wo = (f" at site {site}", f" am Standort {site}") if site else ("", "")
            english = f"no bed {device}{where} has been heard of since this console started"
            german = f"Seit dem Start dieser Konsole hat sich keine Liege {device}{wo} gemeldet."
            page = f"No bed {device}{where} has been heard of since this console started."
        super().__init__(english)
        self.words: Mapping[Language, str] = {"de": german, "en": page}


class DatabaseAway(SpondylError):  # noqa: N818  (the same)
    """The database of accounts, notes and audit trail could not be asked; why is in the log."""

    status = 503

    def __init__(self) -> None:
        english = (
            "the console's database does not answer: see whether a change is there before you try it again"
        )
        german = (
            "Die Datenbank der Konsole antwortet nicht. Bevor Sie eine Änderung wiederholen, "
            "sehen Sie nach, ob sie schon da ist."
        )
        super().__init__(english)
        self.words: Mapping[Language, str] = {"de": german, "en": english}


class UnknownAlarm(SpondylError):  # noqa: N818  (the same)
    """This occurrence of an alarm is not on."""

    status = 404


class CommandFailed(SpondylError):  # noqa: N818  (the same)
    """A remote stop or pause did not get its answer; ``why`` says which of the three.

    Without an answer nobody knows whether it was done: 504, where the others were surely not done: 502.
    ``late`` is that answer, should it come after all.
    """

    def __init__(
        self,
        message: str,
        why: Literal["unsent", "silent", "refused"] = "refused",
        late: "Future[Late] | None" = None,
    ) -> None:
        super().__init__(message)
        self.why, self.late = why, late
        self.status = 504 if why == "silent" else 502


class HistoryUnavailable(SpondylError):  # noqa: N818  (the same)
    """Telemetry could not be asked; ``words`` say so in every language."""

    status = 503

    def __init__(self, message: str, words: Mapping[Language, str]) -> None:
        super().__init__(message)
        self.words = words


class HistoryRefused(SpondylError):  # noqa: N818  (the same)
    """Telemetry refuses a question; its status is passed on, ``words`` are a page's in every language."""

    def __init__(self, message: str, status: int, words: Mapping[Language, str]) -> None:
        super().__init__(message)
        self.status = status
        self.words = words


class HistoryNotFound(HistoryRefused):
    """Telemetry knows nothing of that name or id, or may not tell this caller."""


class OfficeUnavailable(SpondylError):  # noqa: N818  (the same)
    """A business service could not be asked; ``words`` say so in every language."""

    status = 503

    def __init__(self, message: str, words: Mapping[Language, str]) -> None:
        super().__init__(message)
        self.words = words


class OfficeRefused(SpondylError):  # noqa: N818  (the same)
    """A business service refuses; its status is passed on, ``words`` are a page's in every language.

    ``body`` is the problem as it came: it may name fields, alternatives, or the rule that forbids it.
    """

    def __init__(
        self, message: str, status: int, words: Mapping[Language, str], body: Mapping[str, object]
    ) -> None:
        super().__init__(message)
        self.status = status
        self.words = words
        self.body = body


class OfficeNotFound(OfficeRefused):
    """A business service knows no such record, or may not tell this caller."""


class BadSearch(SpondylError):  # noqa: N818  (the same)
    """What was typed cannot be looked for or kept; ``words`` say so in every language, ``field`` where."""

    status = 422

    def __init__(self, words: Mapping[Language, str], field: str) -> None:
        super().__init__(words["en"])
        self.words = words
        self.field = field


class UnknownUser(SpondylError):  # noqa: N818  (the same)
    """No account of this name or id."""

    status = 404


class NameTaken(SpondylError):  # noqa: N818  (the same)
    """An account of this name is there already."""

    status = 409


class SaidOnPage(SpondylError):  # noqa: N818  (the same)
    """``text`` is the id of the same words for a page, ``values`` what they are filled with."""

    def __init__(self, message: str, *, text: str, **values: object) -> None:
        super().__init__(message)
        self.text = text
        self.values = values


class AccountRefused(SaidOnPage):
    """A password, a role or a change of an account that the rules do not allow."""

    status = 422


class SignInRefused(SpondylError):  # noqa: N818  (the same)
    """Wrong name or password, an account that waits, or too many tries from an address."""

    def __init__(
        self, message: str, *, reason: str, wait_s: int = 0, user: object = None, failures: int = 0
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.wait_s = wait_s
        self.failures = failures  # wrong passwords in a row
        self.user = user  # whose password was wrong, for the trail; never shown
        self.status = 429 if wait_s else 401


class ForgedRequest(SpondylError):  # noqa: N818  (the same)
    """A change without what only this sign-in's own pages know."""

    status = 403


class PasswordChangeFirst(SpondylError):  # noqa: N818  (the same)
    """Whoever has an initial password changes it before anything else."""

    status = 403


class UnknownScreen(SpondylError):  # noqa: N818  (the same)
    """No link for a patient's screen of this id."""

    status = 404


class ScreenRefused(SpondylError):  # noqa: N818  (the same)
    """A link for a patient's screen that the rules do not allow."""

    status = 422


class ProviderRefused(SaidOnPage):
    """What came back from the OpenID provider opens nothing."""

    status = 403


class ProviderUnavailable(SpondylError):  # noqa: N818  (the same)
    """The OpenID provider does not answer, or is not the one that was configured."""

    status = 503
