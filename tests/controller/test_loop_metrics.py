import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from services.controller.kernel.memory import H_MAX, H_SUM, HISTOGRAM_LATE, W_MISSED
from services.controller.loop.link import LoopLink
from services.controller.loop.metrics import LoopMetrics
from services.controller.loop.shared import GatewayMemory


@pytest.fixture
def memory(tmp_path):
    made = GatewayMemory.create(
        site="north", gateway="gw-north", devices=("bed-01",), period_ns=20_000_000, capacity_ticks=64,
        directory=tmp_path,
    )  # fmt: skip
    yield made
    made.close()
    made.unlink()


def exposed(link):
    registry = CollectorRegistry()
    registry.register(LoopMetrics(link))
    return generate_latest(registry).decode()


def test_the_loop_s_lateness_is_a_histogram_ops_can_watch(memory):
    """Late ticks show on a dashboard before they become an alarm."""
    row = memory.arrays["histograms"][HISTOGRAM_LATE]
    row[15], row[H_MAX], row[H_SUM] = 3, 15, 45  # three ticks 15 ns late
    memory.set_word(W_MISSED, 2)
    text = exposed(LoopLink(memory=memory))
    assert 'spondyl_loop_late_seconds_bucket{le="1e-05"} 3.0' in text
    assert "spondyl_loop_late_seconds_count 3.0" in text
    assert "spondyl_loop_late_seconds_sum 4.5e-08" in text
    assert "spondyl_loop_missed_deadlines_total 2.0" in text


def test_without_a_loop_there_is_nothing_to_show(tmp_path):
    """The panel's metrics answer also while the loop starts."""
    assert "spondyl_loop" not in exposed(LoopLink(tmp_path))
