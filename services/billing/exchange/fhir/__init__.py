"""The German Digitale Patientenrechnung (gematik, FHIR R4): invoices written and read."""
