"""A prescription's forces in words: its pull, and what the model lets arrive, with its interval."""

from collections.abc import Mapping
from typing import Any

from services.console.texts import TEXTS
from services.kit.formats import newtons
from services.kit.language import Language
from services.kit.therapy.at_segment import FIELD, arrives


def peak(document: Mapping[str, Any], language: Language) -> str:
    """``331 N``; where the force at the segment was prescribed, that and the model's interval, too."""
    pull = newtons(float(document["peak_n"]), language)
    if document.get(FIELD) is None:
        return pull
    force = at_segment(document, language) or newtons(float(document[FIELD]), language)
    return TEXTS["planning_peak_at_segment"][language].format(pull=pull, force=force)


def at_segment(document: Mapping[str, Any], language: Language) -> str:
    """What the model lets arrive of its peak: ``300 N (281 to 312 N)``; empty outside the model's data."""
    found = arrives(document)
    if found is None:
        return ""
    return TEXTS["planning_arrives"][language].format(
        force=newtons(found.axial_n, language),
        low=f"{found.axial_low_n:.0f}",
        high=newtons(found.axial_high_n, language),
    )
