"""A reminder as an e-mail, and the SMTP server that takes it."""

import contextlib
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.language import Language, Text
from services.scheduler.notices.settings import NoticeSettings

TIMEOUT_S: Final = 20.0
FIRST_PERMANENT: Final = 500
_DAYS: Final = {"de": "EEEE, d. MMMM y, HH:mm 'Uhr'", "en": "EEEE, d MMMM y, HH:mm"}
_SHORT: Final = {"de": "dd.MM.y, HH:mm 'Uhr'", "en": "d MMM y, HH:mm"}
_SUBJECT: Final[Text] = {
    "de": "Erinnerung: Ihr Termin am {short}",
    "en": "Reminder: your appointment on {short}",
}
# No name, no treatment: whoever glances at a telephone learns that there is an appointment, and nothing else.
_BODY: Final[Text] = {
    "de": "Guten Tag,\n\nwir erinnern Sie an Ihren Termin:\n\n  {day}\n  Standort: {site}\n\n"
    "Wenn Sie nicht kommen können, sagen Sie uns bitte Bescheid.\n\n"
    "Diese Nachricht wurde automatisch versandt.\n",
    "en": "Hello,\n\nthis is a reminder of your appointment:\n\n  {day}\n  Site: {site}\n\n"
    "If you cannot come, please let us know.\n\nThis message was sent automatically.\n",
}


class Later(Exception):  # noqa: N818  (what is to be done)
    """Not taken now; nothing was sent."""


class Never(Exception):  # noqa: N818  (what is to be done)
    """Refused for good: the address, or the message."""


class Unknown(Exception):  # noqa: N818  (what is known)
    """The line broke after the message had gone out: it may have arrived."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder and whom it is for."""

    appointment: UUID
    starts_at: datetime
    site: str
    zone: ZoneInfo
    email: str
    language: Language


def message(reminder: Reminder, sender: str, at: datetime) -> EmailMessage:
    """The e-mail; its id is the appointment's and the time's, so that a second one would be known as such."""
    from babel.dates import format_datetime as shown

    local = reminder.starts_at.astimezone(reminder.zone)
    language = reminder.language
    words = {
        "short": shown(local, _SHORT[language], tzinfo=reminder.zone, locale=language),
        "day": shown(local, _DAYS[language], tzinfo=reminder.zone, locale=language),
        "site": reminder.site,
    }
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(addr_spec=sender)
    made["To"] = Address(addr_spec=reminder.email)
    made["Subject"] = _SUBJECT[language].format(**words)
    made["Date"] = format_datetime(at)
    domain = sender.rpartition("@")[2]
    made["Message-ID"] = f"<{reminder.appointment}.{int(reminder.starts_at.timestamp())}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"  # (RFC 3834: no holiday answers back)
    made["Content-Language"] = language
    made.set_content(_BODY[language].format(**words))
    return made


def send(settings: NoticeSettings, mail: EmailMessage, about_to: Callable[[], None]) -> None:
    """Hand it to the server; ``about_to`` is called when the message itself goes out.

    Raises Later, Never, Unknown.
    """
    try:
        server = _connected(settings)
        try:
            _said(server.mail(mail["From"].addresses[0].addr_spec))
            _said(server.rcpt(mail["To"].addresses[0].addr_spec))
            about_to()
            _data(server, mail)
        finally:
            with contextlib.suppress(OSError):  # (it has the message: how it says farewell changes nothing)
                server.quit()
            server.close()
    except smtplib.SMTPResponseException as error:
        raise _kind(error.smtp_code)(f"{error.smtp_code} {_text(error.smtp_error)}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise Later(str(error)[:200] or type(error).__name__) from None


def _connected(settings: NoticeSettings) -> smtplib.SMTP:
    """A greeted, encrypted and signed-in connection."""
    host, port = settings.smtp_host, settings.smtp_port
    context = ssl.create_default_context(cafile=str(settings.smtp_ca) if settings.smtp_ca else None)
    server: smtplib.SMTP
    if settings.smtp_security == "tls":
        server = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    try:
        server.ehlo_or_helo_if_needed()
        if settings.smtp_security == "starttls":
            server.starttls(context=context)  # a server without it is an error, never plain text
            server.ehlo()
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def _data(server: smtplib.SMTP, mail: EmailMessage) -> None:
    """The message itself: an answer is an answer, none at all is Unknown."""
    try:
        _said(server.data(mail.as_bytes()))
    except smtplib.SMTPResponseException:
        raise
    except (OSError, smtplib.SMTPServerDisconnected) as error:
        raise Unknown(str(error)[:200] or type(error).__name__) from None


def _said(answer: tuple[int, bytes]) -> None:
    code, text = answer
    if code >= 400:  # noqa: PLR2004  (RFC 5321: 4xx later, 5xx never)
        raise smtplib.SMTPResponseException(code, text)


def _kind(code: int) -> type[Later | Never]:
    return Never if code >= FIRST_PERMANENT else Later


def _text(said: bytes | str) -> str:
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said)[:200]
