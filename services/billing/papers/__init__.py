"""The papers of billing: pages as PDF/A, the invoice inside them for programs, and proof that both hold."""
