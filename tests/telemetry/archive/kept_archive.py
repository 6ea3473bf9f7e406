"""An archive under a data directory, looked at and damaged from the outside."""

from datetime import UTC, datetime

from sqlalchemy import update

from services.telemetry.archive.tables import OBJECTS, SESSIONS

LONG_AGO_US = int(datetime(2010, 5, 1, tzinfo=UTC).timestamp() * 1e6)


def objects_of(rig):
    return rig.archive.index.all_objects()


def path_of(rig, tmp_path, number=1):
    return tmp_path / "var/telemetry/archive" / objects_of(rig)[number].path


def age(rig):
    """Let everything have happened in 2010."""
    with rig.archive.index.write() as connection:
        old = {"started_at_us": LONG_AGO_US, "ended_at_us": LONG_AGO_US + 1_800_000_000}
        connection.execute(update(OBJECTS).values(**old))
        connection.execute(update(SESSIONS).values(**old))


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x10
    path.write_bytes(data)
