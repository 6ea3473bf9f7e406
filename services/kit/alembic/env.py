"""What alembic runs for every service: the migrations on the connection that `migrate` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,  # all or nothing, on SQLite too: its transactions are begun by us
)
context.run_migrations()
