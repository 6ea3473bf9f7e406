"""The page that a patient opens on the telephone: the same for every link; what is personal comes as JSON."""
