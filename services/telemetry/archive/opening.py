"""The archive that the settings name."""

from pathlib import Path

from sqlalchemy.engine import make_url

from services.kit.errors import SpondylError
from services.telemetry.archive.index import Index
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.stores import ASKING, WRITING, Credentials, ObjectStore, Patience, open_store
from services.telemetry.settings import TelemetrySettings


def open_archive(settings: TelemetrySettings, patience: Patience = WRITING) -> Archive:
    """Its store and its index, made when they are not there. Raises SpondylError, ArchiveUnavailable."""
    store = open_settings_store(settings, patience)
    return Archive(Index(settings.archive_database, patience.statement_s, settings.migrate), store)


def exists(settings: TelemetrySettings) -> bool:
    """False when the index would be a file and there is none: opening would make it."""
    database = make_url(settings.archive_database)
    return database.get_backend_name() != "sqlite" or Path(str(database.database)).exists()


def open_existing(settings: TelemetrySettings) -> Archive:
    """The archive, when there is one. Raises SpondylError."""
    if not exists(settings):
        raise SpondylError(
            f"there is no archive under {settings.data}: its index would be "
            f"{make_url(settings.archive_database).database} (see --data, SPONDYL_ARCHIVE_DATABASE_URL)"
        )
    return open_archive(settings, ASKING)


def open_settings_store(settings: TelemetrySettings, patience: Patience = WRITING) -> ObjectStore:
    """The object store alone."""
    return open_store(settings.archive_location, credentials_of(settings), patience)


def credentials_of(settings: TelemetrySettings) -> Credentials:
    """Of an S3-compatible store, as far as the settings tell them."""
    secret = settings.archive_s3_secret_key
    return Credentials(
        settings.archive_s3_access_key,
        secret.get_secret_value() if secret else None,
        settings.archive_s3_region,
        settings.archive_s3_endpoint,
    )
