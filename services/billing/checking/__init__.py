"""Invoices, ours and others', against the law: formats that can be read, and the command."""
