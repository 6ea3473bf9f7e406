"""Every service with a database: its package and, by the services' own settings, where the database is.

The one list that `spondyl migrate`, `backup`, `restore` and `support-bundle` go through.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.kit.errors import SpondylError
from services.kit.files import read_text
from services.kit.settings import MOST_BYTES

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

BUSINESS_FILE: Final = "SPONDYL_BUSINESS_DATABASE_URL_FILE"
SERVICES: Final = ("console", "telemetry", "screening", "scheduler", "billing", "homecare", "registry")


@dataclass(frozen=True, slots=True)
class Database:
    """One service's database; ``url`` is in clear: it is for opening, not for showing."""

    service: str
    url: str

    @property
    def package(self) -> str:
        """Where its migrations are."""
        return f"services.{self.service}"

    @property
    def parsed(self) -> "URL":
        """The URL in its parts."""
        from sqlalchemy.engine import make_url

        return make_url(self.url)

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for a server's database."""
        return Path(str(self.parsed.database)) if self.parsed.get_backend_name() == "sqlite" else None

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.parsed.render_as_string(hide_password=True)

    @property
    def is_there(self) -> bool:
        """False when it would be a file and there is none: opening would make it."""
        return self.file is None or self.file.exists()

    @contextmanager
    def opened(self) -> "Iterator[Engine]":
        """The database, made when it is a file that is not there. Raises SpondylError."""
        from services.kit.database import open_database

        engine = open_database(self.url)
        try:
            yield engine
        finally:
            engine.dispose()


def databases(data: Path, names: Sequence[str] = ()) -> list[Database]:
    """Those of the named services, of all when none is named. Raises SpondylError for a name that is none."""
    known = [name for name in SERVICES if _has_migrations(name)]
    for name in names:
        if name not in known:
            raise SpondylError(f"there is no service {name!r} with a database: {', '.join(known)}")
    return [Database(name, _url(name, data)) for name in known if not names or name in names]


def _has_migrations(name: str) -> bool:
    """Whether the service is installed here: an image has only its own."""
    package = find_spec(f"services.{name}")
    return package is not None and bool(
        package.origin and find_spec(f"services.{name}.migrations.versions") is not None
    )


def _url(name: str, data: Path) -> str:
    if name == "console":
        from services.console.models import ConsoleSettings

        return ConsoleSettings.load().model_copy(update={"data": data}).database
    if name == "telemetry":
        from services.telemetry.settings import TelemetrySettings

        return TelemetrySettings.load().model_copy(update={"data": data}).archive_database
    from services.kit.business.service import BusinessSettings

    named = os.environ.get(BUSINESS_FILE, "")
    if "{service}" in named:  # a secret of each service's own, for a job that is of all
        path = Path(named.replace("{service}", name))
        if path.exists():
            return read_text(path, BUSINESS_FILE, MOST_BYTES).strip()
        return f"sqlite:///{data / name / name}.db"  # as a service that is not told another
    return BusinessSettings.load().model_copy(update={"data": data}).database(name)
