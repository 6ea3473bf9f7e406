"""`spondyl users`: the console's accounts from the shell of its machine, whether the console runs or not."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.kit.options import AsJson, Data

if TYPE_CHECKING:
    from pathlib import Path

    from services.console.accounts.models import User
    from services.console.accounts.users import Users
    from services.kit.auth.principal import Grant

Name = Annotated[str, typer.Argument(help="The name to sign in with.")]
Roles = Annotated[
    list[str], typer.Option("--role", help="ROLE at every site, or ROLE@SITE; again for each further one.")
]
Remove = Annotated[bool, typer.Option("--remove", help="Take it away.")]


def register(root: typer.Typer) -> None:
    """Add the group `users`."""
    group = typer.Typer(
        help="Accounts of the console: who may sign in, and as what.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands = (
        ("list", _list), ("add", _add), ("role", _role), ("disable", _disable), ("enable", _enable),
        ("reset", _reset), ("pin", _pin), ("badge", _badge),
    )  # fmt: skip
    for name, command in commands:
        group.command(name)(command)
    root.add_typer(group, name="users")


def _list(data: Data = None, as_json: AsJson = False) -> None:
    """Every account with its roles."""
    with _opened(data) as users:
        rows = [row(user) for user in users.store.users()]
    print(json.dumps({"users": rows}) if as_json else table(rows))


def _add(
    name: Name,
    role: Roles,
    title: Annotated[str, typer.Option(help="How the person is called.", show_default="the name")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A new account; its one-time password is printed and kept nowhere."""
    from services.console.accounts.users import parsed
    from services.kit.auth.principal import SYSTEM

    with _opened(data) as users:
        grants = [parsed(text) for text in role]
        user, password = users.add(SYSTEM, name, title, grants)
        _warn(users, grants, data)
    _say(user, as_json=as_json, password=password)


def _role(
    name: Name,
    roles: Annotated[list[str], typer.Argument(help="ROLE or ROLE@SITE, one or more: they replace the old.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Replace somebody's roles; they hold from the next request on."""
    from services.console.accounts.users import parsed

    grants = [parsed(text) for text in roles]
    _change(name, data, "give", grants, as_json=as_json)
    with _opened(data) as users:
        _warn(users, grants, data)


def _disable(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Switch an account off; whoever is signed in with it is signed out."""
    _change(name, data, "disable", as_json=as_json)


def _enable(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Switch it on again; a lock ends too."""
    _change(name, data, "enable", as_json=as_json)


def _reset(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """A new one-time password, printed and kept nowhere; every sign-in of the account ends."""
    from services.kit.auth.principal import SYSTEM

    with _opened(data) as users:
        user, password = users.reset(SYSTEM, users.store.user_named(name).id)
    _say(user, as_json=as_json, password=password)


def _pin(name: Name, remove: Remove = False, data: Data = None, as_json: AsJson = False) -> None:
    """Set the PIN for the bedside panel: asked for, or one line of stdin."""
    _change(name, data, "set_pin", None if remove else _asked("PIN"), as_json=as_json)


def _badge(name: Name, remove: Remove = False, data: Data = None, as_json: AsJson = False) -> None:
    """Set the badge for the bedside panel: read off, or one line of stdin."""
    _change(name, data, "set_badge", None if remove else _asked("badge"), as_json=as_json)


def _change(name: str, data: "Path | None", method: str, *values: Any, as_json: bool) -> None:
    """One of Users' methods on the account of this name, in the name of the machine's owner."""
    from services.kit.auth.principal import SYSTEM

    with _opened(data) as users:
        user = getattr(users, method)(SYSTEM, users.store.user_named(name).id, *values)
    _say(user, as_json=as_json)


def _warn(users: "Users", grants: "list[Grant]", data: "Path | None") -> None:
    """Say which sites are not known: a site may be new, so the change stands."""
    from services.console.known_sites import known_sites, warn_unknown
    from services.kit.runfile import data_directory

    warn_unknown([grant.site for grant in grants], known_sites(data_directory(data), users.store.engine))


def _asked(what: str) -> str:
    """Never an argument: every process of a machine can read those of the others."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().strip()


def _say(user: "User", *, as_json: bool, password: str | None = None) -> None:
    shown = row(user) | ({"password": password} if password else {})
    if as_json:
        print(json.dumps(shown))
        return
    print(table([shown]))
    if password:
        print(f"one-time password: {password}")


def row(user: "User") -> dict[str, Any]:
    """An account as it is shown: whether there is a PIN, never what it is."""
    from services.console.accounts.users import words
    from services.kit.moments import now_us

    return {
        "name": user.name,
        "title": user.title,
        "roles": words(user.grants),
        "disabled": user.disabled,
        "locked": user.locked_until_us > now_us(),
        "must_change": user.must_change,
        "signs_in_by": "provider" if user.issuer else "password",
        "pin": user.pin is not None,
        "badge": user.badge is not None,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """One line an account."""
    width = max([len(row["name"]) for row in rows], default=0)
    lines = []
    for found in rows:
        marks = [name for name in ("disabled", "locked", "must_change", "pin", "badge") if found[name]]
        lines.append(
            f"{found['name']:<{width}}  {' '.join(found['roles']) or '-'}  {' '.join(marks)}".rstrip()
        )
    return "\n".join(lines)


@contextmanager
def _opened(data: "Path | None") -> "Iterator[Users]":
    """The accounts of the console that keeps its data there; nothing is made that is not there."""
    from services.console.accounts.users import Users
    from services.console.models import ConsoleSettings
    from services.console.store import Store
    from services.console.trail import open_trail
    from services.kit.errors import SpondylError
    from services.kit.runfile import data_directory

    settings = ConsoleSettings.load().model_copy(update={"data": data_directory(data)})
    path = settings.data / "console" / "console.db"
    if settings.console_database_url is None and not path.exists():
        raise SpondylError(
            f"there are no accounts: no database at {path} (see --data); `spondyl up` makes it"
        )
    store = Store(settings.database, settings.migrate)
    try:
        yield Users(store, open_trail(store.engine, settings.data), settings.data, settings.work)
    finally:
        store.close()
