"""What an operator does at a bed: admission, the session, adverse events and the log of them."""
