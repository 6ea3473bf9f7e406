"""A session as a file that other programs read: Parquet, Arrow, CSV, EDF+ and FHIR."""
