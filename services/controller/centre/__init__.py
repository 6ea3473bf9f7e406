"""What the centre has told this gateway: worklists, operators, its release and its certificates' state."""
