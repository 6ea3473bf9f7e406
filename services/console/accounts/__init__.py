"""Who signs in to the console: passwords, sign-ins, OpenID Connect, and the rules of accounts."""
