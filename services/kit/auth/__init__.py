"""Who asks, and what they may: roles, principals, signed tokens, and the rule that every route carries."""
