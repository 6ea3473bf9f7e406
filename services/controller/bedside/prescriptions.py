"""Which prescription a bed takes: within every limit, and in a session for the same treatment."""

from collections.abc import Mapping
from typing import Any

from services.controller.errors import SessionRefused
from services.kit.therapy import prescription as rx
from services.kit.therapy.prescription import Prescription

FIXED_IN_A_SESSION = ("region", "segment", "body_weight_kg", "age_years", "sex", "session_number")


def accepted(document: Mapping[str, Any]) -> Prescription:
    """The prescription when nothing is against it; raises PrescriptionError with every reason."""
    if refusals := rx.check_document(document):
        raise rx.refused(refusals)
    return Prescription.parse(document)


def require_same_treatment(before: Mapping[str, Any], after: Prescription) -> None:
    """Raise SessionRefused when ``after`` is not for this session's patient and segment."""
    for name in FIXED_IN_A_SESSION:
        if getattr(after, name) != before[name]:
            raise SessionRefused(
                f"prescription.{name} is {getattr(after, name)}: this session has {before[name]}; "
                "close it and confirm anew",
                f"prescription.{name} ist {getattr(after, name)}: diese Sitzung hat {before[name]}; "
                "abschließen und neu bestätigen",
            )
