"""What telemetry refuses or cannot do.

SpondylError
├── StoreUnavailable    Redis does not answer or refuses writes (503): nothing is acknowledged, all waits
├── NotDurable          Redis answers but could forget what it took (503): it is not written to
├── UnknownDevice       no such bed has ever sent anything (404)
├── UnknownSession      no such session has ever been heard of (404)
├── AmbiguousDevice     beds of several sites bear the name (409)
├── BadQuestion         a question that has no answer: a window of no time, a column that is none (422)
│   ├── BadCursor       a page's cursor that no page gave
│   ├── UnknownFormat   a form that nothing is written in
│   └── NotExportable   samples that a format cannot hold
├── ArchiveUnavailable  the archive's store or index does not answer or refuses (503): hot telemetry waits
│   └── ObjectMissing   an object that the index knows is not in the store
└── Corrupt             bytes that are not what they are said to be (500): never decoded further
    └── CorruptObject   an object's bytes are not those that were archived (500): named, never used
"""

from services.kit.errors import SpondylError


class StoreUnavailable(SpondylError):  # noqa: N818  (the name is the state an operator meets)
    """Redis does not answer or refuses writes."""

    status = 503


class NotDurable(SpondylError):  # noqa: N818  (the same)
    """Redis could forget what it has taken."""

    status = 503


class UnknownDevice(SpondylError):  # noqa: N818  (the name is what a reader meets)
    """No bed of this name has sent anything."""

    status = 404


class UnknownSession(SpondylError):  # noqa: N818  (the same)
    """No session of this id has been heard of."""

    status = 404


class AmbiguousDevice(SpondylError):  # noqa: N818  (the same)
    """More than one site has a bed of this name."""

    status = 409


class BadQuestion(SpondylError):  # noqa: N818  (the same)
    """What was asked has no answer."""

    status = 422


class BadCursor(BadQuestion):
    """A cursor that no page has given."""


class UnknownFormat(BadQuestion):
    """A form that nothing is written in."""


class NotExportable(BadQuestion):
    """Samples that a format cannot hold."""


class ArchiveUnavailable(SpondylError):  # noqa: N818  (the name is the state an operator meets)
    """The archive's store or index does not answer or refuses."""

    status = 503


class ObjectMissing(ArchiveUnavailable):
    """An object that should be in the store is not."""


class Corrupt(SpondylError):  # noqa: N818  (the same)
    """Bytes that are not what they are said to be: cut short, flipped, of another kind, or absurd."""

    status = 500


class CorruptObject(Corrupt):
    """An object's bytes are not those that were archived."""

    status = 500
