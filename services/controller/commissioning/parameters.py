"""What `spondyl bed identify` found out about a bed: one JSON file a device, in the gateway's directory.

It belongs to one device and one drive: another's is refused, with both named.
"""

import json
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.kit.errors import SpondylError
from services.kit.runfile import write_private

IDENTIFY = "spondyl bed identify"
DOLL_KG = 27.0  # that slide: of somebody of 60 kg, 0.45 of them (beds/simulated.py)
GRAVITY = 9.81


class Unusable(SpondylError):  # noqa: N818  (what the file is)
    """A file that holds no bed's parameters, or another's; ``german`` says the same."""

    def __init__(self, message: str, german: str) -> None:
        super().__init__(message)
        self.german = german


class BedParameters(BaseModel):
    """One bed as it was measured; uncertainties are one standard deviation of the fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    serial: int = Field(gt=0, lt=2**32)
    harness_n_mm: float = Field(gt=0, le=200)
    toe_mm: float = Field(ge=0, le=50)
    friction_n: float = Field(ge=0, le=500)
    drive_lag_s: float = Field(ge=0, le=1)
    drive_mm_s: float = Field(gt=0, le=1000)
    measured_at: AwareDatetime
    kernel: int
    ceiling_n: float = Field(gt=0)
    doll_kg: float = Field(DOLL_KG, gt=0, le=200)
    uncertainty: dict[str, float] = {}

    @property
    def friction(self) -> float:
        """As a share of the weight that slid."""
        return self.friction_n / (GRAVITY * self.doll_kg)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; Unusable when it is none."""
        name = path.name  # where it lies is nothing for a panel, which is anybody's
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            why = error.strerror
            raise Unusable(f"{name} cannot be read: {why}", f"{name} ist nicht lesbar: {why}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Unusable(
                f"{name} holds no bed parameters: {where or 'the file'}: {first['msg']}; measure again with "
                f"{IDENTIFY}",
                f"{name} enthält keine Messwerte einer Liege ({where or 'JSON'}); neu vermessen mit "
                f"{IDENTIFY}",
            ) from None

    def save(self, directory: Path) -> Path:
        """Write it as this gateway's for its device, in one step."""
        path = path_of(directory, self.device)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, json.dumps(self.model_dump(mode="json"), indent=2) + "\n")
        return path


def path_of(directory: Path, device: str) -> Path:
    """Where a device's parameters are, below the gateway's directory (DATA/gateways/SITE)."""
    return directory / "beds" / f"{device}.json"


def load(directory: Path, device: str, serial: int | None = None) -> BedParameters | None:
    """The device's parameters; None where it was never measured.

    Unusable when the file is of another device or, where its serial is given, of another drive.
    """
    path = path_of(directory, device)
    if not path.exists():
        return None
    found, name = BedParameters.read(path), path.name
    if found.device != device:
        raise Unusable(
            f"{name} holds the parameters of {found.device} (drive {found.serial}), not of {device}: measure "
            f"this bed with {IDENTIFY} ADDRESS --device {device}",
            f"{name} enthält die Messwerte von {found.device} (Antrieb {found.serial}), nicht von {device}: "
            f"diese Liege vermessen mit {IDENTIFY} ADDRESS --device {device}",
        )
    if serial is not None and found.serial != serial:
        raise Unusable(
            f"{name}: {device} was measured with drive {found.serial} and now has drive {serial}: measure it "
            f"again with {IDENTIFY} ADDRESS --device {device}",
            f"{name}: {device} wurde mit Antrieb {found.serial} vermessen und hat jetzt Antrieb {serial}: "
            f"neu vermessen mit {IDENTIFY} ADDRESS --device {device}",
        )
    return found
