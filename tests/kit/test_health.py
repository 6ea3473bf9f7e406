import asyncio
import time

from services.kit.health import Check, readiness


def _readiness(*checks, timeout_s=2.0):
    return asyncio.run(readiness(checks, timeout_s))


def test_every_dependency_is_listed_well_or_not():
    """An operator wants to see what was asked, not only what failed."""
    found = _readiness(Check("redis", lambda: None), Check("broker", lambda: "not connected"))
    assert not found.ready
    assert found.detail == "broker: not connected"
    assert found.body()["checks"] == {
        "redis": {"ok": True, "detail": None, "essential": True},
        "broker": {"ok": False, "detail": "not connected", "essential": True},
    }


def test_what_every_other_process_lacks_too_is_named_and_takes_none_away():
    """A load balancer that leaves out every console because of one damaged row leaves nobody a wall."""
    found = _readiness(Check("broker", lambda: None), Check("trail", lambda: "broken", essential=False))
    assert found.ready
    assert found.detail == "trail: broken"
    assert found.body()["checks"]["trail"] == {"ok": False, "detail": "broken", "essential": False}


def test_a_probe_that_raises_is_a_finding():
    """A health page that fails itself tells nothing."""

    async def refused():
        raise ConnectionError("refused")

    found = _readiness(Check("redis", lambda: 1 / 0), Check("broker", refused))
    assert found.detail == "redis: ZeroDivisionError: division by zero; broker: ConnectionError: refused"


def test_a_probe_that_hangs_is_a_finding():
    """A dependency that accepts and never answers is the usual way to be down."""

    async def hanging():
        await asyncio.sleep(60)

    began = time.monotonic()
    found = _readiness(Check("redis", hanging), timeout_s=0.05)
    assert found.detail == "redis: no answer within 0.05 s"
    assert time.monotonic() - began < 1
