import threading
import time

import pytest
from servers import eventually

from services.telemetry.archive.pulse import Pulse
from services.telemetry.errors import ArchiveUnavailable


def test_a_check_that_hangs_is_told_without_waiting_for_it_and_never_started_twice():
    """Probes must neither wait nor pile up threads; when the store is back, so is the answer."""
    begun, back = [], threading.Event()

    def check():
        begun.append(1)
        back.wait(30)

    pulse = Pulse(check, fresh_s=0.0, wait_s=0.2)
    began = time.monotonic()
    assert [pulse.trouble()[:43] for _ in range(5)] == ["the archive's store has not answered for 0 "] * 5
    assert time.monotonic() - began < 1
    assert len(begun) == 1
    back.set()
    eventually(lambda: pulse.trouble() is None, 5, "the answer")


@pytest.mark.parametrize(
    ("error", "said"), [(ArchiveUnavailable("it is away"), "it is away"), (KeyError("x"), "KeyError: 'x'")]
)
def test_what_a_check_says_is_kept_for_a_moment(error, said):
    """Many probes at once are one question to the store."""
    asked = []

    def check():
        asked.append(1)
        raise error

    pulse = Pulse(check, fresh_s=60.0, wait_s=5.0)
    assert [pulse.trouble() for _ in range(3)] == [said] * 3
    assert len(asked) == 1
