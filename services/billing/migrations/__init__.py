"""How billing's tables came to be, a step a file."""
