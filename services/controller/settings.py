"""What the processes of a gateway are told: loop, recorder, panel and the supervisor above them."""

import os
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from broker.contract import SLUG
from services.controller.beds.addresses import SIMULATED, addresses_of
from services.kit.sealed import KEY_FILE
from services.kit.settings import Listed, Settings, listed

MAX_BEDS = 64  # one loop's
SITE_PATTERN = rf"^{SLUG}$"


class ControllerSettings(Settings):
    """One gateway: its site, its beds, its clock."""

    site: str = Field(
        "north", pattern=SITE_PATTERN, max_length=40, description="The clinic this gateway stands in."
    )
    devices: Listed = Field(
        ("bed-01",), description="Its beds, separated by commas; 1 to 64, each name once in the chain."
    )
    beds: Listed = Field(
        (SIMULATED,),
        description="How each bed is reached, separated by commas: DEVICE=modbus://HOST:PORT?unit=N or "
        "DEVICE=simulated; once one is named, all must be.",
    )
    bed_wait_ms: float = Field(
        0.0,
        ge=0,
        le=10,
        description="How long a tick waits for the drives' answers at most, not above half of the period; 0: "
        "a quarter of the period, and 0.5 ms at least.",
    )
    gateway_name: str = Field(
        "",
        pattern=rf"{SITE_PATTERN}|^$",
        max_length=40,
        description="The gateway's name in topics and at the broker; default gw-SITE.",
    )
    clinic_directory: Path | None = Field(
        None,
        description="Directory that `spondyl gateway join` made; the gateway keeps its certificates current "
        "there. Default DATA.",
    )
    period_ms: float = Field(20.0, ge=1, le=20, description="The loop's period.")
    block_ms: float = Field(200.0, ge=1, le=5000, description="Length of a published block of samples.")
    seed: int = Field(1, ge=0, description="Of the simulated patients: the same seed, the same people.")
    clearance_public_key: Path | None = Field(
        None, description="Public key that clearances are checked with; default DATA/secrets/clearance.pub."
    )
    bedside_key: Path | None = Field(
        None,
        description="Key that PINs and badges of operators are keyed with; default DATA/secrets/bedside.key.",
    )
    centre_silent_h: float = Field(
        24.0,
        ge=0,
        le=24 * 31,
        description="A gateway that has not heard from the centre for so many hours says so at the bed "
        "before each start, and a start asks that it was seen; 0: a gateway without a centre.",
    )
    loop_priority: int = Field(
        50, ge=0, le=99, description="SCHED_FIFO priority of the loop where permitted; 0: the normal class."
    )
    loop_cpus: Annotated[tuple[int, ...], NoDecode, BeforeValidator(listed)] = Field(
        (), description="Processors the loop may run on, separated by commas; none given: all."
    )
    loop_lock_memory: bool = Field(default=True, description="Lock the loop's memory where permitted.")
    loop_wake_fast: bool = Field(
        default=True,
        description="Keep idle processors out of deep sleep while the loop runs, where permitted.",
    )
    loop_alone_s: float = Field(
        600.0,
        gt=0,
        description="A loop without its supervisor for so long ends itself once all beds are idle.",
    )

    hanging_s: float = Field(
        10.0,
        gt=0,
        description="The gateway's recorder or panel that lives and has shown no sign of it for so long "
        "hangs: it is killed and started again.",
    )

    @field_validator("devices")
    @classmethod
    def _device_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not 1 <= len(names) <= MAX_BEDS or len(set(names)) != len(names):
            raise ValueError(f"{len(names)} devices: a gateway serves 1 to {MAX_BEDS}, each name once")
        for name in names:
            if not re.fullmatch(SITE_PATTERN, name) or len(name) > 40:  # noqa: PLR2004  (the contract's slug)
                raise ValueError(f"{name!r} is not a device name: lower case, digits and dashes, at most 40")
        return names

    @field_validator("loop_cpus")
    @classmethod
    def _processors(cls, cpus: tuple[int, ...]) -> tuple[int, ...]:
        absent = set(cpus) - set(range(os.cpu_count() or 1))
        if absent:
            raise ValueError(f"processors {sorted(absent)}: this machine has {os.cpu_count()}")
        return cpus

    @model_validator(mode="after")
    def _blocks_hold_a_sample(self) -> Self:
        if self.block_ms < self.period_ms:
            raise ValueError(f"block_ms is {self.block_ms:g}: at least one period, {self.period_ms:g} ms")
        return self

    @model_validator(mode="after")
    def _beds_are_named(self) -> Self:
        addresses_of(self.devices, self.beds)
        if self.bed_wait_ms > self.period_ms / 2:
            raise ValueError(
                f"bed_wait_ms is {self.bed_wait_ms:g}: at most half of the period, {self.period_ms / 2:g} ms"
            )
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """How each device is reached, in their order."""
        return addresses_of(self.devices, self.beds)

    @property
    def gateway(self) -> str:
        """The gateway's name in topics."""
        return self.gateway_name or f"gw-{self.site}"

    @property
    def directory(self) -> Path:
        """Everything this gateway keeps."""
        return self.data / "gateways" / self.site

    @property
    def clinic(self) -> Path:
        """Where the papers are, if this gateway joined a chain."""
        return self.clinic_directory or self.data

    @property
    def sealing_key(self) -> Path:
        """The private key that names in worklists open with."""
        return self.directory / KEY_FILE

    @property
    def period_ns(self) -> int:
        """The loop's period in nanoseconds."""
        return round(self.period_ms * 1e6)

    @property
    def period_s(self) -> float:
        """The loop's period in seconds."""
        return self.period_ns / 1e9
