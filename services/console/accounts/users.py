"""What is done with accounts, by an administrator or by the person: every change a line of the trail."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from services.console.accounts import passwords
from services.console.accounts.known import FIRST_PASSWORD, first_password
from services.console.accounts.models import User
from services.console.errors import AccountRefused, UnknownUser
from services.console.store import Store, now_us
from services.kit.auth.operators import badge_digest, ensure_bedside_key, hash_pin
from services.kit.auth.principal import ALL_SITES, Grant, Principal
from services.kit.auth.roles import ROLES, RoleName
from services.kit.trail import Trail

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,79}")
SITE: Final = re.compile(r"\*|[a-z0-9][a-z0-9-]{0,39}")
LONGEST_TITLE: Final = 80
ADMINISTRATOR: Final = "administrator"


class Users:
    """The accounts, as they are changed; safe for any number of threads and processes."""

    def __init__(self, store: Store, trail: Trail, data: Path) -> None:
        """``data`` has the bedside key and the first password's file."""
        self.store, self._trail, self._data = store, trail, data

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
        password = passwords.one_time()
        user = self.store.add_user(name, title, grants, password=passwords.kept(password), must_change=True)
        self._say(who, "user.added", user, address, roles=words(grants))
        return user, password

    def give(self, who: Principal, user_id: str, grants: Sequence[Grant], address: str = "") -> User:
        """Replace somebody's roles; they hold from the next request on. Raises AccountRefused."""
        user = self.find(who, user_id)
        self._may_give(who, grants)
        if not any(is_chief(grant) for grant in grants):
            self._keep_one_chief(user)
        changed = self.store.set_grants(user.id, grants)
        self._say(who, "user.roles", user, address, before=words(user.grants), after=words(grants))
        return changed

    def disable(self, who: Principal, user_id: str, address: str = "") -> User:
        """Switch an account off: every sign-in of it ends. Raises AccountRefused."""
        user = self.find(who, user_id)
        self._keep_one_chief(user)
        changed = self.store.change_user(user.id, {"disabled_at_us": user.disabled_at_us or now_us()})
        self.store.end_sign_ins_of(user.id)
        self._say(who, "user.disabled", user, address)
        return changed

    def enable(self, who: Principal, user_id: str, address: str = "") -> User:
        """Switch it on again."""
        user = self.find(who, user_id)
        values = {"disabled_at_us": None, "failures": 0, "locked_until_us": 0}
        changed = self.store.change_user(user.id, values)
        self._say(who, "user.enabled", user, address)
        return changed

    def reset(self, who: Principal, user_id: str, address: str = "") -> tuple[User, str]:
        """A new one-time password; every sign-in ends, a lock too."""
        user = self.find(who, user_id)
        password = passwords.one_time()
        changed = self._set_password(user, password, must_change=True)
        self._say(who, "user.reset", user, address)
        return changed, password

    def change_password(self, user: User, current: str, new: str, address: str = "") -> User:
        """The person's own change: every sign-in ends, this one too. Raises AccountRefused."""
        if not passwords.holds(user.password, current):
            raise AccountRefused("the present password is wrong", text="password_current_wrong")
        if new == current:
            raise AccountRefused("the new password is the present one", text="password_same")
        passwords.check(new, names=(user.name, user.title))
        changed = self._set_password(user, new, must_change=False)
        if user.must_change:
            self._forget_first_password(current)
        self._say(user.principal, "user.password", user, address)
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
            digest = hash_pin(key, value) if what == "pin" else badge_digest(key, value)
            if what == "badge" and any(it.badge == digest and it.id != user.id for it in self.store.users()):
                raise AccountRefused("another account has this badge", text="badge_taken")
        changed = self.store.change_user(user.id, {what: digest})
        self._say(who, f"user.{what}", user, address, given=bool(value))
        return changed

    def _set_password(self, user: User, password: str, *, must_change: bool) -> User:
        kept = passwords.kept(password)
        values = {"password": kept, "must_change": must_change, "failures": 0, "locked_until_us": 0}
        changed = self.store.change_user(user.id, values)
        self.store.end_sign_ins_of(user.id)
        return changed

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

    def _keep_one_chief(self, user: User) -> None:
        others = (it for it in self.store.users() if it.id != user.id)
        if any(map(is_chief, user.grants)) and not any(leads(other) for other in others):
            raise AccountRefused(
                f"{user.name} is the last administrator of every site: name another one first",
                text="last_administrator",
            )

    def _say(self, who: Principal, action: str, user: User, address: str, **detail: Any) -> None:
        self._trail.append(who, action, record=user.name, address=address, detail=detail)


def manages(who: Principal, grants: Iterable[Grant]) -> bool:
    """Whether this one manages people at every site of these grants."""
    return all(who.may("users.manage", grant.site) for grant in grants) and who.may("users.manage")


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
