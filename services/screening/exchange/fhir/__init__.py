"""FHIR R4 of patients' files: what other systems read and write here, checked both ways."""
