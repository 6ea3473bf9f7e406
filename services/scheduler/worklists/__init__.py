"""Worklists: what each bed must know of today, so that it works with its network down.

``building`` makes the lists of a site from appointments, prescriptions, clearances and suspensions;
``names`` asks
screening whom they are for; ``publishing`` seals the names and tells what is new, through the outbox.
"""
