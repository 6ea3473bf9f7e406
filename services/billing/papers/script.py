"""Letters that no paper may hold: what XML forbids, and what makes a name read as another one."""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.billing.errors import Invalid, said

# XML 1.0, 2.2: no controls, halves of pairs, U+FFFE, U+FFFF. U+202D, U+202E turn what follows around: a page
# would show another name or sum than the data hold.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\u202d\u202e\ufffe\uffff]")
_ESCAPED: Final = re.compile(r"\\u\{([0-9a-fA-F]{1,6})\}")


def checked(text: str) -> str:
    """The same text. Raises Invalid for a letter that no paper may hold."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return text
    code = f"U+{ord(found[0]):04X}"
    raise said(
        Invalid,
        {
            "de": f"Das Zeichen {code} darf auf keinem Papier stehen (XML 1.0, 2.2; U+202D und U+202E drehen "
            "die Leserichtung um). Bitte ohne dieses Zeichen angeben.",
            "en": f"{code} may stand on no paper (XML 1.0, 2.2; U+202D and U+202E turn the direction of "
            "reading around); give the text without it",
        },
        code=code,
    )


def check_all(values: Any) -> None:
    """Every text of these values. Raises Invalid for a letter that no paper may hold."""
    if isinstance(values, str):
        checked(values)
    elif isinstance(values, Mapping):
        for value in values.values():
            check_all(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            check_all(value)


def undrawn(shown: str) -> Invalid:
    """The refusal of letters for which there is no font: a box in their place would be another name."""
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), shown)[:8]
    codes = " ".join(f"U+{ord(sign):04X}" for sign in text)
    return said(
        Invalid,
        {
            "de": f"Das Zeichen {text!r} ({codes}) zeichnet keine der mitgelieferten Schriften; PDF/A "
            "verlangt eine eingebettete (ISO 19005-3, 6.2.11). Bitte in anderer Schrift angeben.",
            "en": f"{text!r} ({codes}) is drawn by none of the fonts that come along, and PDF/A wants one "
            "embedded (ISO 19005-3, 6.2.11); give it in another script",
        },
        text=text,
    )
