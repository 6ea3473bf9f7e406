import subprocess
import sys

from services.telemetry.archive.known import Known
from services.telemetry.models import Batch
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import Store


def settings_of(tmp_path, **more):
    return TelemetrySettings(data=tmp_path, archive_database_url=f"sqlite:///{tmp_path}/archive.db", **more)


def test_what_is_archived_and_comes_again_is_a_duplicate(rig, valkey, tmp_path):
    """A gateway whose promise was lost sends an hour again: Redis must not keep it a second time."""
    entries = rig.tension(0, 1000)
    rig.keep(entries)
    rig.turn(hurry=True)
    known = Known(settings_of(tmp_path))
    store = Store(valkey.url, known)
    assert store.commit(Batch(entries=entries), {}) == ["duplicate"] * len(entries)
    assert rig.hot_numbers() == []
    late = rig.tension(1000, 50)
    assert store.commit(Batch(entries=late), {}) == ["stored"]
    store.close()
    known.close()


def test_an_index_that_is_away_makes_nothing_lost_and_nothing_twice(rig, valkey, tmp_path):
    """Ingest must not stop for it; the archiver compares contents and takes the second copy away."""
    entries = rig.tension(0, 1000)
    rig.keep(entries)
    rig.turn(hurry=True)
    away = TelemetrySettings(archive_database_url="postgresql+psycopg://nobody@127.0.0.1:9/none")
    store = Store(valkey.url, Known(away))
    assert store.commit(Batch(entries=entries), {}) == ["late"] * len(entries)
    store.close()
    rig.turn(after_s=61)
    assert rig.hot_numbers() == []
    assert rig.archived() == [(0, 1000)]


def test_ingest_stays_light():
    """Asking the archive must cost an ingest worker no numpy, no pyarrow and no duckdb."""
    code = (
        "import sys, services.telemetry.ingest.__main__, services.telemetry.archive.index\n"
        "print([name for name in ('numpy', 'pyarrow', 'duckdb', 'alembic') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
