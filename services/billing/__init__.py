"""The papers: what a treatment costs, and what insurers, accountants and auditors read."""
