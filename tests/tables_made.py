"""Whether a business service's migrations make the tables of its modules."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.kit.database import migrate, open_database, reading


def migrated(request, directory, package):
    """A migrated database of the kind that ``request.param`` names."""
    if request.param == "sqlite":
        made = open_database(f"sqlite:///{directory}/tables.db")
    else:
        made = open_database(request.getfixturevalue("postgres").database())
    migrate(made, package)
    return made


def differences(engine, metadata, tables):
    """What the database and the modules disagree about, beside what every business service has."""
    business = {table.name for table in (tables.inbox, tables.outbox, tables.refused, tables.trail)}
    wanted = set(metadata.tables) - business
    with reading(engine) as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or name in wanted},
        )
        return [step for step in compare_metadata(context, metadata) if not business & set(_names_in(step))]


def _names_in(step):
    table = getattr(step[1], "table", step[1])
    return [getattr(table, "name", "")]
