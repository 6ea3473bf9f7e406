"""What is done with accounts, by an administrator or by the person: every change a line of the trail."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from services.console.accounts import passwords
from services.console.accounts.bedside import keep_room
from services.console.accounts.known import FIRST_PASSWORD, first_password
from services.console.accounts.models import User
from services.console.errors import AccountRefused, NameTaken, UnknownUser
from services.console.store import Allows, Store
from services.kit.auth.hashing import Work
from services.kit.auth.operators import badge_digest, ensure_bedside_key, hash_pin
from services.kit.auth.principal import ALL_SITES, Grant, Principal
from services.kit.auth.roles import ROLES, RoleName
from services.kit.errors import SpondylError
from services.kit.moments import now_us
from services.kit.trail import Trail

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,79}")
SITE: Final = re.compile(r"\*|[a-z0-9][a-z0-9-]{0,39}")
LONGEST_TITLE: Final = 80
ADMINISTRATOR: Final = "administrator"


class Users:
    """The accounts, as they are changed; safe for any number of threads and processes."""

    def __init__(self, store: Store, trail: Trail, data: Path, work: Work) -> None:
        """``data`` has the bedside key and the first password's file; ``work`` is that of a new hash."""
        self.store, self._trail, self._data, self._work = store, trail, data, work

    def seen_by(self, who: Principal) -> list[User]:
        """Whom this one may manage, in the order of names."""
        return [user for user in self.store.users() if manages(who, user.grants)]

    def find(self, who: Principal, user_id: str) -> User:
        """One of them. Raises UnknownUser, in the same words for one of another site."""
        user = self.store.user(user_id)
        if not manages(who, user.grants):
            raise UnknownUser(f"there is no account {user_id[:80]!r}")
        return user

    def add(
        self, who: Principal, name: str, title: str, grants: Sequence[Grant], address: str = ""
    ) -> tuple[User, str]:
        """A new account and its one-time password. Raises AccountRefused, NameTaken."""
        name, title = checked_name(name), checked_title(title or name)
        self._may_give(who, grants)
        self._refuse_taken(name)
        password = passwords.one_time()
        kept = passwords.kept(password, self._work)
        with self._recorded(who, "user.added", name, address, grants, roles=words(grants)):
            user = self.store.add_user(name, title, grants, password=kept, must_change=True)
        return user, password

    def give(self, who: Principal, user_id: str, grants: Sequence[Grant], address: str = "") -> User:
        """Replace somebody's roles; they hold from the next request on. Raises AccountRefused."""
        user = self.find(who, user_id)
        self._may_give(who, grants)
        keeps = _all(partial(_keep_managed, who, user.id), partial(_keep_after, user.id, grants))
        keeps(self.store.users())
        detail = {"before": words(user.grants), "after": words(grants)}
        with self._recorded(who, "user.roles", user.name, address, (*user.grants, *grants), **detail):
            return self.store.set_grants(user.id, grants, keeps)

    def disable(self, who: Principal, user_id: str, address: str = "") -> User:
        """Switch an account off: every sign-in of it ends. Raises AccountRefused."""
        user = self.find(who, user_id)
        keeps = _all(partial(_keep_managed, who, user.id), partial(_keep_one_chief, user.id))
        keeps(self.store.users())
        values = {"disabled_at_us": user.disabled_at_us or now_us()}
        with self._recorded(who, "user.disabled", user.name, address, user.grants):
            return self.store.change_user(user.id, values, keeps, ends=True)

    def enable(self, who: Principal, user_id: str, address: str = "") -> User:
        """Switch it on again. Raises AccountRefused."""
        user = self.find(who, user_id)
        values = {"disabled_at_us": None, "failures": 0, "locked_until_us": 0}
        keeps = _all(partial(_keep_managed, who, user.id), partial(keep_room, user.id, values))
        keeps(self.store.users())
        with self._recorded(who, "user.enabled", user.name, address, user.grants):
            return self.store.change_user(user.id, values, keeps)

    def reset(self, who: Principal, user_id: str, address: str = "") -> tuple[User, str]:
        """A new one-time password; every sign-in ends, a lock too. Raises AccountRefused."""
        user = self.find(who, user_id)
        _refuse_provided(user)
        password = passwords.one_time()
        values = _new_password(password, self._work, must_change=True)
        keeps = partial(_keep_managed, who, user.id)
        with self._recorded(who, "user.reset", user.name, address, user.grants):
            return self.store.change_user(user.id, values, keeps, ends=True), password

    def change_password(self, user: User, current: str, new: str, address: str = "") -> User:
        """The person's own change: every sign-in ends, this one too. Raises AccountRefused."""
        _refuse_provided(user)
        if not passwords.holds(user.password, current, self._work):
            raise AccountRefused("the present password is wrong", text="password_current_wrong")
        if new == current:
            raise AccountRefused("the new password is the present one", text="password_same")
        passwords.check(new, names=(user.name, user.title))
        values = _new_password(new, self._work, must_change=False)
        with self._recorded(user.principal, "user.password", user.name, address, user.grants):
            changed = self.store.change_user(user.id, values, ends=True)
        if user.must_change:
            self._forget_first_password(current)
        return changed

    def _forget_first_password(self, password: str) -> None:
        if first_password(self._data) == password:
            (self._data / FIRST_PASSWORD).unlink(missing_ok=True)

    def set_pin(self, who: Principal, user_id: str, pin: str | None, address: str = "") -> User:
        """The PIN at the bedside panel; none takes it away. Raises AccountRefused."""
        return self._bedside(who, user_id, "pin", pin, address)

    def set_badge(self, who: Principal, user_id: str, badge: str | None, address: str = "") -> User:
        """The badge at the bedside panel; none takes it away. Raises AccountRefused."""
        return self._bedside(who, user_id, "badge", badge, address)

    def _bedside(self, who: Principal, user_id: str, what: str, value: str | None, address: str) -> User:
        user = self.find(who, user_id)
        digest = None
        if value:
            key = ensure_bedside_key(self._data)
            try:
                digest = hash_pin(key, value, self._work) if what == "pin" else badge_digest(key, value)
            except SpondylError as error:
                raise AccountRefused(error.message, text="bedside_refused") from None
        allows = _all(partial(_keep_managed, who, user.id), partial(_keep_bedside, user.id, {what: digest}))
        allows(self.store.users())
        with self._recorded(who, f"user.{what}", user.name, address, user.grants, given=bool(value)):
            return self.store.change_user(user.id, {what: digest}, allows)

    def _may_give(self, who: Principal, grants: Sequence[Grant]) -> None:
        for grant in grants:
            checked_grant(grant)
        if not grants:
            raise AccountRefused("a person without a role may do nothing: give one", text="roles_none")
        if not manages(who, grants):
            sites = ", ".join(sorted(who.sites("users.manage") or ()))
            raise AccountRefused(
                f"roles may be given at {sites or 'no site'} only: that is where you manage people",
                text="roles_elsewhere",
            )

    def _refuse_taken(self, name: str) -> None:
        try:
            self.store.user_named(name)
        except UnknownUser:
            return
        raise NameTaken(f"there is an account named {name!r} already")

    @contextmanager
    def _recorded(
        self, who: Principal, action: str, name: str, address: str, grants: Iterable[Grant], **detail: Any
    ) -> Iterator[None]:
        """Into the trail first: without a row nothing is changed. What is refused then gets a second row."""
        say = partial(self._trail.append, who, action, record=name, site=site_of(grants), address=address)
        say(detail=detail)
        try:
            yield
        except (AccountRefused, NameTaken, UnknownUser) as error:  # somebody else was faster
            say(detail=_why(error))
            raise


def _why(error: AccountRefused | NameTaken | UnknownUser) -> dict[str, Any]:
    """The refusal for the trail: by its code, which is read in any language, and its values."""
    if isinstance(error, AccountRefused):
        return {**error.values, "refused": error.text}
    return {"refused": "name_taken" if isinstance(error, NameTaken) else "unknown_user"}


def _new_password(password: str, work: Work, *, must_change: bool) -> dict[str, Any]:
    kept = passwords.kept(password, work)
    return {"password": kept, "must_change": must_change, "failures": 0, "locked_until_us": 0}


def _refuse_provided(user: User) -> None:
    """Whom a provider vouches for has no password here: it would outlive what the provider says."""
    if user.issuer is not None:
        raise AccountRefused(
            f"{user.name} signs in through {user.issuer[:80]}: there is no password here",
            text="password_provided",
            provider=user.issuer,
        )


def _all(*checks: Allows) -> Allows:
    """One check after the other."""

    def look(everybody: list[User]) -> None:
        for check in checks:
            check(everybody)

    return look


def _keep_managed(who: Principal, user_id: str, everybody: Iterable[User]) -> None:
    """Raises UnknownUser when this one does not manage the account, or not any more."""
    if not any(user.id == user_id and manages(who, user.grants) for user in everybody):
        raise UnknownUser(f"there is no account {user_id[:80]!r}")


def _keep_after(user_id: str, grants: Sequence[Grant], everybody: Sequence[User]) -> None:
    """Raises AccountRefused when nobody is left to administer everything, or a site's list is full then."""
    if not any(map(is_chief, grants)):
        _keep_one_chief(user_id, everybody)
    keep_room(user_id, {"grants": tuple(grants)}, everybody)


def _keep_bedside(user_id: str, values: Mapping[str, Any], everybody: Sequence[User]) -> None:
    """Raises AccountRefused for a badge that is another's, and when a site's list of operators is full."""
    badge = values.get("badge")
    if badge and any(user.badge == badge and user.id != user_id for user in everybody):
        raise AccountRefused("another account has this badge", text="badge_taken")
    keep_room(user_id, values, everybody)


def _keep_one_chief(user_id: str, everybody: Iterable[User]) -> None:
    """Raises AccountRefused when this is the only account that can administer everything now."""
    chiefs = [user for user in everybody if leads(user)]
    if [user.id for user in chiefs] == [user_id]:
        raise AccountRefused(
            f"{chiefs[0].name} is the last administrator of every site: name another one first",
            text="last_administrator",
        )


def site_of(grants: Iterable[Grant]) -> str | None:
    """The one site of all these grants, for the trail; none when there are several or all."""
    sites = {grant.site for grant in grants}
    return sites.pop() if len(sites) == 1 and ALL_SITES not in sites else None


def manages(who: Principal, grants: Iterable[Grant]) -> bool:
    """Whether this one manages people at every site of these grants. Who has none belongs to the whole."""
    managed = who.sites("users.manage")
    sites = {grant.site for grant in grants}
    return managed is None or (bool(sites) and sites <= managed)


def is_chief(grant: Grant) -> bool:
    """Whether this is the administration of every site."""
    return grant.role == ADMINISTRATOR and grant.site == ALL_SITES


def leads(user: User) -> bool:
    """Whether this account can administer everything now."""
    return not user.disabled and any(map(is_chief, user.grants))


def checked_name(name: str) -> str:
    """A name to sign in with. Raises AccountRefused."""
    plain = name.strip().lower()
    if not NAME.fullmatch(plain):
        raise AccountRefused(
            f"the name {name[:40]!r} has {len(name)} characters: 1 to 80 of a-z, 0-9 and . _ @ - are a name",
            text="name_refused",
        )
    return plain


def checked_title(title: str) -> str:
    """How a person is called. Raises AccountRefused."""
    plain = " ".join(title.split())
    if not 1 <= len(plain) <= LONGEST_TITLE or not plain.isprintable():
        raise AccountRefused(
            f"the person's name has {len(plain)} characters: 1 to {LONGEST_TITLE} that can be read",
            text="title_refused",
        )
    return plain


def checked_grant(grant: Grant) -> None:
    """Raises AccountRefused for a role or a site that is none."""
    if grant.role not in ROLES:
        raise AccountRefused(
            f"{str(grant.role)[:40]!r} is no role: {', '.join(ROLES)} are", text="role_unknown"
        )
    if not grant.site:
        raise AccountRefused(
            f"the role {grant.role} names no site: one of them, or * for every one", text="site_missing"
        )
    if not SITE.fullmatch(grant.site):
        raise AccountRefused(
            f"{grant.site[:40]!r} is no site: 1 to 40 of a-z, 0-9 and -, or * for every one",
            text="site_refused",
        )


def words(grants: Iterable[Grant]) -> list[str]:
    """Grants as they are written: role@site."""
    return [f"{grant.role}@{grant.site}" for grant in grants]


def parsed(text: str) -> Grant:
    """`therapist@north` or `therapist` (every site). Raises AccountRefused."""
    role, _, site = text.strip().partition("@")
    made = Grant(cast("RoleName", role), site or ALL_SITES)
    checked_grant(made)
    return made
