"""What the exchange is told by the environment."""

import re
from pathlib import Path
from typing import Final, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from services.kit.business.service import BusinessSettings, Office
from services.screening.exchange.gdt.fields import Version
from services.screening.exchange.gdt.writing import Form

_SITE: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME: Final = r"^[A-Za-z0-9_]+$"


class GdtSettings(BusinessSettings):
    """Of the GDT folders."""

    gdt_directory: Path | None = Field(
        None,
        description="Directory with a folder a site (`north/in`, `north/out`) that practice systems share; "
        "default DATA/gdt. A site without a folder exchanges nothing.",
    )
    gdt_version: Version = Field("2.1", description="Version of GDT that results are written in.")
    gdt_charset: Literal["1", "2", "3"] = Field(
        "3", description="Character set of written files (9206): 1 ASCII, 2 CP437, 3 ISO 8859-1."
    )
    gdt_receiver: str = Field(
        "PRAX_EDV", pattern=_NAME, max_length=8, description="GDT id of the practice system (8315)."
    )
    gdt_sender: str = Field(
        "SPONDYL", pattern=_NAME, max_length=8, description="GDT id of this system (8316)."
    )
    gdt_receiver_short: str = Field(
        "PRAX", pattern=_NAME, max_length=4, description="The practice system in names of files."
    )
    gdt_sender_short: str = Field(
        "SPDL", pattern=_NAME, max_length=4, description="This system in names of files."
    )
    gdt_procedure: str = Field(
        "ALLG00",
        pattern=_NAME,
        max_length=6,
        description="Procedure code (8402) of results, as the practice has it.",
    )
    gdt_zone: str = Field("Europe/Berlin", description="Time zone of dates and times in GDT files.")
    gdt_stable_s: float = Field(
        2.0, ge=0.0, le=600.0, description="A file is taken when it has not changed for so many seconds."
    )
    gdt_poll_s: float = Field(
        1.0, ge=0.05, le=600.0, description="How often the folders are looked at, seconds."
    )
    gdt_keep_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="Days that files lie in `processed` and `rejected` before they are deleted.",
    )

    @field_validator("gdt_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("no time zone of that name is known, e.g. Europe/Berlin")
        return value

    def form(self) -> Form:
        """How results are written."""
        return Form(self.gdt_version, self.gdt_charset, self.gdt_receiver, self.gdt_sender)

    def sites(self, data: Path) -> dict[str, Path]:
        """The folders that are there, by site."""
        home = self.gdt_directory or data / "gdt"
        try:
            found = sorted(home.iterdir())
        except OSError:
            return {}
        return {path.name: path for path in found if path.is_dir() and _SITE.fullmatch(path.name)}


def settings_of(office: Office) -> GdtSettings:
    """The settings of the exchange."""
    assert isinstance(office.settings, GdtSettings)  # noqa: S101  (the settings of screening are such)
    return office.settings
