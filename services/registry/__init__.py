"""Who belongs to the chain: its authority, its gateways, their certificates and codes, what was revoked."""
