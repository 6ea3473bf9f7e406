"""How long to wait before trying again: full jitter, so that a fleet does not come back at once."""

import random


def full_jitter(attempt: int, first_s: float = 0.2, most_s: float = 15.0) -> float:
    """Seconds to wait after failure ``attempt`` (from 0): uniform in 0 .. min(most_s, first_s * 2^attempt).

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015), the variant "full jitter".
    """
    return random.uniform(0.0, min(most_s, first_s * 2.0 ** min(attempt, 30)))  # noqa: S311  (spreads load)
