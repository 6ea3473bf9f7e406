"""Operators for tests of the bedside: real keys, a real signed list, real argon2id."""

import time
from uuid import UUID

from least_work import LEAST

from services.controller.centre.operators import FILE, Operators
from services.controller.panel.sign_ins import SignIns
from services.kit.auth import tokens
from services.kit.auth.operators import (
    VALID_S,
    Operator,
    OperatorList,
    badge_digest,
    ensure_bedside_key,
    hash_pin,
    sign,
)
from services.kit.auth.principal import Grant, Principal

SITE = "north"
THERAPIST, PIN, BADGE = "mk", "471108", "BADGE-0042"
ACCOUNT = UUID("0d6f4f2e-0000-4000-8000-000000000001")
HASHES = {}  # argon2id takes its time: one a PIN and key


class Staff:
    """Keys below a data directory and the people that lists are made of."""

    def __init__(self, data):
        self.data = data
        self.keys = tokens.ensure_keys(data)
        self.key = ensure_bedside_key(data)
        self.people = [self.person()]
        self.notes = []

    def person(
        self, name=THERAPIST, pin=PIN, badge=BADGE, roles=("therapist",), account=ACCOUNT, title="M. Keller"
    ):
        """Somebody for a list."""
        return Operator(
            str(account),
            name,
            title,
            tuple(roles),
            pin and self.hash(pin),
            badge and badge_digest(self.key, badge),
        )

    def hash(self, pin):
        """What is kept of a PIN."""
        if (self.key, pin) not in HASHES:
            HASHES[self.key, pin] = hash_pin(self.key, pin, LEAST)
        return HASHES[self.key, pin]

    def signed(self, people=None, site=SITE, version=None, issued_s=None, valid_s=VALID_S, private=None):
        """A list of these people, signed by this chain unless ``private`` is another key."""
        issued_s = int(time.time() if issued_s is None else issued_s)
        listed = OperatorList(
            site, version or time.time_ns() // 1000, issued_s, issued_s + int(valid_s),
            tuple(self.people if people is None else people),
        )  # fmt: skip
        return sign(private or self.keys.private.read_bytes(), listed)

    def enlist(self, directory, *people, **how):
        """Put a list where a gateway holds it, as its recorder would."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / FILE
        temporary = path.with_suffix(".new")
        temporary.write_text(self.signed(people or None, **how), encoding="ascii")
        temporary.replace(path)

    def public_key(self):
        """What lists and tokens are checked with."""
        return self.keys.public.read_bytes()

    def sign_ins(self, directory, clocks, *, idle_s=600.0, **options):
        """The sign-ins of a panel whose gateway keeps its things there."""
        operators = Operators(directory, self.public_key, SITE, clocks)
        operators.refresh()
        return SignIns(
            operators,
            lambda: self.key,
            directory,
            SITE,
            clocks,
            idle_s=idle_s,
            note=self.notes.append,
            **options,
        )

    def bearer(self, role, site=SITE, name="remote"):
        """The header of somebody who comes with a token."""
        who = Principal("0d6f4f2e-0000-4000-8000-0000000000ff", name, (Grant(role, site),))
        return {"authorization": f"Bearer {tokens.mint(self.keys.private, who, audiences=(tokens.PANEL,))}"}
