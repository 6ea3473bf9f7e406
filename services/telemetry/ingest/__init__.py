"""Broker -> Redis: every message taken, stored, flushed to disk, acknowledged and promised, in this order."""
