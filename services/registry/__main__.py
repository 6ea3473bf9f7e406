"""`python -m services.registry`: who belongs to the chain."""

from functools import partial

from services.kit import clearance, http, logging
from services.kit.auth import operators, tokens
from services.kit.auth.guard import bearer
from services.kit.business import figures as business
from services.kit.business.repeating import Repeating
from services.kit.database import reading
from services.kit.errors import refusals_in_one_line
from services.kit.health import Check
from services.registry import files
from services.registry.api import routers
from services.registry.desk import NAME, Desk, open_desk, release
from services.registry.figures import figures
from services.registry.settings import RegistrySettings


def main() -> None:
    """Serve until SIGTERM."""
    with refusals_in_one_line():
        settings = RegistrySettings.load()
        logging.configure(NAME, settings.log_level, settings.log_format)
        desk = open_desk(settings)
        ensure_given(settings)
        files.write_all(desk)
        watching = Repeating("certificates", lambda: files.write_all(desk), settings.registry_every_s)
        public = tokens.public_key(settings.access_public_key, settings.data)
        app = http.create_app(
            NAME, release(), [Check("database", lambda: _database(desk)), watching.check()], routers(desk),
            guard=bearer(public, tokens.REGISTRY),
        )  # fmt: skip
        app.state.registry.register(
            business.figures(desk.office.engine, desk.office.tables, [partial(figures, desk)])
        )
        end = watching.start()
        try:
            http.serve(app, settings)
        finally:
            end()
            desk.office.engine.dispose()


def ensure_given(settings: RegistrySettings) -> None:
    """What gateways are given of other services' keys, made here where no setting says where it is."""
    if settings.access_public_key is None:
        tokens.ensure_keys(settings.data)
    if settings.clearance_public_key is None:
        clearance.ensure_keys(settings.data)
    if settings.bedside_key is None:
        operators.ensure_bedside_key(settings.data)


def _database(desk: Desk) -> str | None:
    with reading(desk.office.engine):
        return None


if __name__ == "__main__":
    main()
