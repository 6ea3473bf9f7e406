"""Where every sample of every bed is kept and asked for."""
