"""Fixtures every test may use: a real broker and a real Redis-compatible server, one of each per test."""

import functools
import gc
import os
import sys
from itertools import product
from pathlib import Path

import least_work
import pytest
from _pytest.mark.expression import Expression
from hypothesis import HealthCheck, settings
from servers import Mosquitto, Postgres, Valkey

# CI tries fixed examples, so that a red run can be repeated; `make verify` draws many new ones.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "verify", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")

os.environ.update(least_work.ENVIRONMENT)  # of every console that a test starts, unless it says otherwise

# What remembers applications by their parts: a process has one, a test run thousands, each of 45,000 objects.
REMEMBER = ("fastapi.dependencies.models", "services.console.navigation")
COLLECT = (10_000, 10, 5)  # the collector's thresholds: building an application makes no garbage
WHOLE = ("system", "chaos")  # folders of tests that start whole systems; others are known by their import
SERVED = ("system", "browser")  # marks that a file, or its folder, says
UNSURE = (*SERVED, "soak")  # a file may have tests with and without


@functools.cache
def _sure(path):
    """Which marks a file's tests have (True) or have not (False), whatever else it says."""
    text = path.read_text()
    sure = {"whole": path.parent.name in WHOLE or "from machine import" in text}
    if path.parent.name == "browser":
        return sure | {"browser": True}
    if "\npytestmark = pytest.mark.system\n" in text:
        return sure | {"system": True}
    return sure if any(f"mark.{name}" in text for name in SERVED) else sure | dict.fromkeys(SERVED, False)


@pytest.fixture(autouse=True)
def _umask():
    """Commands make theirs strict for good; the next test in this process is another user."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def pytest_ignore_collect(collection_path, config):
    """A stage of scripts/test reads nothing that has nothing for it: every file is ten seconds a worker."""
    named = [Path(arg.partition("::")[0]).absolute() for arg in config.args]
    if not config.option.markexpr or any(path.is_relative_to(collection_path) for path in named):
        return None
    wanted = Expression.compile(config.option.markexpr)
    if collection_path.is_dir():
        files = collection_path.rglob("test_*.py")
        return None if any(_may_have(path, wanted) for path in files) else True
    return None if not collection_path.match("test_*.py") or _may_have(collection_path, wanted) else True


def _may_have(path, wanted):
    """Whether a test of this file may be one of those."""
    sure = _sure(path)
    for marks in product((False, True), repeat=len(UNSURE)):
        values = dict(zip(UNSURE, marks, strict=True)) | sure
        if wanted.evaluate(lambda name, /, values=values: values.get(name, True)):
            return True
    return False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that start a whole system are marked: two that start at once would want the same ports.

    `spondyl up` prefers the ports that people know, so these run one after the other.
    """
    for item in items:
        sure = _sure(Path(item.path))
        hidden = [name for name, has in sure.items() if not has and item.get_closest_marker(name)]
        if hidden:
            raise pytest.UsageError(f"{item.nodeid} is marked {hidden}, which its file does not say")
        if sure["whole"]:
            item.add_marker(pytest.mark.whole)


def pytest_collection_finish():
    """What has been read by now stays to the end: the collector looks at the tests' own things alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown():
    """Let a test's applications go with it: kept, they are a gigabyte, looked through again and again."""
    for module in (sys.modules.get(name) for name in REMEMBER):
        for value in vars(module).values() if module else ():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@pytest.fixture
def mosquitto(tmp_path):
    """A real Mosquitto that lets everybody do everything."""
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres():
    """One real PostgreSQL for all tests; each takes databases of its own."""
    with Postgres() as server:
        yield server


@pytest.fixture
def valkey(tmp_path):
    """A real Valkey, append-only, flushed at every write."""
    with Valkey(tmp_path) as store:
        yield store
