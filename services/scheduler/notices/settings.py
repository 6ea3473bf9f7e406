"""What feeds and reminders are told by the environment."""

from pydantic import Field

from services.kit.business.mail import MailSettings


class NoticeSettings(MailSettings):
    """Of calendar feeds and e-mail reminders."""

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
