"""``python -m services.controller.shipped.compiling``: the step of every version, compiled for replay.

Prints the directories where they are kept, one a line: an image is made with them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from services.controller.kernel import cache
from services.controller.shipped.kernels import HERE, Kernel, kernel, versions

PERIOD_S = 0.02


def compiled() -> Iterator[Path]:
    """Compile each version, or find it compiled; where it is kept."""
    present = cache.use()
    for version in versions():
        _step(kernel(version))
    yield present
    for version in versions()[:-1]:
        with cache.kept_for(HERE / f"kernel_{version}") as directory:
            yield directory


def _step(one: Kernel) -> None:
    """One tick of one bed at rest, as replay calls it."""
    params, state = one.step.new_parameters(1, PERIOD_S), one.step.new_state(1)
    reading, action = np.zeros((len(one.layout.READINGS), 1), np.int32), np.zeros(1, np.int32)
    sample = np.zeros((len(one.layout.SAMPLES), 1), np.int32)
    command = np.zeros((len(one.layout.COMMANDS), 1), np.int32)
    one.step.step(params, params.copy(), state, reading, action, sample, command)


if __name__ == "__main__":
    for directory in compiled():
        sys.stdout.write(f"{directory}\n")
