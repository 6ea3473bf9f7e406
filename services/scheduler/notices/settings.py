"""What feeds and reminders are told by the environment."""

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from services.kit.business.service import BusinessSettings


class NoticeSettings(BusinessSettings):
    """Of calendar feeds and e-mail reminders."""

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
    reminder_hours: float = Field(
        24.0, ge=1.0, le=336.0, description="How many hours before an appointment its reminder is sent."
    )
    reminder_poll_s: float = Field(
        30.0, ge=0.05, le=3600.0, description="How often is looked for reminders that are due, seconds."
    )

    feed_url: str = Field(
        "",
        pattern=r"^$|^https?://[^\s]+$",
        description="Address under which calendar programs reach the scheduler's `/feeds`; default its own.",
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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
