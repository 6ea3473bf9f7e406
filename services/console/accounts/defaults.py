"""What everybody knows is no secret: outside the demo the console does not start on it."""

import itertools
from typing import Final
from urllib.parse import urlsplit

from services.console.accounts.first import refuse_demo_password
from services.console.accounts.users import parsed
from services.console.errors import AccountRefused
from services.console.models import ConsoleSettings
from services.console.store import Store
from services.kit.errors import SpondylError, refusals_in_one_line

KNOWN: Final = frozenset(
    (
        "admin", "change-me", "change_me", "changeit", "changeme", "default", "demo", "example", "geheim",
        "guest", "mysecret", "pass", "password", "passwort", "postgres", "secret", "spondyl", "test",
    )
)  # fmt: skip


def refuse_defaults(settings: ConsoleSettings, store: Store) -> None:
    """Raises SpondylError that names every secret that is a default; in demo mode all are permitted."""
    if settings.demo:
        return
    known = [name for name, secret in _secrets(settings) if secret.lower() in KNOWN]
    if known:
        raise SpondylError(
            f"{' and '.join(known)} is a default that everybody knows: set one of your own; "
            "only the demo (SPONDYL_DEMO) starts on it"
        )
    if settings.oidc_issuer:
        _refuse_missing(settings)
    refuse_demo_password(store, settings.work)


def _refuse_missing(settings: ConsoleSettings) -> None:
    needed = {
        "SPONDYL_OIDC_CLIENT_ID": settings.oidc_client_id,
        "SPONDYL_OIDC_CLIENT_SECRET": settings.oidc_client_secret,
        "SPONDYL_OIDC_ROLES": settings.oidc_roles,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise SpondylError(f"{' and '.join(missing)} is missing: SPONDYL_OIDC_ISSUER needs it")
    for role in itertools.chain.from_iterable(settings.oidc_roles.values()):
        try:
            parsed(role)
        except AccountRefused as error:
            raise SpondylError(f"SPONDYL_OIDC_ROLES: {error.message}") from None


def _secrets(settings: ConsoleSettings) -> list[tuple[str, str]]:
    """Every secret that is set, by its variable."""
    database = urlsplit(settings.database).password or ""
    found = [
        ("SPONDYL_MQTT_PASSWORD", settings.mqtt_secret or ""),
        ("the password in SPONDYL_CONSOLE_DATABASE_URL", database),
    ]
    if settings.oidc_client_secret:
        found.append(("SPONDYL_OIDC_CLIENT_SECRET", settings.oidc_client_secret.get_secret_value()))
    return [(name, secret) for name, secret in found if secret]


def main() -> None:
    """`python -m services.console.accounts.defaults`: the refusal alone, before anything is started."""
    with refusals_in_one_line():
        settings = ConsoleSettings.load()
        store = Store(settings.database, settings.migrate)
        try:
            refuse_defaults(settings, store)
        finally:
            store.close()


if __name__ == "__main__":
    main()
