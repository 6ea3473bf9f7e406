"""`spondyl verify`: random sessions with faults, every tick held to invariants of their own."""
