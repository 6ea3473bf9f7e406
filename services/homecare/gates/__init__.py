"""What may be done at home, what under supervision, what not at all: rules as data, and templates."""
