"""What alembic runs for every service."""
