"""`spondyl token`: a signed token for another system, in a role, at some sites, for some days."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from services.kit.options import AsJson, Data

DEFAULT_DAYS: Final = 30.0
LONGEST_DAYS: Final = 365.0
LONGEST_DAYS_OF_CHANGE: Final = 1.0  # a token cannot be called back: one that changes something ends soon
READING: Final = frozenset(
    {"beds.see", "sessions.see", "sessions.export", "samples.see", "statistics.see", "audit.see"}
)
MAX_NAME: Final = 80


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("token")(_token)


def _token(
    site: Annotated[
        list[str], typer.Option(help="A site that the token is good for; repeat it for several, * for all.")
    ],
    role: Annotated[str, typer.Option(help="One of the roles of docs/access.md.")] = "integrator",
    days: Annotated[
        float | None,
        typer.Option(
            help="How long it is good for: at most 365, 1 for a role that changes anything.",
            show_default="30, or 1",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="What the audit trail calls whoever uses it.", show_default="the role's")
    ] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Mint a token for another system; it cannot be called back, only outlived or ended with its key."""
    from services.kit.runfile import data_directory

    if days is None:
        days = DEFAULT_DAYS if is_reading(role) else LONGEST_DAYS_OF_CHANGE
    issued = issue(data_directory(data), role, site, days, name or role)
    if as_json:
        print(json.dumps(issued))
        return
    print(issued["token"])
    where = ", ".join(issued["sites"])
    print(
        f"spondyl: {issued['name']} may as {issued['role']} at {where} until {issued['expires_at']}; "
        "keep it like a password",
        file=sys.stderr,
    )


def issue(data: Path, role: str, sites: list[str], days: float, name: str) -> dict[str, Any]:
    """The token and what it is good for. Raises SpondylError; then none was made."""
    from services.kit.auth import tokens
    from services.kit.auth.principal import Grant, Principal

    known = _role(role)
    _check(role, sites, days, name)
    begins = datetime.now(UTC)
    account = f"token-{uuid4().hex[:12]}"
    who = Principal(account, name, tuple(Grant(known, site) for site in dict.fromkeys(sites)))
    token = tokens.mint(
        tokens.keys_of(data).private,
        who,
        days * 86_400,
        (tokens.TELEMETRY, tokens.CONSOLE, tokens.SCREENING, tokens.SCHEDULER, tokens.BILLING),
    )
    expires_at = (begins + timedelta(days=days)).isoformat(timespec="seconds")
    told = {
        "name": name, "account": account, "role": role, "sites": list(dict.fromkeys(sites)),
        "expires_at": expires_at,
    }  # fmt: skip
    return {"token": token, **told, "recorded": _recorded(data, told)}


def _role(name: str) -> Any:
    from services.kit.auth.roles import ROLES
    from services.kit.errors import SpondylError

    if name not in ROLES:
        raise SpondylError(f"--role is {name[:40]!r}: the roles are {', '.join(ROLES)}")
    return name


def _check(role: str, sites: list[str], days: float, name: str) -> None:
    from broker.topics import TopicError, check_name
    from services.kit.auth.principal import ALL_SITES
    from services.kit.errors import SpondylError

    for site in sites:
        try:
            check_name("site", "x" if site == ALL_SITES else site)
        except TopicError as error:
            raise SpondylError(f"--site: {error}") from None
    longest = LONGEST_DAYS if is_reading(role) else LONGEST_DAYS_OF_CHANGE
    if not 0 < days <= longest:
        why = "" if is_reading(role) else f", {role} may change something"
        raise SpondylError(f"--days is {days:g}: more than 0 and at most {longest:g}{why} (docs/access.md)")
    if not (0 < len(name) <= MAX_NAME and name.isprintable()):
        raise SpondylError(f"--name has {len(name)} characters: 1 to {MAX_NAME} that can be printed")


def is_reading(role: str) -> bool:
    """Whether a role changes nothing anywhere."""
    from services.kit.auth.roles import ROLES

    return ROLES[_role(role)].permissions <= READING


def _recorded(data: Path, told: dict[str, Any]) -> bool:
    """Written into the console's audit trail, where this machine has it. Raises TrailUnavailable."""
    from services.console.known_sites import known_sites, warn_unknown
    from services.console.models import ConsoleSettings
    from services.console.trail import key_path, open_trail
    from services.kit.auth.principal import SYSTEM
    from services.kit.database import open_database

    if not key_path(data).exists():
        return False
    settings = ConsoleSettings.load().model_copy(update={"data": data})
    engine = open_database(settings.database)
    try:
        warn_unknown(told["sites"], known_sites(data, engine))
        open_trail(engine, data).append(SYSTEM, "token.issued", record=told["account"], detail=told)
    finally:
        engine.dispose()
    return True
