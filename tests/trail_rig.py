"""A trail in a database of its own, and a process that writes to it: `trail_rig.py URL DIRECTORY COUNT`."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Engine

from services.console.tables import TRAIL
from services.kit.auth.principal import Principal
from services.kit.database import migrate, open_database
from services.kit.trail import Trail

ANNA = Principal("0b6c1c6e-0000-4000-8000-000000000001", "anna", ())
THREADS = 4


def opened(url: str, directory: Path) -> tuple[Trail, Engine]:
    """A trail in the console's tables, made when they are not there."""
    engine = open_database(url)
    migrate(engine, "services.console")
    return Trail(engine, TRAIL, directory / "trail.seal", directory / "trail.key"), engine


def writer(url: str, directory: Path, count: int) -> subprocess.Popen[bytes]:
    """A process of four threads that write so many rows."""
    return subprocess.Popen([sys.executable, __file__, url, str(directory), str(count)])


def main(url: str, directory: str, count: str) -> None:
    """Write, many at once."""
    trail, engine = opened(url, Path(directory))
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: trail.append(ANNA, "page.seen", record=str(number)), range(int(count))))
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
