import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.controller.errors import StoreUnavailable
from services.controller.store import Store
from services.kit import clearance
from services.kit.clearance import Anchor, Clocks
from services.kit.errors import ClearanceError, SpondylError

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
    with pytest.raises(
        ClearanceError, match=r"has expired; the clock was set back by 3600 s, it counts as 2026-11-22 14:30"
    ):
        verified(keys, token(keys), clocks)


def test_a_clock_set_right_ahead_locks_nobody_out(keys):
    """A dead battery, then NTP: who is cleared by the right clock is treated, at once and on."""
    time = Time(wall=0.0)
    clocks = time.clocks()
    time.wall = NOON_S
    assert verified(keys, token(keys), clocks).patient == PATIENT
    settle(time, clocks)
    assert verified(keys, token(keys), clocks).patient == PATIENT


def test_a_clock_set_ahead_for_long_is_trusted_then_setting_it_back_revives_nothing(keys):
    """Otherwise the correction of a dead battery would open the old door again."""
    time = Time(wall=0.0)
    clocks = time.clocks()
    time.wall = NOON_S + 2 * HOUR
    settle(time, clocks)
    time.wall -= HOUR
    with pytest.raises(ClearanceError, match="it has expired; the clock was set back by 3600 s"):
        verified(keys, token(keys), clocks)


@pytest.mark.parametrize("corrected_s", [0.0, 0.5 * HOUR])
def test_a_clock_wrongly_set_ahead_for_a_moment_locks_nobody_out(keys, corrected_s):
    """Whoever mistypes the date and mends it within ten minutes must be able to go on."""
    time = Time(NOON_S - corrected_s)
    clocks = time.clocks()
    time.wall += corrected_s
    clocks.observe()
    time.wall += 24 * HOUR
    with pytest.raises(
        ClearanceError, match=f"it has expired; the clock was set ahead by {86400 + corrected_s:.0f} s"
    ):
        verified(keys, token(keys), clocks)
    settle(time, clocks, clearance.SETTLE_S - 60.0)
    time.wall -= 24 * HOUR
    settle(time, clocks)
    assert verified(keys, token(keys), clocks).patient == PATIENT


STEPS_S = st.one_of(st.floats(-10 * HOUR, 10 * HOUR), st.floats(-1e9, 1e9))
WAITS_S = st.sampled_from([0.0, 0.4 * clearance.SETTLE_S, 3 * clearance.SETTLE_S])
LEGS = st.lists(st.tuples(STEPS_S, WAITS_S), max_size=8)


def set_and_waited(time, clocks, legs):
    """Set the clock and wait, leg by leg; each wait, and how far the wall clock is then ahead."""
    for step_s, wait_s in legs:
        time.wall += step_s
        settle(time, clocks, wait_s)
        yield wait_s, time.wall - time.steady


@given(legs=LEGS, early_s=st.sampled_from([0.0, 1.0, 1e6]))
def test_no_steps_of_the_clock_revive_an_expired_clearance(signed, legs, early_s):
    """What had expired by a clock that stood long enough to be trusted is refused from then on."""
    time = Time(wall=1e10)
    clocks = time.clocks()
    trusted = time.wall - time.steady
    for wait_s, offset_s in set_and_waited(time, clocks, legs):
        if wait_s >= 2 * clearance.SETTLE_S:
            trusted = max(trusted, offset_s)
        assert "has expired" in refused(
            signed, clocks, until=trusted + time.steady - clearance.DRIFT_S - early_s
        )


@given(legs=LEGS, ahead_s=st.floats(0.0, 1e9))
def test_after_any_step_ahead_a_fresh_clearance_passes(signed, legs, ahead_s):
    """Issued by the corrected clock it is valid, whatever that did before, unless it was later still."""
    time = Time(wall=1e10)
    clocks = time.clocks()
    latest = time.wall - time.steady
    for _, offset_s in set_and_waited(time, clocks, legs):
        latest = max(latest, offset_s)
    time.wall = time.steady + latest + ahead_s + 1.0
    assert refused(signed, clocks, until=time.wall + HOUR) == ""


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Signs a clearance that ends when told, an hour after it began; gives the token and the key."""
    keys = clearance.ensure_keys(tmp_path_factory.mktemp("keys"))

    def sign(until):
        ends = datetime.fromtimestamp(int(until), UTC)
        hour = timedelta(hours=1)
        text, _ = clearance.issue(keys.private, PATIENT, "lumbar", valid_for=hour, valid_from=ends - hour)
        return text, keys.public.read_bytes()

    return sign


def refused(signed, clocks, until):
    """Why a clearance of an hour that ends then (rounded down) is refused now; empty: it is not."""
    text, public = signed(until)
    try:
        clearance.verify(text, public, PATIENT, "lumbar", clocks)
    except ClearanceError as refusal:
        return refusal.message
    return ""


def settle(time, clocks, seconds=2 * clearance.SETTLE_S):
    """Time goes on, observed ten times."""
    for _ in range(10):
        time.passes(seconds / 10)
        clocks.observe()


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


def test_a_moved_anchor_outlives_the_process_once_it_could_be_kept(keys, tmp_path):
    """A panel restarted after the correction must not fall back to the clock of a dead battery."""
    time = Time(wall=0.0)
    store = Store(tmp_path / "session.db")
    first = Anchor(*store.clock_anchor("boot", time.wall, time.steady))
    full = [True]

    def keep(moved):
        if full[0]:
            raise StoreUnavailable("the disk is full")
        store.move_clock_anchor("boot", moved.wall_s, moved.steady_s)

    clocks = Clocks(first, keep=keep, wall=lambda: time.wall, steady=lambda: time.steady)
    time.wall = NOON_S + 2 * HOUR
    settle(time, clocks)
    assert Anchor(*store.clock_anchor("boot", 0.0, 0.0)) == first
    full[0] = False
    clocks.observe()
    kept = Anchor(*store.clock_anchor("boot", 0.0, 0.0))
    assert kept == clocks.anchor != first
    store.move_clock_anchor("boot", first.wall_s, first.steady_s)
    assert Anchor(*store.clock_anchor("boot", 0.0, 0.0)) == kept  # never to an earlier time
    time.wall -= HOUR
    with pytest.raises(ClearanceError, match="has expired"):
        verified(keys, token(keys), time.clocks(kept))
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


def test_a_clearance_carries_the_conditions_a_clinician_signed_for(keys):
    """The bedside and the record must see under which relative contraindications it was given."""
    text = token(keys, conditions=["lumbar.osteoporosis", "lumbar.weight", "lumbar.osteoporosis"])
    assert verified(keys, text, Time().clocks()).conditions == ("lumbar.osteoporosis", "lumbar.weight")
    assert clearance.read(token(keys), keys.public.read_bytes()).conditions == ()


@pytest.mark.parametrize(
    "conditions", [["Äpfel"], [""], ["a" * 65], ["a\0"], [f"rule-{n}" for n in range(33)], ["../x y"]]
)
def test_conditions_that_are_no_rules_are_never_signed(keys, conditions):
    """A token lies retained on the bus: it is bounded and says nothing of a person."""
    with pytest.raises(SpondylError, match=r"conditions|no rule"):
        token(keys, conditions=conditions)


def test_conditions_of_another_form_clear_nobody(keys):
    """What the gateway does not understand it does not act on."""
    times = {"nbf": NOON, "exp": NOON + timedelta(hours=2)}
    claims = {"iss": "x", "sub": str(PATIENT), "aud": clearance.AUDIENCE, "jti": str(uuid4()), **times}
    for conditions in ("a", {"a": 1}, [1], [["a"]], None, ["A B"]):
        text = jwt.encode(
            {**claims, "region": "lumbar", "conditions": conditions}, keys.private.read_bytes(), "EdDSA"
        )
        with pytest.raises(ClearanceError, match="malformed"):
            verified(keys, text, Time().clocks())


def test_a_refusal_is_told_in_german_too(keys):
    """It is read at a bed in Germany."""
    with pytest.raises(ClearanceError) as refusal:
        verified(keys, token(keys), Time(NOON_S + 3 * HOUR).clocks())
    assert refusal.value.german == (
        "Freigabe: clearance.valid_until ist 2026-11-22 14:00 UTC: sie ist abgelaufen"
    )
