"""What commissioning would have written of a bed, by hand."""

from services.controller.commissioning.parameters import BedParameters


def measured(device="bed-01", **values):
    """A suitable bed, but for the values given."""
    row = {
        "device": device, "serial": 1001, "harness_n_mm": 18.0, "toe_mm": 1.5, "friction_n": 8.0,
        "drive_lag_s": 0.015, "drive_mm_s": 20.0, "measured_at": "2026-01-01T00:00:00Z", "kernel": 4,
        "ceiling_n": 60.0,
    }  # fmt: skip
    return BedParameters(**row | values)
