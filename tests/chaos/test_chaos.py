"""The long form: every process dies many times in random order; `make chaos` runs it."""

import os
import random
import time

import pytest
import replayed
from machine import Machine
from servers import eventually

ROUNDS = int(os.environ.get("SPONDYL_CHAOS_ROUNDS", "40"))
SEED = int(os.environ.get("SPONDYL_CHAOS_SEED", "1"))
SPARED = ("up", "north/loop", "south/loop")  # the therapy itself, and what starts everything again

pytestmark = [pytest.mark.system, pytest.mark.soak]


@pytest.fixture
def system(tmp_path):
    running = Machine(tmp_path / "data", "--beds", "6", "--sites", "2").start()
    yield running
    if running.running:
        running.kill_everything()
    replayed.left_behind(running)


def test_many_deaths_lose_and_double_nothing(system):
    """Whatever dies and in whatever order: no gap, no duplicate, and both loops live through all of it."""
    dice = random.Random(SEED)  # noqa: S311  (a repeatable order of deaths, not a secret)
    victims = sorted(set(system.processes()) - set(SPARED))
    loops = {name: row["pid"] for name, row in system.processes().items() if name.endswith("/loop")}
    for number in range(ROUNDS):
        victim = dice.choice(victims)
        system.kill(victim)
        print(f"round {number + 1} of {ROUNDS}: {victim}", flush=True)  # noqa: T201  (progress of a long run)
        time.sleep(dice.uniform(0.0, 3.0))  # a pause of random length is the point: no state is special

    report = eventually(lambda: (r := system.audit())["status"] == 0 and r, 120.0, "an audit without loss")
    assert report["lost_samples"] == 0
    assert report["duplicate_samples"] == 0
    assert report["boots"] == len(loops)
    assert {name: row["pid"] for name, row in system.processes().items() if name in loops} == loops


def test_a_broker_that_is_away_for_longer_than_the_broker_keeps_loses_nothing(system):
    """An outage of a minute is drained from the spools, in order, while new blocks go on."""
    before = system.audit()["samples"]  # while it is away the audit would wait for it to settle
    pid = system.processes()["mosquitto"]["pid"]
    config = system.data / "mosquitto" / "mosquitto.conf"
    hidden = config.with_suffix(".hidden")
    config.rename(hidden)  # the supervisor starts it again and again; without its configuration it cannot
    os.kill(pid, 9)
    time.sleep(60)  # the length of the outage is what is tested
    hidden.rename(config)
    eventually(lambda: (r := system.audit())["status"] == 0 and r["samples"] > before + 6 * 50 * 60, 120.0,
               "a minute of samples without loss")  # fmt: skip
