"""What the console knows of a person and of a sign-in. Times are microseconds since the epoch."""

from dataclasses import dataclass

from services.kit.auth.principal import Grant, Principal


@dataclass(frozen=True, slots=True)
class User:
    """One account, its grants with it."""

    id: str
    name: str  # lower case: what is typed to sign in
    title: str  # how the person is called
    password: str | None  # argon2id; None: signs in by OpenID Connect only
    must_change: bool
    issuer: str | None
    subject: str | None
    pin: str | None  # argon2id of the bedside PIN
    badge: str | None  # keyed digest of the badge's number
    language: str | None
    theme: str | None
    failures: int
    locked_until_us: int
    created_at_us: int
    disabled_at_us: int | None
    grants: tuple[Grant, ...] = ()

    @property
    def principal(self) -> Principal:
        """This person as whoever asks."""
        return Principal(self.id, self.name, self.grants)

    @property
    def disabled(self) -> bool:
        """Whether the account is switched off."""
        return self.disabled_at_us is not None


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong passwords of an account in a row, and until when it waits for them; 0 when it does not."""

    count: int
    until_us: int


@dataclass(frozen=True, slots=True)
class SignIn:
    """One browser of one person, from sign-in to its end."""

    id: str  # SHA-256 of the cookie
    user_id: str
    forgery: str  # what a form must send back
    address: str
    created_at_us: int
    seen_at_us: int
    ends_at_us: int
    ended_at_us: int | None
