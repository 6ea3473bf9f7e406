"""What screening is told by the environment, beyond what every business service is."""

from typing import Literal

from pydantic import Field

from services.screening.exchange.settings import GdtSettings

DISPUTED = ("minimum_age_years", "pregnancy", "sequestrum", "aged_answers")


class ScreeningSettings(GdtSettings):
    """Settings of screening; what sources dispute has the stricter one as its default."""

    minimum_age_years: Literal["18", "15"] = Field(
        "18", description="Minimum age: 18, or the clinic page's 15."
    )
    pregnancy: Literal["absolute", "relative"] = Field(
        "absolute", description="Whether pregnancy refuses by itself, or is a clinician's to weigh."
    )
    sequestrum: Literal["absolute", "relative"] = Field(
        "absolute", description="Whether a sequestrum refuses by itself, or is a clinician's to weigh."
    )
    aged_answers: Literal["open", "listed"] = Field(
        "open", description="What is older than it holds: open again, or only listed to be asked again."
    )

    attachment_most_bytes: int = Field(
        64_000_000, ge=100_000, le=1_000_000_000,
        description="Largest file of a finding (MRI, report), in bytes; the console takes as much.",
    )  # fmt: skip

    suspend_guardings: int = Field(
        12,
        ge=1,
        le=1000,
        description="Counter-tensions in one session that suspend the patient; 12 end a session at the bed.",
    )
    report_least_group: int = Field(
        5, ge=1, le=1000, description="Least number of people behind a figure of the outcome report."
    )

    def disputed(self) -> dict[str, str]:
        """The settings of the contraindication rules, by their ids there."""
        return {name: str(getattr(self, name)) for name in DISPUTED}
