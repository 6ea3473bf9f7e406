"""Whether the archive is what it says: every object, every block, every number."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from services.kit.errors import SpondylError
from services.telemetry.archive import objects
from services.telemetry.archive.objects import Directory
from services.telemetry.archive.planning import NO_SPANS, reach
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import NOTHING, ObjectRow
from services.telemetry.errors import ArchiveUnavailable, Corrupt, ObjectMissing
from services.telemetry.models import KINDS

PAGE: Final = 1000
Progress = Callable[[int, int], None]  # objects looked at so far, of so many


@dataclass(slots=True)
class Report:
    """What was looked at and what is wrong; orphans and strays are told and are no fault."""

    objects: int = 0
    bytes: int = 0
    samples: int = 0
    faults: list[dict[str, str]] = field(default_factory=list)  # path, fault
    missing: list[dict[str, Any]] = field(
        default_factory=list
    )  # numbers that no object holds and no gap names
    orphans: list[str] = field(default_factory=list)  # in the store and not in the index
    strays: list[dict[str, Any]] = field(default_factory=list)  # kept as they came: they could not be read

    @property
    def ok(self) -> bool:
        """Everything is there, bit for bit."""
        return not self.faults and not self.missing

    def body(self) -> dict[str, Any]:
        """As JSON."""
        return {"ok": self.ok} | asdict(self)


def verify(archive: Archive, progress: Progress = lambda _done, _all: None) -> Report:
    """Read every object and decode every block of it; compare with the index. Raises ArchiveUnavailable."""
    archive.store.check()
    report = Report()
    total = archive.index.count_objects()
    for row in every_object(archive):
        report.objects += 1
        report.bytes += row.size
        report.samples += sum(after - first for first, after in row.spans["tension"])
        fault = _fault(archive, row)
        if fault:
            report.faults.append({"path": row.path, "fault": fault})
        progress(report.objects, total)
    report.missing = list(_missing(archive))
    report.orphans = list(_orphans(archive))
    report.strays = list(_strays(archive))
    report.faults += [
        {"path": path, "fault": "it expired and is still in the store: `spondyl archive expire` deletes it"}
        for path in archive.index.undead()
    ]
    return report


def every_object(archive: Archive, **limits: Any) -> Iterator[ObjectRow]:
    """All objects, page by page."""
    behind = 0
    while page := archive.index.all_objects(behind=behind, limit=PAGE, **limits):
        yield from page
        behind = page[-1].id


def _fault(archive: Archive, row: ObjectRow) -> str | None:
    """The first thing that is wrong with an object."""
    try:
        data = archive.store.get(row.path)
        if len(data) != row.size:
            return f"it has {len(data)} bytes, recorded {row.size}"
        own = objects.verify(data, Directory.load(archive.index.directory(row.id)), row.sha256)
    except (Corrupt, ObjectMissing) as error:
        return error.message
    except ArchiveUnavailable:
        raise
    except SpondylError as error:
        return error.message
    source = row.source
    if (own.site, own.device, own.boot) != (source.place.site, source.place.device, source.boot):
        return f"it is of {own.site}/{own.device} boot {own.boot}, recorded for {source.place} {source.boot}"
    if any(own.spans(kind) != row.spans[kind] for kind in KINDS):
        return "it holds other numbers than the index says"
    return None


def _missing(archive: Archive) -> Iterator[dict[str, Any]]:
    """Numbers below a boot's mark that neither an object nor a named gap has."""
    sources = archive.sources()
    marks = archive.index.all_marks(sources)
    for source in sources:
        gaps = archive.gaps(source)
        for kind in KINDS:
            spans = archive.spans(kind, source) + [(g.first, g.after) for g in gaps if g.kind == kind]
            at, end = reach(NO_SPANS, spans, 0), marks.get(source, NOTHING)[kind]
            while at < end:
                behind = min((first for first, _ in spans if first > at), default=end)
                yield {
                    "site": source.place.site, "device": source.place.device, "boot": str(source.boot),
                    "stream": kind, "first": at, "last": min(behind, end) - 1,
                }  # fmt: skip
                at = reach(NO_SPANS, spans, behind)


def _orphans(archive: Archive) -> Iterator[str]:
    """What lies in the store and nobody knows: left by an archiver that was killed or overtaken."""
    listed = archive.store.list()
    while paths := [row.path for row, _ in zip(listed, range(PAGE), strict=False)]:
        known = archive.index.known_paths(paths)
        yield from (path for path in paths if path not in known)


def _strays(archive: Archive) -> Iterator[dict[str, Any]]:
    """What is in the index's table of strays, and where it was."""
    for row in archive.index.stray_rows():
        yield {
            "site": row["site"], "device": row["device"], "boot": row["boot"], "stream": row["kind"],
            "first": row["first"], "last": row["after"] - 1, "bytes": row["bytes"],
            "sha256": row["sha256"], "reason": row["reason"],
        }  # fmt: skip
