"""Clearances, what suspends them, the review gates, and who may be treated again."""
