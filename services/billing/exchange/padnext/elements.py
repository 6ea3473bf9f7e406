"""PADneXt's elements with their limits: text that does not fit is refused by name, never cut."""

import re
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from services.billing.errors import Invalid, said

NAMESPACE: Final = "http://padinfo.de/ns/pad"
ENCODING: Final = "ISO-8859-15"
VERSION: Final = "02.12"
Node = etree._Element  # noqa: SLF001  (lxml publishes the type of an element under no other name)
LIMITS: Final = {  # letters, as the format has them
    "name": 40, "vorname": 40, "titel": 40, "namezusatz": 40, "strasse": 40, "ort": 40, "plz": 10,
    "hausnr": 10, "kontakt": 40, "text": 4000, "zusatztext": 4000, "begruendung": 4000, "aktenzeichen": 40,
    "endetext": 4000, "ustidnr": 15,
}  # fmt: skip
ORGANISATION: Final = 120
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def root(name: str, **attributes: Any) -> Node:
    """The first element of a file."""
    made = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})
    _set(made, attributes)
    return made


def add(parent: Node, name: str, content: Any = None, most: int | None = None, **attributes: Any) -> Node:
    """One more element below; ``content`` as the format writes it. Raises Invalid for too much."""
    made = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if content is not None:
        text = written(content)
        limit = most or LIMITS.get(name)
        if limit is not None and len(text) > limit:
            raise too_long(name, text, limit)
        made.text = text
    _set(made, attributes)
    return made


def maybe(parent: Node, name: str, content: Any, **attributes: Any) -> None:
    """The same where there is something."""
    if content:
        add(parent, name, content, **attributes)


def written(value: Any) -> str:
    """A value as the format writes it: 0/1, a point, a day like 2026-11-23."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str):
        return _UNPRINTABLE.sub(" ", value).strip()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def file_of(node: Node) -> bytes:
    """The file; a letter that its encoding lacks is written as its number, as XML has it."""
    etree.indent(node)
    made: bytes = etree.tostring(node, encoding=ENCODING, xml_declaration=True)
    return made


def too_long(name: str, text: str, limit: int) -> Invalid:
    """It does not fit, and is not cut."""
    shown = text[:60]
    return said(
        Invalid,
        {
            "de": f"PADneXt: {name} „{shown}“ hat {len(text)} Zeichen, höchstens {limit}.",
            "en": f"PADneXt: {name} “{shown}” has {len(text)} letters, at most {limit}",
        },
        field=name,
    )


def _set(node: Node, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        if value is not None:
            node.set(name, written(value))
