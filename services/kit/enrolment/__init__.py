"""How a clinic's gateway becomes one of the chain: the code that is typed, what is asked and answered."""
