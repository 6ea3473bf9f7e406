"""Whoever asks in a test: a key pair of the test's own, tokens in anybody's name, the guard for both."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.kit.auth import tokens
from services.kit.auth.guard import bearer
from services.kit.auth.keys import public_pem
from services.kit.auth.principal import SYSTEM, Grant, Principal

PRIVATE = Ed25519PrivateKey.generate()
GUARD = bearer(public_pem(PRIVATE))


def somebody(role, *sites):
    """A person of this role, at these sites; at every one when none is named."""
    return Principal(f"account-of-{role}", role, tuple(Grant(role, site) for site in sites or ("*",)))


def header(who=SYSTEM):
    """The request header that speaks for them, whom GUARD knows."""
    return {"authorization": f"Bearer {tokens.mint(PRIVATE, who, 3600)}"}


def system_header(data):
    """The header of the owner of a running system's data directory."""
    return {
        "authorization": f"Bearer {tokens.of_system(data, (tokens.TELEMETRY, tokens.CONSOLE, tokens.PANEL))}"
    }
