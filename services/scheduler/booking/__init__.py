"""Cures and their appointments, the waiting list, who may be treated."""
