"""Which prescription a bed takes: within every limit, in a session for the same treatment, for this bed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.controller.commissioning.known import KnownBeds
from services.controller.commissioning.parameters import Unusable
from services.controller.commissioning.suitability import unusable
from services.controller.errors import SessionRefused
from services.controller.loop.shared import GatewayMemory
from services.controller.parameters import compile_parameters
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


def compiled(
    beds: KnownBeds, prescription: Prescription, memory: GatewayMemory, bed: int, session_no: int = 0
) -> NDArray[np.float64]:
    """The kernel's parameters for this bed; SessionRefused where what was measured is another's."""
    try:
        found = beds.of(memory.devices[bed], memory.link_counts(bed)["serial_no"])
    except Unusable as error:
        words = unusable(error).text
        raise SessionRefused(words.en, words.de) from None
    drive_mm_s = found.drive_mm_s if found else None
    return compile_parameters(prescription, memory.period_ns / 1e9, session_no, drive_mm_s=drive_mm_s)
