"""Pages of clearances and outcomes: what is drawn, and what forms say."""
