"""Random numbers of the simulated beds: every bed and cause its own stream, uint64[STREAMS, beds].

xorshift64 (Marsaglia 2003), its upper 53 bits; normal numbers by the ziggurat of 128 layers (Marsaglia and
Tsang 2000, Doornik 2005), exact in its tail.
"""

import math

import numpy as np

from services.controller.kernel.compiled import scalar, stage

LAYERS = 128
TAIL = 3.442619855899  # where the tail begins
AREA = 9.91256303526217e-3  # of every layer
UNIT = 1.1102230246251565e-16  # 2^-53
SHIFT_A, SHIFT_B, SHIFT_C, TOP = np.uint64(13), np.uint64(7), np.uint64(17), np.uint64(11)
LAYER_BITS = np.uint64(LAYERS - 1)  # below the 53 that make the number


def _layers() -> np.ndarray:
    """Right edges of the layers, the lowest first, and 0 behind the last: float64[LAYERS + 1]."""
    edges = np.zeros(LAYERS + 1)
    edges[0], edges[1] = AREA / math.exp(-0.5 * TAIL * TAIL), TAIL
    for layer in range(2, LAYERS):
        inner = edges[layer - 1]
        edges[layer] = math.sqrt(-2.0 * math.log(AREA / inner + math.exp(-0.5 * inner * inner)))
    return edges


EDGES = _layers()
INSIDE = EDGES[1:] / EDGES[:-1]  # share of a layer that lies wholly under the curve


@scalar
def uniform(random, stream, bed):
    """The next number of a bed's stream in [0, 1)."""
    x = random[stream, bed]
    x ^= x << SHIFT_A
    x ^= x >> SHIFT_B
    x ^= x << SHIFT_C
    random[stream, bed] = x
    return float(x >> TOP) * UNIT


@stage
def turn(random, draw, number):
    """The next number in [0, 1) of every bed that draws (draw above 0), one stream uint64[beds]."""
    for bed in range(draw.shape[0]):
        x = random[bed]
        y = x ^ (x << SHIFT_A)
        y = y ^ (y >> SHIFT_B)
        y = y ^ (y << SHIFT_C)
        random[bed] = y if draw[bed] > 0.0 else x
        number[bed] = float(np.int64(y >> TOP)) * UNIT


@scalar
def normal(random, stream, bed):
    """The next standard normal number of a bed's stream."""
    while True:
        side = 2.0 * uniform(random, stream, bed) - 1.0
        layer = int(random[stream, bed] & LAYER_BITS)
        value = side * EDGES[layer]
        if abs(side) < INSIDE[layer]:
            return value
        if layer == 0:
            return math.copysign(_tail(random, stream, bed), side)
        outer = math.exp(-0.5 * (EDGES[layer] * EDGES[layer] - value * value))
        inner = math.exp(-0.5 * (EDGES[layer + 1] * EDGES[layer + 1] - value * value))
        if inner + uniform(random, stream, bed) * (outer - inner) < 1.0:
            return value


@scalar
def _tail(random, stream, bed):
    """A normal number beyond TAIL (Marsaglia 1964)."""
    while True:
        beyond = -math.log(1.0 - uniform(random, stream, bed)) / TAIL
        if -2.0 * math.log(1.0 - uniform(random, stream, bed)) >= beyond * beyond:
            return TAIL + beyond
