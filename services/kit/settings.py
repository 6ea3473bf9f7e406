"""Settings from the environment (prefix ``SPONDYL_``), frozen after the start.

A service derives its own class from ``Settings`` and adds its fields; ``described`` lists every field with
its variable, default and description, so that the documentation can be tested against it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.kit.errors import SpondylError

PREFIX = "SPONDYL_"


def listed(value: Any) -> Any:
    """What stands between commas, blanks around it taken off and empty parts left out; a list as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]  # of a setting: names between commas


class Settings(BaseSettings):
    """What every process of the system is told; passwords never show in a repr or a log."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    data: Path = Field(Path("var"), description="Directory of everything this machine keeps.")
    mqtt_url: str = Field(
        "mqtt://127.0.0.1:1883",
        pattern=r"^mqtts?://[^/@\s]+$",
        description="Address of the MQTT 5 broker: mqtt://host:port, or mqtts:// with TLS.",
    )
    mqtt_username: str | None = Field(None, description="User name at the broker; none for an open one.")
    mqtt_password: SecretStr | None = Field(None, description="Password at the broker.")
    http_host: str = Field(
        "127.0.0.1", description="Address the HTTP server listens on; loopback by default."
    )
    http_port: int = Field(0, ge=0, le=65535, description="Port of the HTTP server; 0 takes a free one.")
    access_public_key: Path | None = Field(
        None,
        description="Public key that tokens of HTTP calls are checked with; default DATA/secrets/access.pub.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="json: one object a line; console: for a person at a terminal."
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment; a wrong value is one SpondylError that names variable, value and rule."""
        try:
            return cls()
        except ValidationError as error:
            raise SpondylError("; ".join(_refusals(error))) from None

    @property
    def mqtt_secret(self) -> str | None:
        """The broker password in clear, for the one call that hands it to the client."""
        return self.mqtt_password.get_secret_value() if self.mqtt_password else None


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting as the documentation shows it."""

    variable: str
    default: str
    description: str


def described(*classes: type[Settings]) -> list[SettingDescription]:
    """Every setting of these classes, each variable once, in the order of declaration."""
    rows: dict[str, SettingDescription] = {}
    for cls in classes:
        for name, field in cls.model_fields.items():
            variable = f"{PREFIX}{name.upper()}"
            required = field.default is PydanticUndefined and field.default_factory is None
            default = "required" if required else _shown(field.get_default(call_default_factory=True))
            rows.setdefault(variable, SettingDescription(variable, default, field.description or ""))
    return list(rows.values())


def _shown(default: object) -> str:
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    return "" if default is None else str(default)


def _refusals(error: ValidationError) -> Iterable[str]:
    for row in error.errors():
        variable = PREFIX + ".".join(str(part) for part in row["loc"]).upper()
        value = "" if _is_secret(variable) else f" is {row['input']!r}" if row["type"] != "missing" else ""
        yield f"setting {variable}{value}: {row['msg']}"


def _is_secret(variable: str) -> bool:
    return any(word in variable for word in ("PASSWORD", "SECRET", "REDIS_URL", "DATABASE_URL"))
