"""What the registry is told by the environment, beyond what every business service is."""

from pathlib import Path
from typing import Final

from pydantic import Field

from services.kit.business.service import BusinessSettings
from services.kit.settings import Listed

SERVICES: Final = ("telemetry", "console", "screening", "scheduler", "billing", "homecare")


class RegistrySettings(BusinessSettings):
    """Settings of the registry."""

    registry_centre: Path | None = Field(
        None,
        description="Directory that the registry keeps for the centre: certificates in `secrets`, the "
        "central broker's mosquitto.conf, access list and revocation list in `mosquitto`; default "
        "DATA/registry/centre.",
    )
    registry_seen_as: Path | None = Field(
        None, description="The same directory as the broker's container sees it; default its own path."
    )
    registry_broker_listen: str = Field(
        "0.0.0.0:8883",
        pattern=r"^[^\s:]+:[0-9]{1,5}$",
        description="Address and port that the central broker listens on, in the mosquitto.conf it is given.",
    )
    registry_broker_url: str = Field(
        "mqtts://localhost:8883",
        pattern=r"^mqtts://[^/@\s]+$",
        description="Address of the central broker as clinics reach it; gateways are told it.",
    )
    registry_hosts: Listed = Field(
        ("localhost", "127.0.0.1"),
        description="Names of the centre, between commas: they stand in the certificates of its broker and "
        "services, beside each one's own name.",
    )
    registry_services: Listed = Field(
        (*SERVICES, "registry", "proxy"),
        description="Who gets a certificate there, beside the central broker, between commas.",
    )
    registry_every_s: float = Field(
        60.0, ge=0.1, le=3600, description="Seconds between two looks at what expires."
    )

    clearance_public_key: Path | None = Field(
        None, description="Public key that clearances are checked with; default DATA/secrets/clearance.pub."
    )
    bedside_key: Path | None = Field(
        None,
        description="Key that PINs and badges of operators are keyed with; default DATA/secrets/bedside.key.",
    )

    @property
    def directory(self) -> Path:
        """Everything the registry keeps in files."""
        return self.data / "registry"

    @property
    def centre(self) -> Path:
        """What the registry writes for others to read."""
        return self.registry_centre or self.directory / "centre"
