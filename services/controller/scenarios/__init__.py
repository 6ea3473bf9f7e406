"""Golden scenarios: patient, prescription, contractions, faults and actions, and what must come of them."""
