"""Settings from the environment (prefix ``SPONDYL_``), frozen after the start.

A service derives its own class from ``Settings`` and adds its fields; ``described`` lists every field with
its variable, default and description, so that the documentation can be tested against it.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from services.kit.errors import SpondylError

PREFIX = "SPONDYL_"
FROM_FILE = "_FILE"  # behind a variable's name: the file that holds the value
MOST_BYTES = 1_000_000  # of such a file


def listed(value: Any) -> Any:
    """What stands between commas, blanks around it taken off and empty parts left out; a list as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]  # of a setting: names between commas


def _http(value: str) -> str:
    """Without a slash at its end; empty is none."""
    if value and not re.fullmatch(r"https?://[^/\s@?#]+(/[^\s?#]*)?", value):
        raise ValueError("an address is http://HOST:PORT or https://HOST, maybe with a path")
    return value.rstrip("/")


def _database(value: SecretStr) -> SecretStr:
    if not re.match(r"(sqlite:///|postgresql\+psycopg://)\S+|$", value.get_secret_value()):
        raise ValueError("a database is sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
    return value


HttpAddress = Annotated[str, AfterValidator(_http)]  # of another service
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database)]


class _EnvironmentOrFile(EnvSettingsSource):
    """SPONDYL_X from the environment, or from the file that SPONDYL_X_FILE names, as secrets are mounted."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """As the environment's, the file's content without one newline at its end."""
        value, key, is_complex = super().get_field_value(field, field_name)
        variable = f"{PREFIX}{field_name.upper()}"
        path = os.environ.get(variable + FROM_FILE)
        if not path:
            return value, key, is_complex
        if value is not None:
            raise SpondylError(f"settings {variable} and {variable}{FROM_FILE} are both given: one is enough")
        return _content(variable + FROM_FILE, Path(path)), key, is_complex


def _content(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise SpondylError(
                f"setting {variable} is {str(path)!r}: it has more than {MOST_BYTES} bytes, no setting has"
            )
        return content.decode().removesuffix("\n")
    except OSError as error:
        raise SpondylError(f"setting {variable} is {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpondylError(f"setting {variable} is {str(path)!r}: it is no text (UTF-8)") from None


class Settings(BaseSettings):
    """What every process of the system is told; passwords never show in a repr or a log."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    data: Path = Field(Path("var"), description="Directory of everything this machine keeps.")
    mqtt_url: str = Field(
        "mqtt://127.0.0.1:1883",
        pattern=r"^mqtts?://[^/@\s]+$",
        description="Address of the MQTT 5 broker: mqtt://host:port, or mqtts:// with TLS; of a cluster "
        "mqtts://host:port,host:port.",
    )
    mqtt_username: str | None = Field(None, description="User name at the broker; none for an open one.")
    mqtt_password: SecretStr | None = Field(None, description="Password at the broker.")
    mqtt_ca: Path | None = Field(
        None, description="PEM file of the authority that the broker's certificate is checked with (mqtts)."
    )
    mqtt_certificate: Path | None = Field(
        None, description="Our own PEM certificate at the broker; its name is the user there."
    )
    mqtt_key: Path | None = Field(None, description="Private key of that certificate, PEM.")
    http_host: str = Field(
        "127.0.0.1", description="Address the HTTP server listens on; loopback by default."
    )
    http_port: int = Field(0, ge=0, le=65535, description="Port of the HTTP server; 0 takes a free one.")
    http_certificate: Path | None = Field(
        None, description="PEM certificate to serve HTTPS with, read again when it changes; none: HTTP."
    )
    http_key: Path | None = Field(None, description="Private key of that certificate, PEM.")
    tls_ca: Path | None = Field(
        None,
        description="PEM file of the authority that other services' HTTPS is checked with, beside the "
        "system's.",
    )
    access_public_key: Path | None = Field(
        None,
        description="Public key that tokens of HTTP calls are checked with; default DATA/secrets/access.pub.",
    )
    migrate: Literal["at-start", "never"] = Field(
        "at-start",
        description="Who brings databases up to date: a service at its start, or `spondyl migrate` alone; a "
        "service refuses an older database then.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="json: one object a line; console: for a person at a terminal."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given by name, then the environment with its files, and nothing else."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _EnvironmentOrFile(settings_cls)

    @classmethod
    def load(cls) -> Self:
        """Read the environment; a wrong value is one SpondylError that names variable, value and rule."""
        try:
            return cls()
        except ValidationError as error:
            raise SpondylError("; ".join(_refusals(error))) from None
        except SettingsError as error:
            if isinstance(error.__cause__, SpondylError):
                raise error.__cause__ from None
            raise SpondylError(f"{error}: {error.__cause__}") from None

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
        value = (
            ""
            if _is_secret(variable)
            else f" is {_shown_value(row['input'])}"
            if row["type"] != "missing"
            else ""
        )
        yield f"setting {variable}{value}: {row['msg']}"


def _shown_value(value: object) -> str:
    """A password in an address is none of a log's."""
    return re.sub(r"//.*@", "//***@", repr(value), flags=re.DOTALL)


def _is_secret(variable: str) -> bool:
    return any(word in variable for word in ("PASSWORD", "SECRET", "REDIS_URL", "DATABASE_URL"))
