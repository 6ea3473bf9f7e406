"""Makes a PDF/A-3 that carries an invoice say so: the Factur-X properties in its metadata.

typst writes the attachment, its relationship and the output intent, but no metadata of one's own. Its last
section is followed by one more (ISO 32000-1, 7.5.6: an incremental update) that holds the metadata anew; not
a byte that typst wrote is touched, so what it proved of the page stays proven.
"""

import re
from typing import Final

from services.billing.errors import Invalid, said

NAMESPACE: Final = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
FILE_NAME: Final = "factur-x.xml"
LEVEL: Final = "EN 16931"
VERSION: Final = "1.0"
_PROPERTIES: Final = (
    ("DocumentFileName", FILE_NAME, "name of the embedded XML invoice file"),
    ("DocumentType", "INVOICE", "INVOICE"),
    ("Version", VERSION, "The actual version of the Factur-X XML schema"),
    ("ConformanceLevel", LEVEL, "The conformance level of the embedded Factur-X data"),
)
_TRAILER: Final = re.compile(
    rb"trailer\s*<</Size (\d+)/Root (\d+) 0 R(/Info \d+ 0 R)?(/ID\[.*?\])>>\s*startxref\s*(\d+)\s*%%EOF\s*$",
    re.DOTALL,
)
_CATALOG: Final = re.compile(rb"\d+ 0 obj\s*<</Type/Catalog.*?/Metadata (\d+) 0 R.*?endobj", re.DOTALL)
_METADATA: Final = re.compile(
    rb"\d+ 0 obj\s*<<[^>]*/Type/Metadata[^>]*>>\s*stream\r?\n(.*?)\r?\nendstream", re.DOTALL
)
_ENTRY: Final = 20  # bytes of a cross-reference entry
_SCHEMAS: Final = b"<pdfaExtension:schemas><rdf:Bag>"
_END: Final = b"</rdf:Description></rdf:RDF>"


def with_invoice_properties(pdf: bytes) -> bytes:
    """The same PDF whose metadata name the invoice inside. Raises Invalid for one not by typst."""
    trailer = _TRAILER.search(pdf[-2048:])
    if trailer is None:
        raise _not_ours()
    size, root, info, identity, previous = trailer.groups()
    catalog = _CATALOG.match(pdf, _offset(pdf, int(previous), int(root)))
    if catalog is None:
        raise _not_ours()
    number = int(catalog[1])
    metadata = _METADATA.match(pdf, _offset(pdf, int(previous), number))
    if metadata is None or _SCHEMAS not in metadata[1] or _END not in metadata[1]:
        raise _not_ours()
    packet = _grown(metadata[1])
    at = len(pdf) + 1
    body = b"\n%d 0 obj\n<</Length %d/Type/Metadata/Subtype/XML>>\nstream\n%s\nendstream\nendobj\n" % (
        number, len(packet), packet,
    )  # fmt: skip
    table = b"xref\n%d 1\n%010d 00000 n\r\ntrailer\n" % (number, at)
    closing = b"<</Size %s/Root %s 0 R%s%s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n" % (
        size, root, info or b"", identity, previous, len(pdf) + len(body),
    )  # fmt: skip
    return pdf + body + table + closing


def _offset(pdf: bytes, table: int, number: int) -> int:
    """Where an object begins, by the cross-reference table at ``table``: two lines of head, then entries."""
    first = pdf.index(b"\n", pdf.index(b"\n", table) + 1) + 1 + _ENTRY * number
    return int(pdf[first : first + 10])


def _not_ours() -> Invalid:
    return said(
        Invalid,
        {
            "de": "Die Seite trägt nicht die Metadaten, die PDF/A-3 verlangt (ISO 19005-3, 6.6.2).",
            "en": "the page lacks the metadata that PDF/A-3 wants (ISO 19005-3, 6.6.2)",
        },
    )


def _grown(packet: bytes) -> bytes:
    schema = _SCHEMAS + _schema().encode()
    return packet.replace(_SCHEMAS, schema, 1).replace(_END, _values().encode() + _END, 1)


def _values() -> str:
    """The properties, each with its own namespace declaration: they stand within typst's description."""
    return "".join(f'<fx:{name} xmlns:fx="{NAMESPACE}">{value}</fx:{name}>' for name, value, _ in _PROPERTIES)


def _schema() -> str:
    """The extension schema, without which PDF/A allows no properties of one's own (ISO 19005-3, 6.6.2.3)."""
    properties = "".join(
        '<rdf:li rdf:parseType="Resource"><pdfaProperty:category>external</pdfaProperty:category>'
        f"<pdfaProperty:description>{text}</pdfaProperty:description>"
        f"<pdfaProperty:name>{name}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "</rdf:li>"
        for name, _, text in _PROPERTIES
    )
    return (
        '<rdf:li rdf:parseType="Resource">'
        "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
        f"<pdfaSchema:namespaceURI>{NAMESPACE}</pdfaSchema:namespaceURI>"
        "<pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{properties}</rdf:Seq></pdfaSchema:property></rdf:li>"
    )
