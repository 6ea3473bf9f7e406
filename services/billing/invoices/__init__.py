"""Drafts that a person checks, invoices with gapless numbers, their cancellation."""
