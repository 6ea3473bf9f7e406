import json

import pytest
from typer.testing import CliRunner

from services.cli import build

pytestmark = pytest.mark.system

FIELDS = {
    "messages_per_s", "samples_per_s", "mosquitto_sub_per_s", "ratio_to_mosquitto_sub", "offered_per_s",
    "saturated", "lost_samples", "duplicate_samples", "block_samples", "payload_bytes", "cpu_share", "rounds",
    "versions", "publisher_connections",
}  # fmt: skip


def test_every_published_block_is_in_the_store_whatever_the_speed():
    """The audit of the benchmark is the proof; the rate of a busy machine is none."""
    told = CliRunner().invoke(
        build(), ["bench", "ingest", "--devices", "48", "--seconds", "1", "--rounds", "1", "--json"]
    )
    result = json.loads(told.stdout)
    assert set(result) >= FIELDS
    assert (result["lost_samples"], result["duplicate_samples"]) == (0, 0)
    assert result["stored_samples"] > 0
    assert result["samples_per_s"] == pytest.approx(result["messages_per_s"] * 50, rel=0.01)
    assert set(result["cpu_share"]) == {"mosquitto", "valkey", "ingest", "publishers"}
    assert (told.exit_code == 0) == result["saturated"]
