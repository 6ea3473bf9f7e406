"""What screening is told by the environment, beyond what every business service is."""

from services.kit.business.service import BusinessSettings


class ScreeningSettings(BusinessSettings):
    """Settings of screening."""
