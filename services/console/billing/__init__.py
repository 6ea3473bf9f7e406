"""Billing's pages: drafts to check, invoices, charges, what is owed, a clinic's data."""
