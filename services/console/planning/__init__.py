"""The scheduler's pages: what they are made of. The scheduler holds the data and decides; this only shows."""
