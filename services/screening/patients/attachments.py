"""Findings as files: kept by their SHA-256, verified at every reading, never shown when damaged."""

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, insert, select

from services.kit import files
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.language import Text
from services.kit.moments import instant_of
from services.screening.errors import Conflict, Invalid, NotFound
from services.screening.patients import keeping, store, unneeded
from services.screening.patients.models import read_day
from services.screening.patients.tables import ATTACHMENT, ATTACHMENT_BACK

KINDS: Final[dict[str, Text]] = {
    "mri-before": {"de": "MRT vor der Behandlung", "en": "MRI before treatment"},
    "mri-after": {"de": "MRT nach der Behandlung", "en": "MRI after treatment"},
    "x-ray": {"de": "Röntgenbild", "en": "X-ray"},
    "ct": {"de": "CT", "en": "CT"},
    "report": {"de": "Befundbericht", "en": "Report"},
    "referral": {"de": "Überweisung", "en": "Referral"},
    "other": {"de": "Sonstiges", "en": "Other"},
}
DICOM_AT: Final = 128  # its letters follow a preamble (DICOM part 10, 7.1)
_MAGIC: Final = (  # media type, where its letters stand, the letters, how its name ends
    ("image/png", 0, b"\x89PNG\r\n\x1a\n", ".png"),
    ("image/jpeg", 0, b"\xff\xd8\xff", ".jpg"),
    ("application/pdf", 0, b"%PDF-", ".pdf"),
    ("application/dicom", DICOM_AT, b"DICM", ".dcm"),
)
_PICTURES: Final = {"image/png": "PNG", "image/jpeg": "JPEG"}
MOST_PIXELS: Final = 100_000_000
MOST_FILENAME: Final = 120
_UNWANTED: Final = re.compile(r"[\x00-\x1f\x7f\"\\/:*?<>|\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Sent:
    """What somebody files."""

    content: bytes
    filename: str
    kind: str
    taken_on: str = ""
    note: str = ""


class Cabinet:
    """The files below the service's directory; one that is filed twice lies there once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "files"

    def path(self, sha256: str) -> Path:
        """Where the file of this checksum lies."""
        return self._directory / sha256[:2] / sha256

    def put(self, content: bytes) -> str:
        """Keep it, on the disk when this returns; its checksum."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.is_whole(sha256):
            files.replace(self.path(sha256), content)
        return sha256

    def is_whole(self, sha256: str) -> bool:
        """Whether it is there and as it was."""
        with suppress(OSError), self.path(sha256).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        return False

    def take(self, sha256: str) -> bytes | None:
        """The file as it was filed; None when it is damaged or gone."""
        with suppress(OSError):
            content = self.path(sha256).read_bytes()
            if hashlib.sha256(content).hexdigest() == sha256:
                return content
        return None

    def size(self, sha256: str) -> int:
        """How many bytes lie there; -1 where there is no file."""
        try:
            return self.path(sha256).stat().st_size
        except OSError:
            return -1

    def remove(self, sha256: str) -> None:
        """After an erasure: it is nobody's any more, and off the disk when this returns."""
        path = self.path(sha256)
        if path.exists():
            path.unlink(missing_ok=True)
            files.flush_directory(path.parent)


def file_it(office: Office, cabinet: Cabinet, who: Principal, patient: UUID, sent: Sent, most: int) -> UUID:
    """File a finding, for good. Raises Invalid, NotFound."""
    kind, media_type = _checked(sent, most)
    taken_on = read_day(sent.taken_on, "taken_on", "Der Tag der Aufnahme")
    note = keeping.checked_text(sent.note, keeping.MOST_REASON, "note", "Die Bemerkung")
    with reading(office.engine) as connection:
        head = keeping.find_head(connection, who, "patients.write", patient)
    attachment = uuid4()
    office.seen(who, "patient.filed", head["id"], head["site"], kind=kind, attachment=str(attachment))
    sha256 = cabinet.put(sent.content)
    row = {
        "id": str(attachment), "patient": head["id"], "kind": kind, "note": note, "sha256": sha256,
        "taken_on": taken_on.isoformat() if taken_on else None, "filename": _filename(sent, media_type),
        "media_type": media_type, "size_bytes": len(sent.content),
    }  # fmt: skip
    with writing(office.engine) as connection:
        connection.execute(insert(ATTACHMENT), row | store.who_columns(who))
        unneeded.keep(connection, sha256)
        cabinet.put(sent.content)  # (again where an erasure has taken it away meanwhile)
    return attachment


def _checked(sent: Sent, most: int) -> tuple[str, str]:
    """The kind and what the file is by its own letters. Raises Invalid."""
    if sent.kind not in KINDS:
        known = ", ".join(it["de"] for it in KINDS.values())
        raise _invalid(
            "kind", f"kind is {sent.kind[:40]!r}: it must be one of {', '.join(KINDS)}",
            f"Die Art des Befunds ist {sent.kind[:40]!r}; es gibt {known}.",
        )  # fmt: skip
    size = len(sent.content)
    if not 0 < size <= most:
        raise _invalid(
            "file", f"the file has {size} bytes: 1 to {most} are allowed (SPONDYL_ATTACHMENT_MOST_BYTES)",
            f"Die Datei hat {size} Bytes; erlaubt sind 1 bis {most} (SPONDYL_ATTACHMENT_MOST_BYTES).",
        )  # fmt: skip
    for media_type, at, letters, _ in _MAGIC:
        if sent.content[at : at + len(letters)] == letters:
            _check_picture(sent.content, media_type)
            return sent.kind, media_type
    raise _invalid(
        "file", "the file is none of DICOM, PNG, JPEG and PDF by its first bytes, whatever its name says",
        "Die Datei ist ihrem Inhalt nach weder DICOM noch PNG, JPEG oder PDF, wie auch immer sie heißt.",
    )  # fmt: skip


def _check_picture(content: bytes, media_type: str) -> None:
    """A picture that a browser can show, not one that fills its memory. Raises Invalid."""
    if media_type not in _PICTURES:
        return
    from PIL import Image

    name = _PICTURES[media_type]
    try:
        with Image.open(BytesIO(content), formats=[name]) as picture:
            pixels = picture.width * picture.height
            picture.verify()
    except Image.DecompressionBombError:
        pixels = MOST_PIXELS + 1
    except Exception as error:  # noqa: BLE001  (whatever an arbitrary file does to a parser)
        why = str(error)[:80]
        raise _invalid(
            "file", f"the file begins as {name} and cannot be read as one: {why}",
            f"Die Datei beginnt als {name} und ist nicht als solches zu lesen.",
        ) from None  # fmt: skip
    if pixels > MOST_PIXELS:
        raise _invalid(
            "file", f"the picture has more than {MOST_PIXELS} pixels",
            f"Das Bild hat mehr als {MOST_PIXELS} Bildpunkte.",
        )  # fmt: skip


def _filename(sent: Sent, media_type: str) -> str:
    """The name that it came with, without what no system has in a name; it ends as what it is."""
    ending = next(end for kind, _, _, end in _MAGIC if kind == media_type)
    name = _UNWANTED.sub(" ", sent.filename.replace("\\", "/").rpartition("/")[2]).strip(" .")
    stem, dot, end = name.rpartition(".")
    known = (ending, ".jpeg") if ending == ".jpg" else (ending,)
    name = name if dot and f".{end.lower()}" in known else f"{name or sent.kind}{ending}"
    kept = name[-MOST_FILENAME:] if len(name) > MOST_FILENAME else name
    return kept.lstrip(" .") or f"{stem or sent.kind}{ending}"


def _invalid(field: str, english: str, german: str) -> Invalid:
    words: Text = {"de": german, "en": english[0].upper() + english[1:] + "."}
    return Invalid(english, words, {"errors": [{"field": field, **words}]})


def find(
    office: Office, who: Principal, permission: Permission, patient: UUID, attachment: UUID
) -> dict[str, Any]:
    """The row of a finding of this patient's. Raises NotFound."""
    with reading(office.engine) as connection:
        head = keeping.find_head(connection, who, permission, patient)
        query = select(ATTACHMENT).where(ATTACHMENT.c.id == str(attachment))
        row = connection.execute(query).mappings().first()
        ids = {str(one) for one in store.family(connection, UUID(head["id"]))}
    if row is None or row["patient"] not in ids:
        raise NotFound(
            f"no finding {attachment} is known here",
            {
                "de": f"Hier ist kein Befund {attachment} bekannt.",
                "en": f"No finding {attachment} is known here.",
            },
        )
    return dict(row) | {"site": head["site"]}


def content_of(cabinet: Cabinet, row: dict[str, Any]) -> bytes:
    """The file as it was filed. Raises Conflict when it is damaged: then it is not shown."""
    content = cabinet.take(row["sha256"])
    if content is None:
        raise damaged(row)
    return content


def damaged(row: dict[str, Any]) -> Conflict:
    """The refusal to show a file that is not what was filed."""
    day, begin = instant_of(row["at_us"]).date(), row["sha256"][:12]
    english = (
        f"the file {row['filename']!r} of {day} is damaged or gone: its checksum is not {begin}… any more; "
        "take it from the backup, or file it again"
    )
    german = (
        f"Die Datei „{row['filename']}“ vom {day:%d.%m.%Y} ist beschädigt oder fehlt: Ihre Prüfsumme ist "
        f"nicht mehr {begin}…. Holen Sie sie aus der Sicherung oder legen Sie sie erneut ab."
    )
    return Conflict(english, {"de": german, "en": english[0].upper() + english[1:] + "."})


def take_back(office: Office, who: Principal, patient: UUID, attachment: UUID, reason: str) -> None:
    """Write down that a finding was filed wrongly: it stays, and is shown as taken back."""
    kept = keeping.reason_of(reason)
    row = find(office, who, "patients.write", patient, attachment)
    office.seen(who, "patient.finding_taken_back", row["patient"], row["site"], attachment=str(attachment))
    with writing(office.engine) as connection:
        if any(str(attachment) == it["attachment"] for it in _backs(connection, [row["patient"]])):
            raise Conflict(
                "this finding is taken back already",
                {
                    "de": "Dieser Befund ist schon zurückgenommen.",
                    "en": "This finding is taken back already.",
                },
            )
        values = {"patient": row["patient"], "attachment": row["id"], "reason": kept}
        connection.execute(insert(ATTACHMENT_BACK), values | store.who_columns(who))


def _backs(connection: Connection, patients: Sequence[str]) -> list[dict[str, Any]]:
    query = select(ATTACHMENT_BACK).where(ATTACHMENT_BACK.c.patient.in_(patients))
    return [dict(row) for row in connection.execute(query).mappings()]


def listed(connection: Connection, cabinet: Cabinet, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """All findings of a person, as they are shown; ``intact`` is by size here, by checksum when opened."""
    backs = {row["attachment"]: row for row in _backs(connection, [str(one) for one in ids])}
    return [
        {
            "attachment": row["id"], "kind": row["kind"], "taken_on": row["taken_on"], "note": row["note"],
            "filename": row["filename"], "media_type": row["media_type"], "size_bytes": row["size_bytes"],
            "sha256": row["sha256"], "at": instant_of(row["at_us"]).isoformat(), "by": row["name"],
            "intact": cabinet.size(row["sha256"]) == row["size_bytes"],
            "taken_back": _said(backs.get(row["id"])),
        }
        for row in store.rows_of(connection, ATTACHMENT, ids)
    ]  # fmt: skip


def _said(back: dict[str, Any] | None) -> dict[str, str] | None:
    if back is None:
        return None
    return {"at": instant_of(back["at_us"]).isoformat(), "by": back["name"], "reason": back["reason"]}
