"""How a programme grows by what was done and what hurt, and what it says for a day. Pure."""
