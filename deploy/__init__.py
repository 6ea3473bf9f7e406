"""How Spondyl is started: on one machine here, on many by containers."""
