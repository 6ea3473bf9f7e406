"""What billing is told by the environment, beyond what every business service is."""

from pathlib import Path

from pydantic import Field

from services.kit.business.service import BusinessSettings
from services.kit.settings import HttpAddress


class BillingSettings(BusinessSettings):
    """Settings of billing; a clinic's letterhead, bank and tax data are records."""

    screening_url: HttpAddress = Field(
        "", description="Address of screening's HTTP API; empty: no names, so no estimates and no invoices."
    )
    identity_token: Path | None = Field(
        None, description="File with the token of the role `identity` that screening is asked with."
    )
    billing_every_s: float = Field(
        10.0,
        ge=0.1,
        le=3600,
        description="Seconds between two looks for what is due to be invoiced, and for who pays.",
    )
