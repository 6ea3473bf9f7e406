"""What homecare is told by the environment, beyond what every business service is."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from services.kit.business.mail import MailSettings
from services.kit.settings import HttpAddress


class HomecareSettings(MailSettings):
    """Settings of homecare; what a clinic sets for its patients are records."""

    screening_url: HttpAddress = Field(
        "", description="Address of screening's HTTP API; empty: no names on notes and no reminders."
    )
    identity_token: Path | None = Field(
        None, description="File with the token of the role `identity` that screening is asked with."
    )
    home_url: str = Field(
        "",
        pattern=r"^$|^https?://[^\s]+$",
        description="Address under which patients reach homecare's `/h/`, as their links say it; default "
        "the one that the link was asked at.",
    )
    homecare_every_s: float = Field(
        30.0, ge=0.1, le=3600, description="Seconds between two looks for reminders and ended programmes."
    )
    homecare_reminder_hour: int = Field(
        18,
        ge=0,
        le=21,
        description="Hour of the site's clock from which patients who wish it are reminded by e-mail of a "
        "day that nothing was heard of; until 22.",
    )

    @field_validator("home_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        urlsplit(value)  # ValueError: the settings say which one is wrong
        return value

    @property
    def home_origin(self) -> str:
        """Of the patients' page, as a browser names it; a proxy may ask us by another host."""
        address = urlsplit(self.home_url)
        return f"{address.scheme}://{address.netloc}" if self.home_url else ""
