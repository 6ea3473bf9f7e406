"""A signature: drawn on a screen or scanned, looked at before it is kept."""

import base64
import binascii
from io import BytesIO
from typing import Final

from services.screening.rules.answers import refused

MOST_PNG: Final = 500_000
MOST_SCAN: Final = 10_000_000
MOST_SIDE: Final = 4000
LEAST_INK: Final = 40  # dots: less is a slip of the finger
_MAGIC: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"%PDF-": "application/pdf",
}
ENDINGS: Final = {"image/png": "png", "image/jpeg": "jpg", "application/pdf": "pdf"}


def drawn(text: str) -> bytes:
    """The PNG that a page sends as base64, with or without `data:image/png;base64,`. Raises Invalid."""
    try:
        content = base64.b64decode(text.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        raise refused(
            "signature", text[:20], "PNG as base64 is needed", "PNG als Base64 wird gebraucht"
        ) from None
    if len(content) > MOST_PNG:
        raise refused("signature", f"{len(content)} bytes", f"at most {MOST_PNG}", f"höchstens {MOST_PNG}")
    _require_ink(content)
    return content


def scanned(content: bytes) -> str:
    """The media type of a scanned declaration. Raises Invalid."""
    if len(content) > MOST_SCAN:
        raise refused("file", f"{len(content)} bytes", f"at most {MOST_SCAN}", f"höchstens {MOST_SCAN}")
    for magic, media_type in _MAGIC.items():
        if content.startswith(magic):
            return media_type
    raise refused("file", content[:8], "a PDF, PNG or JPEG is needed", "PDF, PNG oder JPEG wird gebraucht")


def _require_ink(content: bytes) -> None:
    """A picture that can be read, and with something on it."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(content), formats=["PNG"]) as picture:
            if max(picture.size) > MOST_SIDE:
                raise refused(
                    "signature",
                    f"{picture.size[0]} x {picture.size[1]}",
                    f"at most {MOST_SIDE} dots a side",
                    f"höchstens {MOST_SIDE} Punkte je Seite",
                )
            ink = sum(picture.convert("RGBA").getchannel("A").histogram()[128:])
            dark = sum(picture.convert("L").histogram()[:128])
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning, OSError,
            SyntaxError, ValueError):  # fmt: skip
        raise refused("signature", "no PNG", "a picture is needed", "ein Bild wird gebraucht") from None
    if min(ink, dark) < LEAST_INK:
        raise refused("signature", "empty", "nothing has been drawn", "es ist nichts gezeichnet")
