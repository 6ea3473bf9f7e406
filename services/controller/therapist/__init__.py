"""The demo's simulated therapist and the patients made up for it."""
