"""Confidence intervals: Wilson's for shares, Student's for means. Pure; 95 % unless told.

Wilson: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), E. B. Wilson, J Am Stat Assoc 1927;22:209.
Mean: m ± t(n-1) s/√n, Student, Biometrika 1908;6:1; the distribution of t by its finite series for whole
degrees of freedom, Abramowitz and Stegun 26.7.3 and 26.7.4.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev
from typing import Final

CONFIDENCE: Final = 0.95
_MANY: Final = 2000  # degrees of freedom from which t is the normal to four places
_HALVINGS: Final = 80
Interval = tuple[float, float]


def wilson(successes: int, count: int, confidence: float = CONFIDENCE) -> Interval | None:
    """The interval of a share; none of nobody."""
    if count == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, scale = successes / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return low, 1.0 if successes == count else min(1.0, middle + half)


def of_mean(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The interval of a mean; none of fewer than two."""
    if len(values) <= 1:
        return None
    half = t_quantile(0.5 + confidence / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def t_quantile(probability: float, degrees: int) -> float:
    """Student's t below which this much lies, for a probability above one half."""
    if degrees >= _MANY:
        return NormalDist().inv_cdf(probability)
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / √degrees
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < 2 * probability - 1 else (low, middle)
    return math.tan((low + high) / 2) * math.sqrt(degrees)


def _within(angle: float, degrees: int) -> float:
    """How much of t lies between -t and t."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = total = cosine if odd else 1.0
    for number in range(2 + odd, degrees - 1, 2):
        term *= cosine * cosine * (number - 1) / number
        total += term
    if not odd:
        return sine * total
    return (2 / math.pi) * (angle + (sine * total if degrees > 1 else 0.0))
