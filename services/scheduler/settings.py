"""What the scheduler is told by the environment, beyond what every business service is."""

from pathlib import Path

from pydantic import Field

from services.scheduler.notices.settings import NoticeSettings


class SchedulerSettings(NoticeSettings):
    """Settings of the scheduler."""

    screening_url: str = Field(
        "", description="Address of screening's HTTP API; empty: no names in worklists and no reminders."
    )
    identity_token: Path | None = Field(
        None, description="File with the token of the role `identity` that screening is asked with."
    )
    improve_every_h: float = Field(
        24.0,
        ge=0,
        le=10_000,
        description="Hours between two looks for better series of what is not confirmed; 0: never.",
    )
