"""Errors of the exercise library.

SpondylError
└── LibraryError    a file of the library breaks a rule; nothing of the library is used then
"""

from services.kit.errors import SpondylError


class LibraryError(SpondylError):
    """A file, the exercise or other entry in it, its field, and what is wrong with it."""
