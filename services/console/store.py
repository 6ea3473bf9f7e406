"""All SQL of accounts and sign-ins, on SQLite or PostgreSQL.

Others of the console's tables are reached through ``Store.engine`` by the module that owns them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Row, Select, insert, or_, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import IntegrityError

from services.console.accounts.models import Failures, SignIn, User
from services.console.errors import NameTaken, UnknownUser
from services.console.tables import GRANTS, HANDOVERS, SCREENS, SIGN_INS, USERS
from services.kit.auth.principal import Grant
from services.kit.database import Migrate, impatient, migrate, open_database, reading, writing
from services.kit.moments import now_us
from services.kit.trail import legible

_USER = list(USERS.c)
LONGEST_NAME: Final = 80
PATIENCE_S: Final = 8.0  # of a page for one statement
Allows = Callable[[list[User]], None]  # looks at every account inside the writing transaction, and may raise


class Store:
    """Accounts and sign-ins; safe for any number of threads."""

    def __init__(self, url: str, migrating: Migrate = "at-start") -> None:
        """Open the database and bring its tables to the newest form. Raises SpondylError."""
        self.engine = open_database(url, PATIENCE_S)
        migrate(self.engine, "services.console", migrating)

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def users(self) -> list[User]:
        """Every account in the order of names."""
        return self._users(select(*_USER).order_by(USERS.c.name))

    def user(self, user_id: str) -> User:
        """One account. Raises UnknownUser."""
        return self._one(select(*_USER).where(USERS.c.id == legible(user_id)), user_id)

    def user_named(self, name: str) -> User:
        """The account that signs in by this name. Raises UnknownUser."""
        plain = name.strip().lower()
        if not plain.isprintable() or len(plain) > LONGEST_NAME:  # no database need be asked, and some cannot
            raise UnknownUser(f"there is no account {name[:80]!r}")
        return self._one(select(*_USER).where(USERS.c.name == plain), name)

    def user_vouched(self, issuer: str, subject: str) -> User | None:
        """The account that an OpenID provider vouches for."""
        found = self._users(select(*_USER).where(USERS.c.issuer == issuer, USERS.c.subject == subject))
        return found[0] if found else None

    def operators(self) -> list[User]:
        """Everybody who may stand at a bed: not disabled, with a PIN or a badge."""
        has = USERS.c.pin.is_not(None) | USERS.c.badge.is_not(None)
        return self._users(select(*_USER).where(has, USERS.c.disabled_at_us.is_(None)).order_by(USERS.c.name))

    def add_user(self, name: str, title: str, grants: Iterable[Grant] = (), **values: Any) -> User:
        """A new account. Raises NameTaken."""
        row = {
            "id": str(uuid4()),
            "name": name.strip().lower(),
            "title": title,
            "must_change": False,
            "failures": 0,
            "locked_until_us": 0,
            "created_at_us": now_us(),
            **values,
        }
        try:
            with writing(self.engine) as connection:
                connection.execute(insert(USERS).values(row))
                _write_grants(connection, row["id"], grants)
        except IntegrityError:
            raise NameTaken(f"there is an account named {name!r} already") from None
        return self.user(row["id"])

    def change_user(
        self, user_id: str, values: Mapping[str, Any], allows: Allows | None = None, *, ends: bool = False
    ) -> User:
        """Set columns of an account; ``ends``: every browser of it is signed out with that.

        Raises UnknownUser, and what ``allows`` raises.
        """
        with writing(self.engine) as connection:
            _ask(connection, allows)
            connection.execute(update(USERS).where(USERS.c.id == user_id).values(dict(values)))
            if ends:
                _end(connection, SIGN_INS.c.user_id == user_id)
        return self.user(user_id)

    def count_failure(self, user_id: str, now: int, until: Callable[[int], int]) -> Failures:
        """Count one wrong password and set how long the account waits then.

        Answers until when it waits already, before this one; 0 when it does not: then the try is admitted.
        An account that there is not is looked for and counted in the same transaction: nothing comes of it.
        """
        columns = (USERS.c.failures, USERS.c.locked_until_us)
        with writing(self.engine) as connection:
            query = select(*columns).where(USERS.c.id == user_id).with_for_update()
            failures, locked_until = connection.execute(query).first() or (0, 0)
            if now < locked_until:
                return Failures(int(failures), int(locked_until))
            values = {"failures": failures + 1, "locked_until_us": until(failures + 1)}
            connection.execute(update(USERS).where(USERS.c.id == user_id).values(values))
        return Failures(int(failures) + 1, 0)

    def set_grants(
        self,
        user_id: str,
        grants: Iterable[Grant],
        allows: Allows | None = None,
        *,
        ends: bool = False,
        **values: Any,
    ) -> User:
        """Replace what an account may do, and columns with it; ``allows`` and ``ends`` as in change_user.

        Raises UnknownUser.
        """
        self.user(user_id)
        with writing(self.engine) as connection:
            _ask(connection, allows)
            if values:
                connection.execute(update(USERS).where(USERS.c.id == user_id).values(values))
            if ends:
                _end(connection, SIGN_INS.c.user_id == user_id)
            connection.execute(delete_from(GRANTS).where(GRANTS.c.user_id == user_id))
            _write_grants(connection, user_id, grants)
        return self.user(user_id)

    def add_sign_in(self, made: SignIn) -> None:
        """A new sign-in."""
        row = {column.name: getattr(made, column.name) for column in SIGN_INS.c}
        with writing(self.engine) as connection:
            connection.execute(insert(SIGN_INS).values(row))

    def sign_in(self, sign_in_id: str) -> SignIn | None:
        """One sign-in, whether it goes on or not."""
        with reading(self.engine) as connection:
            row = connection.execute(select(SIGN_INS).where(SIGN_INS.c.id == sign_in_id)).first()
        return None if row is None else SignIn(*row)

    def saw(self, sign_in_id: str, at_us: int) -> None:
        """Somebody used this sign-in. Hardly waits for another writer: raises DBAPIError."""
        with impatient(self.engine) as connection:
            connection.execute(update(SIGN_INS).where(SIGN_INS.c.id == sign_in_id).values(seen_at_us=at_us))

    def forget_ended(self, before_us: int) -> int:
        """Take out sign-ins, screens' links and tablets' hand-overs that ended before then; how many."""
        with writing(self.engine) as connection:
            return sum(
                connection.execute(
                    delete_from(table).where(
                        or_(table.c.ends_at_us < before_us, table.c.ended_at_us < before_us)
                    )
                ).rowcount
                for table in (SIGN_INS, SCREENS, HANDOVERS)
            )

    def end_sign_in(self, sign_in_id: str) -> None:
        """This browser is signed out."""
        with writing(self.engine) as connection:
            _end(connection, SIGN_INS.c.id == sign_in_id)

    def _one(self, query: Select[Any], what: str) -> User:
        found = self._users(query)
        if not found:
            raise UnknownUser(f"there is no account {what[:80]!r}")
        return found[0]

    def _users(self, query: Select[Any]) -> list[User]:
        with reading(self.engine) as connection:
            return _read(connection, query)


def _ask(connection: Connection, allows: Allows | None) -> None:
    """Let somebody look at every account while nobody else changes one."""
    if allows is not None:
        connection.execute(select(USERS.c.id).order_by(USERS.c.id).with_for_update()).all()
        allows(_read(connection, select(*_USER)))


def _end(connection: Connection, which: Any) -> None:
    ended = update(SIGN_INS).where(which, SIGN_INS.c.ended_at_us.is_(None)).values(ended_at_us=now_us())
    connection.execute(ended)


def _read(connection: Connection, query: Select[Any]) -> list[User]:
    rows = connection.execute(query).all()
    granted = _grants(connection, [row.id for row in rows]) if rows else {}
    return [_user(row, granted) for row in rows]


def _user(row: Row[Any], granted: Mapping[str, list[Grant]]) -> User:
    values: dict[str, Any] = dict(zip(row._fields, row, strict=True))
    return User(**values, grants=tuple(granted.get(row.id, ())))


def _grants(connection: Connection, ids: list[str]) -> dict[str, list[Grant]]:
    query = select(GRANTS).order_by(GRANTS.c.role, GRANTS.c.site)
    if len(ids) == 1:
        query = query.where(GRANTS.c.user_id == ids[0])
    found: dict[str, list[Grant]] = {}
    for user_id, role, site in connection.execute(query):
        found.setdefault(user_id, []).append(Grant(role, site))
    return found


def _write_grants(connection: Connection, user_id: str, grants: Iterable[Grant]) -> None:
    rows = [{"user_id": user_id, "role": grant.role, "site": grant.site} for grant in dict.fromkeys(grants)]
    if rows:
        connection.execute(insert(GRANTS), rows)
