"""What makes a PDF an archival one that carries an invoice: the marks that can be read off the file.

They are those by which recipients' programs take or refuse an invoice. A full proof of PDF/A looks at every
operator of every page; typst does that when it writes, and refuses to write anything else.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from services.billing.papers.schematron import parsed
from services.billing.papers.xmp import FILE_NAME, LEVEL, NAMESPACE, VERSION

PDFA: Final = "ISO 19005-3 (PDF/A-3)"
PDF: Final = "ISO 32000-1 (PDF 1.7)"
FACTURX: Final = "Factur-X 1.0 / ZUGFeRD 2"
LARGEST_PDF: Final = 50_000_000  # bytes
LONGEST: Final = 500_000  # words, lines and moves of the pen on all pages; a page of ours has some hundred
_DEEPEST: Final = 8  # forms within forms
_READER: Final[Mapping[str, Any]] = {  # what pypdf is held to: a kilobyte can say that it is a library
    "page_tree_maximum_entries": 1000,
    "zlib_maximum_output_length": 20_000_000,
    "lzw_maximum_output_length": 20_000_000,
    "stream_parsing_work_maximum_count": LONGEST,
    "xform_maximum_invocations_per_extraction": 100,
}
_PDFAID: Final = "http://www.aiim.org/pdfa/ns/id/"
_SCHEMA: Final = "http://www.aiim.org/pdfa/ns/schema#"
_PROPERTY: Final = "http://www.aiim.org/pdfa/ns/property#"
_ACTIVE: Final = ("/JavaScript", "/Launch", "/ImportData", "/SubmitForm", "/ResetForm", "/Movie", "/Sound")
_BUILT_IN: Final = ("/FontFile", "/FontFile2", "/FontFile3")


@dataclass(slots=True)
class Opened:
    """A PDF as the checks look at it."""

    reader: Any
    root: Any
    metadata: etree._Element | None
    xml: bytes | None
    attachment: Any  # the file specification of the XML


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that was looked at."""

    standard: str
    rule: str
    wanted: str
    fault: str | None = None  # what is there instead


def opened(pdf: bytes) -> Opened:
    """The file, as far as it can be read. Raises ValueError with the reason when it cannot."""
    if len(pdf) > LARGEST_PDF:
        raise ValueError(f"is more than {LARGEST_PDF} bytes")
    if not pdf.startswith(b"%PDF-"):
        raise ValueError("does not begin with %PDF-")
    try:
        with _limited():
            return _opened(pdf)
    except Exception as error:  # noqa: BLE001  (a broken file breaks the reader in any way it likes)
        raise ValueError(f"cannot be read: {type(error).__name__}: {error}") from None


def marks(told: Opened) -> list[Mark]:
    """Every mark, with its fault where there is one."""
    with _limited():
        return [Mark(standard, rule, wanted, _asked(check, told)) for standard, rule, wanted, check in CHECKS]


def pages_of(told: Opened) -> list[str]:
    """Each page's words. Raises ValueError, for more than can be looked at in a moment too."""
    left = LONGEST

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"the pages have more than {LONGEST} operators")

    try:
        with _limited():
            return [page.extract_text(visitor_operand_before=count) for page in told.reader.pages]
    except Exception as error:  # noqa: BLE001  (the same)
        raise ValueError(f"cannot be read: {type(error).__name__}: {error}") from None


def _limited() -> AbstractContextManager[Any]:
    from pypdf import apply_configuration

    return apply_configuration(**_READER)


def _opened(pdf: bytes) -> Opened:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(pdf))
    root = reader.trailer["/Root"].get_object()
    attachment = _attachment(root)
    return Opened(reader, root, _metadata(root), _content(attachment), attachment)


def _asked(check: Callable[[Opened], str | None], told: Opened) -> str | None:
    try:
        return check(told)
    except Exception as error:  # noqa: BLE001  (the same)
        return f"cannot be read: {type(error).__name__}: {error}"


def _resolved(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value


def _get(owner: Any, *names: str) -> Any:
    """What stands under these names, resolved; None on the way is None."""
    for name in names:
        owner = _resolved(owner)
        owner = owner.get(name) if owner is not None else None
    return _resolved(owner)


def _attachment(root: Any) -> Any:
    """The file specification of the XML among the associated files, or any of that name."""
    associated = _get(root, "/AF") or []
    named = _get(root, "/Names", "/EmbeddedFiles", "/Names") or []
    for one in (*associated, *named):
        candidate = _resolved(one)
        if hasattr(candidate, "get") and FILE_NAME in (candidate.get("/UF"), candidate.get("/F")):
            return candidate
    return None


def _content(attachment: Any) -> bytes | None:
    file = _get(attachment, "/EF", "/F") if attachment is not None else None
    return None if file is None else bytes(file.get_data())


def _metadata(root: Any) -> etree._Element | None:
    stream = _get(root, "/Metadata")
    return None if stream is None else parsed(bytes(stream.get_data()))


def _value(metadata: etree._Element | None, namespace: str, name: str) -> str | None:
    """A property of the metadata, written as element or as attribute."""
    if metadata is None:
        return None
    wanted = f"{{{namespace}}}{name}"
    for element in metadata.iter():
        if element.tag == wanted:
            return (element.text or "").strip()
        if wanted in element.attrib:
            return str(element.attrib[wanted]).strip()
    return None


def _part(told: Opened) -> str | None:
    part, level = _value(told.metadata, _PDFAID, "part"), _value(told.metadata, _PDFAID, "conformance")
    return None if part == "3" and level in ("A", "B", "U") else f"part {part}, conformance {level}"


def _identity(told: Opened) -> str | None:
    found = told.reader.trailer.get("/ID")
    return None if found is not None and len(found) == 2 else "no file identifier"  # noqa: PLR2004  (the law's two)


def _encryption(told: Opened) -> str | None:
    return "is encrypted" if "/Encrypt" in told.reader.trailer else None


def _intent(told: Opened) -> str | None:
    for one in _get(told.root, "/OutputIntents") or []:
        if _get(one, "/S") == "/GTS_PDFA1":
            profile = _get(one, "/DestOutputProfile")
            return None if profile is not None and profile.get_data()[36:40] == b"acsp" else "no ICC profile"
    return "no output intent"


def _fonts(told: Opened) -> str | None:
    seen: set[int] = set()
    missing = sorted(
        {name for page in told.reader.pages for name in _unembedded(_get(page, "/Resources"), 0, seen)}
    )
    return f"not embedded: {', '.join(missing)}" if missing else None


def _unembedded(resources: Any, depth: int, seen: set[int]) -> Iterator[str]:
    if resources is None or depth > _DEEPEST or id(resources) in seen:
        return
    seen.add(id(resources))  # the reader keeps what it resolved: an id is one object's until the end
    for one in (_get(resources, "/Font") or {}).values():
        font = _resolved(one)
        for kind in _get(font, "/DescendantFonts") or [font]:
            told = _get(kind, "/FontDescriptor")
            embedded = told is not None and any(name in told for name in _BUILT_IN)
            if not embedded and _get(kind, "/Subtype") != "/Type3":
                yield str(font.get("/BaseFont"))
    for one in (_get(resources, "/XObject") or {}).values():
        yield from _unembedded(_get(one, "/Resources"), depth + 1, seen)


def _actions(told: Opened) -> str | None:
    found = [name for name in ("/OpenAction", "/AA") if name in told.root]
    if _get(told.root, "/Names", "/JavaScript") is not None:
        found.append("/JavaScript")
    for page in told.reader.pages:
        for note in _get(page, "/Annots") or []:
            kind = _get(note, "/A", "/S")
            if kind in _ACTIVE:
                found.append(str(kind))
    return f"has {', '.join(sorted(set(found)))}" if found else None


def _file(told: Opened) -> str | None:
    return None if told.xml else f"no file {FILE_NAME}"


def _relation(told: Opened) -> str | None:
    relation = _get(told.attachment, "/AFRelationship")
    associated = [_resolved(one) for one in _get(told.root, "/AF") or []]
    if told.attachment is None or told.attachment not in associated:
        return "not among the associated files"
    return None if relation in ("/Alternative", "/Data", "/Source") else f"relationship {relation}"


def _kind(told: Opened) -> str | None:
    kind = _get(told.attachment, "/EF", "/F", "/Subtype")
    return None if str(kind) in ("/text/xml", "/application/xml", "/text#2Fxml") else f"type {kind}"


def _dated(told: Opened) -> str | None:
    moment = _get(told.attachment, "/EF", "/F", "/Params", "/ModDate")
    return None if moment else "no ModDate"


def _property(name: str, wanted: tuple[str, ...]) -> Callable[[Opened], str | None]:
    def check(told: Opened) -> str | None:
        found = _value(told.metadata, NAMESPACE, name)
        return None if found in wanted else f"{name} is {found}"

    return check


def _extension(told: Opened) -> str | None:
    """Each of the invoice's properties is declared in an extension schema of its namespace."""
    if told.metadata is None:
        return "no metadata"
    declared: set[str] = set()
    for namespace in told.metadata.iter(f"{{{_SCHEMA}}}namespaceURI"):
        schema = namespace.getparent()
        if schema is not None and (namespace.text or "").strip() == NAMESPACE:
            declared |= {(name.text or "").strip() for name in schema.iter(f"{{{_PROPERTY}}}name")}
    missing = {"DocumentType", "DocumentFileName", "Version", "ConformanceLevel"} - declared
    return f"not declared: {', '.join(sorted(missing))}" if missing else None


# Standard, clause, what is wanted, and the look that says what is there instead.
CHECKS: Final[tuple[tuple[str, str, str, Callable[[Opened], str | None]], ...]] = (
    (PDFA, "6.6.4", "metadata name part 3 and a conformance level", _part),
    (PDFA, "6.1.3", "the trailer has a file identifier", _identity),
    (PDFA, "6.1.3", "is not encrypted", _encryption),
    (PDFA, "6.2.3", "an output intent with an ICC profile", _intent),
    (PDFA, "6.2.11.4", "every font is embedded", _fonts),
    (PDFA, "6.5", "no scripts and no actions that reach out", _actions),
    (PDFA, "6.6.2.3", "the invoice's properties have their extension schema", _extension),
    (FACTURX, "embedded file", f"holds a file {FILE_NAME}", _file),
    (PDFA, "6.8", "the file is associated with the document, its relationship named", _relation),
    (PDFA, "6.8", "the file's type is XML", _kind),
    (FACTURX, "ModDate", "the file has its date", _dated),
    (
        FACTURX,
        "fx:DocumentFileName",
        f"metadata name {FILE_NAME}",
        _property("DocumentFileName", (FILE_NAME,)),
    ),
    (FACTURX, "fx:DocumentType", "metadata say INVOICE", _property("DocumentType", ("INVOICE",))),
    (FACTURX, "fx:Version", f"metadata say version {VERSION}", _property("Version", (VERSION,))),
    (FACTURX, "fx:ConformanceLevel", f"metadata say {LEVEL}", _property("ConformanceLevel", (LEVEL,))),
)
