"""What the bed's own columns tell of this patient, and what a prescription would do before the first pull."""
