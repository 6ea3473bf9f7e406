"""The exchange of the scheduler: its appointments in FHIR R4, read, searched, moved and called off."""
