"""Whether it is done and whether it hurts: per day, per patient, per site; who needs a call, and why."""
