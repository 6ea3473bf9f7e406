"""What everybody knows is no secret: outside the demo the console does not start on it."""

from typing import Final
from urllib.parse import urlsplit

from services.console.accounts.first import refuse_demo_password
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
    refuse_demo_password(store)


def _secrets(settings: ConsoleSettings) -> list[tuple[str, str]]:
    """Every secret that is set, by its variable."""
    database = urlsplit(settings.database).password or ""
    found = [
        ("SPONDYL_MQTT_PASSWORD", settings.mqtt_secret or ""),
        ("the password in SPONDYL_CONSOLE_DATABASE_URL", database),
    ]
    return [(name, secret) for name, secret in found if secret]


def main() -> None:
    """`python -m services.console.accounts.defaults`: the refusal alone, before anything is started."""
    with refusals_in_one_line():
        settings = ConsoleSettings.load()
        store = Store(settings.database)
        try:
            refuse_defaults(settings, store)
        finally:
            store.close()


if __name__ == "__main__":
    main()
