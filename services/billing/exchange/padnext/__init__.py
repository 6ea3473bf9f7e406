"""Deliveries to billing offices (PADneXt 2.12): written, checked against themselves, counted."""
