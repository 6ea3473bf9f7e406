"""The patient's file: identity to findings in append-only versions, search, duplicates, copy and erasure."""
