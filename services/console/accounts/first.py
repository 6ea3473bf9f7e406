"""The first account of a console: an administrator with a one-time password, or the demo's."""

import os
from pathlib import Path
from typing import Final

import structlog

from services.console.accounts import passwords
from services.console.accounts.known import DEMO_NAME, DEMO_PASSWORD, FIRST_NAME, FIRST_PASSWORD
from services.console.accounts.users import leads
from services.console.errors import NameTaken
from services.console.store import Store
from services.kit.auth.hashing import Work
from services.kit.auth.principal import SYSTEM, Grant
from services.kit.errors import SpondylError
from services.kit.trail import Trail

log = structlog.get_logger(__name__)

DEMO_GRANTS: Final = (Grant("administrator"), Grant("clinician"))


def begin(store: Store, trail: Trail, data: Path, work: Work, *, demo: bool) -> None:
    """See to it that somebody can sign in; nothing happens where somebody can."""
    if demo:
        _demo(store, trail, work)
    elif not any(leads(user) for user in store.users()):
        _administrator(store, trail, data, work)


def refuse_demo_password(store: Store, work: Work) -> None:
    """Outside the demo nobody may have the password that its page shows. Raises SpondylError."""
    for user in store.users():
        known = user.name == DEMO_NAME and not user.disabled
        if known and passwords.holds(user.password, DEMO_PASSWORD, work):
            raise SpondylError(
                f"the account {DEMO_NAME!r} has the demo's password, which everybody knows: give it another "
                f"one with `spondyl users reset {DEMO_NAME}`, or start with --demo"
            )


def _demo(store: Store, trail: Trail, work: Work) -> None:
    try:
        kept = passwords.kept(DEMO_PASSWORD, work)
        store.add_user(DEMO_NAME, "Demo", DEMO_GRANTS, password=kept)
    except NameTaken:
        return
    trail.append(SYSTEM, "user.added", record=DEMO_NAME, detail={"why": "demo"})


def _administrator(store: Store, trail: Trail, data: Path, work: Work) -> None:
    password = passwords.one_time()
    path = data / FIRST_PASSWORD
    _write(path, password)  # before the account: a crash between them loses nothing
    try:
        kept = passwords.kept(password, work)
        store.add_user(FIRST_NAME, "Admin", [Grant("administrator")], password=kept, must_change=True)
    except NameTaken:
        path.unlink(missing_ok=True)
        log.warning("nobody can administer: `spondyl users role` or `reset` at the machine's shell")
        return
    trail.append(SYSTEM, "user.added", record=FIRST_NAME, detail={"why": "first_start"})
    log.info("first administrator made", name=FIRST_NAME, password_in=str(path))


def _write(path: Path, password: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{password}\n")
