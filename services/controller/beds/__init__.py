"""How a bed is reached."""
