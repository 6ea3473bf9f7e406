"""The note for the gym or the therapist: what is allowed, what is not, until when."""
