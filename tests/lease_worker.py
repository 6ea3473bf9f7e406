"""A worker for the tests of leases: `python lease_worker.py URL NAME TTL_S SITE...`, until it is killed.

It works on what it holds every 10 ms: one entry ``worker`` on the list ``work:{site}`` with the machine's
monotonic milliseconds, so that a test sees from outside who worked on what and when.
"""

import sys
import time

from services.kit.errors import SpondylError
from services.telemetry.leases import Leases
from services.telemetry.store import connect

ACT_S = 0.01


def main(url, name, ttl_s, *sites):
    """Hold and work; errors of the store are waited out."""
    redis = connect(url)
    leases = Leases(redis, "test", name, ttl_s=float(ttl_s))
    asked = -1e9
    while True:
        try:
            if time.monotonic() - asked > leases.ttl_s / 3:
                asked = time.monotonic()
                leases.hold(sites)
            work(redis, leases, name, sites)
        except (SpondylError, OSError, *redis_errors()):
            time.sleep(ACT_S)
        time.sleep(ACT_S)


def work(redis, leases, name, sites):
    """One entry a site that is mine at this very moment."""
    for site in sites:
        if leases.holds(site):
            redis.rpush(f"work:{site}", f"{name} {time.monotonic_ns() // 1_000_000}")


def redis_errors():
    """What the client raises while the server is away."""
    from redis import RedisError

    return (RedisError,)


if __name__ == "__main__":
    main(*sys.argv[1:])
