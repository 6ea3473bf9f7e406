"""How a bed is reached: `simulated`, or the address of its drive, modbus://HOST:PORT?unit=N."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from services.kit.errors import SpondylError

SIMULATED = "simulated"
SCHEME = "modbus"
PORT = 502  # Modbus Messaging on TCP/IP V1.0b, 4.2.1.2
UNITS = range(256)  # one byte; 255: the device itself, as the same guide recommends
FORM = f"{SCHEME}://HOST:PORT?unit=1"


@dataclass(frozen=True, slots=True)
class DriveAddress:
    """Where a drive listens, and which unit it is behind that address."""

    host: str
    port: int = PORT
    unit: int = 1

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{host}:{self.port}?unit={self.unit}"


def drive_address(text: str) -> DriveAddress:
    """Read an address; SpondylError says what is wrong with it."""
    try:
        parts = urlsplit(text)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        port = PORT if parts.port is None else parts.port
        unit = int(query.pop("unit", ["1"])[-1])
    except ValueError as error:
        raise SpondylError(f"address is {text!r}: {error}; it looks like {FORM}") from None
    if parts.scheme != SCHEME or not parts.hostname or query or parts.path or parts.username or port == 0:
        raise SpondylError(f"address is {text!r}: a drive's looks like {FORM}")
    if unit not in UNITS:
        raise SpondylError(f"address is {text!r}: unit is {unit}, a Modbus unit is 0 to 255")
    return DriveAddress(parts.hostname, port, unit)


def addresses_of(devices: tuple[str, ...], named: tuple[str, ...]) -> tuple[str, ...]:
    """One address a device, in their order, from DEVICE=ADDRESS entries; a lone `simulated` is for all.

    A bed that is not named is never taken for a simulated one: ValueError.
    """
    if named in ((), (SIMULATED,)):
        return (SIMULATED,) * len(devices)
    found: dict[str, str] = {}
    for entry in named:
        device, separator, address = entry.partition("=")
        if not separator or device not in devices or device in found:
            raise ValueError(f"{entry!r}: DEVICE=ADDRESS is needed, each device of {devices} once")
        try:
            found[device] = address if address == SIMULATED else str(drive_address(address))
        except SpondylError as error:
            raise ValueError(error.message) from None
    if missing := [device for device in devices if device not in found]:
        raise ValueError(f"no address for {', '.join(missing)}: name every bed, {FORM} or {SIMULATED}")
    drives = [address for address in found.values() if address != SIMULATED]
    if len(set(drives)) != len(drives):
        raise ValueError("two beds have the same drive: each address once")
    return tuple(found[device] for device in devices)
