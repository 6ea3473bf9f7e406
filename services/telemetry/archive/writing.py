"""Objects into the store: built and decoded again in memory, put, flushed, read back byte for byte."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.kit.moments import instant_of
from services.telemetry.archive import objects
from services.telemetry.archive.objects import Directory, Sections
from services.telemetry.archive.rows import NewObject, Spans
from services.telemetry.archive.stores import ObjectStore
from services.telemetry.errors import CorruptObject
from services.telemetry.models import KINDS, Place, Source


@dataclass(frozen=True, slots=True)
class Built:
    """An object that is still in memory."""

    path: str
    source: Source
    session: UUID | None
    data: bytes
    sha256: str
    directory: Directory


def build(sections: Sections) -> Built:
    """The object of these sections, under a name that is made of its content."""
    data, directory = objects.build(sections)
    source = Source(Place(sections.site, sections.device), sections.boot)
    sha256 = hashlib.sha256(data).hexdigest()
    month = instant_of(directory.started_at_us).strftime("%Y/%m")
    first = min(block.first for block in directory.blocks)
    path = f"{source.place}/{month}/{source.boot}-{first:012d}-{sha256[:16]}.spa"
    return Built(path, source, sections.session, data, sha256, directory)


def put_all(store: ObjectStore, built: Sequence[Built]) -> list[NewObject | CorruptObject]:
    """All in the store, flushed and read back; each, or an error for one that is read back otherwise.

    Raises ArchiveUnavailable.
    """
    store.put_all({one.path: one.data for one in built})
    return [_found_again(store, one) for one in built]


def _found_again(store: ObjectStore, built: Built) -> NewObject | CorruptObject:
    if (found := store.get(built.path)) != built.data:
        return CorruptObject(
            f"{built.path} was written and is read back otherwise: {len(found)} bytes for {len(built.data)}, "
            f"SHA-256 {hashlib.sha256(found).hexdigest()} for {built.sha256}"
        )
    directory = built.directory
    spans: Spans = {kind: directory.spans(kind) for kind in KINDS}
    return NewObject(
        built.path, built.source, built.sha256, len(built.data), objects.dumped_directory(built.data), spans,
        directory.started_at_us, directory.ended_at_us, built.session,
    )  # fmt: skip
