"""What screening exchanges with practice systems: GDT folders and FHIR."""
