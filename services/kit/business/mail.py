"""An SMTP server that takes our e-mails, and what is to be known of each try."""

import contextlib
import ipaddress
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, model_validator

from services.kit.business.service import BusinessSettings

TIMEOUT_S: Final = 20.0
FIRST_PERMANENT: Final = 500


class MailSettings(BusinessSettings):
    """Of the server that e-mails are handed to."""

    smtp_host: str = Field("", description="SMTP server for reminders; empty: none are sent.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="starttls, tls from the first byte, or none (this machine's own server alone).",
    )
    smtp_user: str = Field("", description="Account at the SMTP server; empty: no sign-in.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Its password.")
    smtp_from: str = Field(
        "", pattern=r"^$|^[^@\s<>]+@[^@\s<>]+$", description="Sender's address of reminders."
    )
    smtp_ca: Path | None = Field(
        None, description="Certificates that the SMTP server's is checked with; default the system's."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.smtp_host:
            return self
        if not self.smtp_from:
            raise ValueError("SPONDYL_SMTP_FROM is needed where SPONDYL_SMTP_HOST is set")
        if self.smtp_security == "none" and not _is_loopback(self.smtp_host):
            raise ValueError(
                f"SPONDYL_SMTP_SECURITY is none for {self.smtp_host}: only this machine itself may be so"
            )
        return self


class Later(Exception):  # noqa: N818  (what is to be done)
    """Not taken now; nothing was sent."""


class Never(Exception):  # noqa: N818  (what is to be done)
    """Refused for good: the address, or the message."""


class Unknown(Exception):  # noqa: N818  (what is known)
    """The line broke after the message had gone out: it may have arrived."""


def send(settings: MailSettings, mail: EmailMessage, about_to: Callable[[], None]) -> None:
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


def _connected(settings: MailSettings) -> smtplib.SMTP:
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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
