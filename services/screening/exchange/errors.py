"""Errors of the exchange.

Invalid
├── GdtUnreadable   bytes that are no GDT at all, or more than is read
└── GdtUnwritable   a record that GDT cannot carry: what, the value, the limit
"""

from services.screening.errors import Invalid


class GdtUnreadable(Invalid):
    """Bytes that are no GDT at all, or more than is read."""


class GdtUnwritable(Invalid):
    """A record that GDT cannot carry."""
