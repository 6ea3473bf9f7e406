import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest

from services.controller import clearance
from services.controller.clearance import Anchor, Clocks
from services.controller.errors import ClearanceError
from services.controller.store import Store
from services.kit.errors import SpondylError

PATIENT = uuid4()
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOON_S = NOON.timestamp()
HOUR = 3600.0


class Time:
    """Two clocks a test sets: the wall's and the steady one."""

    def __init__(self, wall=NOON_S, steady=1000.0):
        self.wall, self.steady = wall, steady

    def clocks(self, anchor=None):
        """Clocks that read them."""
        return Clocks(anchor, wall=lambda: self.wall, steady=lambda: self.steady)

    def passes(self, seconds):
        """Both go on."""
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def keys(tmp_path):
    """A key pair."""
    return clearance.ensure_keys(tmp_path)


def token(keys, patient=PATIENT, region="lumbar", hours=2.0, **options):
    """A clearance from noon on."""
    return clearance.issue(
        keys.private, patient, region, valid_for=timedelta(hours=hours), valid_from=NOON, **options
    )[0]


def verified(keys, text, clocks, patient=PATIENT, region="lumbar"):
    """What the gateway makes of it."""
    return clearance.verify(text, clearance.read_public(keys.public), patient, region, clocks)


def test_a_clearance_lets_its_patient_be_treated_in_its_region(keys):
    """The whole point."""
    found = verified(keys, token(keys, issuer="screening"), Time().clocks())
    assert (found.patient, found.region, found.issuer) == (PATIENT, "lumbar", "screening")
    assert (found.valid_from, found.valid_until) == (NOON, NOON + timedelta(hours=2))


def test_another_patient_or_region_is_refused(keys):
    """A clearance for the back says nothing about the neck."""
    with pytest.raises(ClearanceError, match="another patient"):
        verified(keys, token(keys), Time().clocks(), patient=uuid4())
    with pytest.raises(ClearanceError, match="region is lumbar: the prescription is cervical"):
        verified(keys, token(keys), Time().clocks(), region="cervical")


@pytest.mark.parametrize(("after_s", "words"), [(2 * HOUR, "it has expired"), (-1.0, "not valid yet")])
def test_outside_its_time_it_is_refused_with_the_time(keys, after_s, words):
    """Health changes: a clearance is for a while."""
    with pytest.raises(ClearanceError, match=f"2026-11-22 1[24]:00 UTC: {words}"):
        verified(keys, token(keys), Time(NOON_S + after_s).clocks())


def test_a_clock_set_back_revives_no_expired_clearance(keys):
    """An hour back on the wall clock must not pass unnoticed: the steady clock remembers."""
    time = Time()
    clocks = time.clocks()
    time.passes(2.5 * HOUR)
    time.wall -= HOUR
    with pytest.raises(ClearanceError, match="has expired; the clock was set by -3600 s"):
        verified(keys, token(keys), clocks)


def test_a_clock_set_ahead_lets_no_early_clearance_pass(keys):
    """The other direction: tomorrow's clearance is not today's."""
    time = Time(NOON_S - 1.5 * HOUR)
    clocks = time.clocks()
    time.wall += 2 * HOUR
    with pytest.raises(ClearanceError, match=r"not valid yet; the clock was set by \+7200 s"):
        verified(keys, token(keys), clocks)


def test_drift_is_no_step(keys):
    """A clock disciplined by a second must not be reported."""
    time = Time()
    clocks = time.clocks()
    time.wall += 1.0
    assert clocks.stepped_s() == 0.0
    assert verified(keys, token(keys), clocks).patient == PATIENT


def test_the_anchor_outlives_the_process(keys, tmp_path):
    """Setting the clock back and restarting the panel must not help either."""
    time = Time()
    store = Store(tmp_path / "session.db")
    first = Anchor(*store.clock_anchor("machine-boot-1", time.wall, time.steady))
    time.passes(2.5 * HOUR)
    time.wall -= HOUR
    again = Anchor(*store.clock_anchor("machine-boot-1", time.wall, time.steady))
    assert again == first
    with pytest.raises(ClearanceError, match="has expired"):
        verified(keys, token(keys), time.clocks(again))
    fresh = store.clock_anchor("machine-boot-2", time.wall, time.steady)
    assert fresh == (time.wall, time.steady)
    store.close()


def forged(keys, tmp_path):
    """Tokens that somebody else made."""
    good = token(keys)
    head, body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["region"] = "cervical"
    tampered = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    strangers = clearance.ensure_keys(tmp_path / "strangers")
    public = keys.public.read_bytes()
    times = {"nbf": NOON, "exp": NOON + timedelta(hours=2)}
    whole = {
        "iss": "x",
        "sub": str(PATIENT),
        "aud": clearance.AUDIENCE,
        "jti": str(uuid4()),
        "region": "lumbar",
    }
    private = keys.private.read_bytes()
    return {
        "another key": token(strangers),
        "tampered": f"{head}.{tampered}.{signature}",
        "no signature": f"{head}.{body}.",
        "no algorithm": jwt.encode({**whole, **times}, None, algorithm="none"),
        "public key as a secret": jwt.encode({**whole, **times}, base64.b64encode(public), algorithm="HS256"),
        "no expiry": jwt.encode({**whole, "nbf": NOON}, private, algorithm="EdDSA"),
        "other audience": jwt.encode({**whole, **times, "aud": "shop"}, private, algorithm="EdDSA"),
        "no patient": jwt.encode({**whole, **times, "sub": "nobody"}, private, algorithm="EdDSA"),
        "endless": jwt.encode({**whole, "nbf": NOON, "exp": 10**30}, private, algorithm="EdDSA"),
        "empty": "",
        "garbage": "ä.b.c",
        "long": "a" * 100_000,
    }


def test_every_forgery_is_refused_in_one_line(keys, tmp_path):
    """Nothing but our issuer's own, whole and untouched, clears a patient."""
    for name, text in forged(keys, tmp_path).items():
        with pytest.raises(ClearanceError) as refusal:
            verified(keys, text, Time().clocks())
        assert "\n" not in refusal.value.message, name


def test_keys_are_made_once_and_private(tmp_path):
    """Two starts at once must not leave a gateway that trusts a key nobody signs with."""
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(clearance.ensure_keys(tmp_path).public.read_bytes()))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    keys = clearance.ensure_keys(tmp_path)
    assert keys.private.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in keys.private.parent.iterdir()) == ["clearance.key", "clearance.pub"]


def test_unusable_keys_and_requests_are_one_clear_line(tmp_path, keys):
    """Mistakes of whoever sets up a gateway or signs by hand."""
    for content in (b"", b"no key", keys.private.read_bytes()):
        path = tmp_path / "k.pem"
        path.write_bytes(content)
        with pytest.raises(SpondylError, match="no public key"):
            clearance.read_public(path)
    with pytest.raises(SpondylError, match="cannot be read"):
        clearance.read_public(tmp_path / "none.pem")
    for days in (0.0, -1.0, 400.0, float("nan")):
        with pytest.raises(SpondylError, match="--days"):
            clearance.days(days)
    with pytest.raises(SpondylError, match="--valid-from"):
        clearance.moment("yesterday")
    with pytest.raises(SpondylError, match="clearances are for"):
        token(keys, region="thoracic")
