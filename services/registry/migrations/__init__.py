"""How the registry's tables came to be, a step a file."""
