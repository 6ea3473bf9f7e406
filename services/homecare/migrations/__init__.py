"""How homecare's tables came to be, a step a file."""
