"""What the scheduler is told by the environment, beyond what every business service is."""

from pathlib import Path

from pydantic import Field

from services.kit.settings import HttpAddress
from services.scheduler.notices.settings import NoticeSettings
from services.scheduler.planner.problem import Effort


class SchedulerSettings(NoticeSettings):
    """Settings of the scheduler."""

    screening_url: HttpAddress = Field(
        "", description="Address of screening's HTTP API; empty: no names in worklists and no reminders."
    )
    identity_token: Path | None = Field(
        None, description="File with the token of the role `identity` that screening is asked with."
    )
    improve_every_h: float = Field(
        24.0,
        ge=0,
        le=10_000,
        description="Hours between two rounds that move what is not confirmed to better series; 0: never.",
    )
    improve_stays_days: float = Field(
        3.0,
        ge=0,
        le=365,
        description="What begins within so many days is never moved by itself, nor is anything moved into "
        "them; the hours before which reminders are sent count at least.",
    )
    plan_place_s: float = Field(
        5.0, ge=0.1, le=60, description="Longest that the planner thinks about one cure, seconds."
    )
    plan_replan_s: float = Field(
        20.0,
        ge=0.1,
        le=100,
        description="Longest that the planner thinks about a bed or somebody out, seconds.",
    )
    plan_improve_s: float = Field(
        20.0,
        ge=0.1,
        le=100,
        description="Longest that better series of a site are looked for at once, seconds.",
    )

    @property
    def effort(self) -> Effort:
        """How long the planner may think."""
        return Effort(self.plan_place_s, self.plan_replan_s, self.plan_improve_s)
