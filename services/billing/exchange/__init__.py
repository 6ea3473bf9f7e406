"""What leaves for others' programs: the Digitale Patientenrechnung, PADneXt, DATEV, tables."""
