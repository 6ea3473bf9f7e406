"""Home programmes: what goes on after the cure."""
