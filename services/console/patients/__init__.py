"""The pages about one patient: their frame, the file and its findings."""
