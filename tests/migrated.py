"""Databases that begin with a service's newest tables: its migrations run once, the rest are copies.

What migrations do is tested by itself; here nobody waits for a hundred statements, each on the disk.
"""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from sqlalchemy.engine import make_url

from services.kit.database import migrate, open_database


@functools.cache
def _newest(package: str) -> Path:
    """A SQLite file that has been through all of this service's migrations."""
    directory = Path(tempfile.mkdtemp(prefix="spondyl-migrated-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = directory / "newest.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine, package)
    engine.dispose()  # the last to go brings everything into the one file
    return path


def begin(url: str, package: str) -> None:
    """Let a SQLite database that is not there yet begin so; any other is left as it is."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or (path := Path(str(parsed.database))).exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_newest(package), path)
