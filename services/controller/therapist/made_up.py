"""Made-up patients of the simulated therapist: prescriptions within every limit, no two beds alike."""

import math
import random
from typing import Any

from services.kit.therapy import prescription as rx

Json = dict[str, Any]
_SEGMENTS = {
    "lumbar": (("L4/5", 45), ("L5/S1", 40), ("L3/4", 10), ("L2/3", 5)),
    "cervical": (("C5-7", 70), ("C2-5", 25), ("C0-2", 5)),
}
FIRST_TRACTION_MIN = (12.0, 20.0, 30.0, 15.0, 25.0, 18.0)  # of the first patients: beds come apart
FIRST_PRECONDITION_S = (15.0, 30.0, 20.0, 45.0, 15.0, 30.0)


def invent(dice: random.Random, index: int, sessions: int) -> Json:
    """A prescription within every limit; the first of a day start soon and differ from bed to bed."""
    cervical = index % 4 == 3 if sessions == 0 else dice.random() < 0.3  # noqa: PLR2004  (three of ten)
    region = "cervical" if cervical else "lumbar"
    names, weights = zip(*_SEGMENTS[region], strict=True)
    sex = dice.choice(("female", "male"))
    body_weight_kg = round(min(130.0, max(48.0, dice.gauss(72.0 if sex == "female" else 84.0, 11.0))), 1)
    document: Json = {
        "region": region,
        "segment": dice.choices(names, weights)[0],
        "body_weight_kg": body_weight_kg,
        "age_years": dice.randint(24, 78),
        "sex": sex,
        "session_number": dice.randint(3, 18),
        "peak_n": 1000.0,
        "hold_s": float(dice.choice((30, 40, 45, 60))),
        "rest_s": float(dice.choice((15, 20, 30))),
        "traction_min": float(dice.choice((20, 25, 30))),
        "precondition_s": float(dice.choice((30, 45, 60))),
    }
    if sessions == 0:
        document["traction_min"] = FIRST_TRACTION_MIN[index % len(FIRST_TRACTION_MIN)]
        document["precondition_s"] = FIRST_PRECONDITION_S[index % len(FIRST_PRECONDITION_S)]
        document["precondition_cycles"] = 1
    if region == "lumbar" and dice.random() < 0.6:  # noqa: PLR2004  (most want it)
        document["heat_min"] = min(15.0, document["traction_min"])
    return _within_limits(document, dice.uniform(0.72, 0.95))


def _within_limits(document: Json, share: float) -> Json:
    """The document with its peak at a share of the lowest ceiling that holds for it."""
    against = [row for row in rx.check_document(document) if row.field == "prescription.peak_n"]
    ceiling = min(row.limit for row in against if row.limit is not None)
    return {**document, "peak_n": float(math.floor(ceiling * share))}
