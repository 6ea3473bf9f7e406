"""A DICOM picture as a PNG that a browser shows: windowed as its maker says, one frame of it."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from services.screening.errors import Invalid

MOST_PIXELS: Final = 40_000_000  # of one frame
MOST_SIDE: Final = 1600
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"  # may unpack to any size


@dataclass(frozen=True, slots=True)
class Preview:
    """One frame (from 0) of so many."""

    png: bytes
    frame: int
    frames: int


def of_dicom(path: Path, frame: int | None = None) -> Preview:
    """The frame, by default the middle one. Raises Invalid that says why it cannot be drawn."""
    from pydicom import dcmread
    from pydicom.filereader import read_file_meta_info

    try:
        _require_unpacked(str(read_file_meta_info(path).get("TransferSyntaxUID")))
        head = dcmread(path, stop_before_pixels=True)
        frames = max(1, int(head.get("NumberOfFrames") or 1))
        _require_size(int(head.get("Rows") or 0) * int(head.get("Columns") or 0))
        chosen = frames // 2 if frame is None else min(max(frame, 0), frames - 1)
        return Preview(_png(path, head, chosen), chosen, frames)
    except Invalid:
        raise
    except Exception as error:  # noqa: BLE001  (whatever an arbitrary file does to a parser)
        why = str(error).split("\n")[0][:120]
        raise _cannot(why, why) from None


def _require_unpacked(syntax: str) -> None:
    if syntax == _DEFLATED:
        raise _cannot("it is packed (deflated transfer syntax)", "sie ist gepackt (Deflated)")


def _require_size(pixels: int) -> None:
    if not 0 < pixels <= MOST_PIXELS:
        raise _cannot(f"it has {pixels} pixels", f"sie hat {pixels} Bildpunkte")


def _png(path: Path, head: Any, frame: int) -> bytes:
    import numpy as np
    from PIL import Image
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
    from pydicom.pixels.utils import pixel_array

    values = pixel_array(path, index=frame)
    if values.ndim == 2:  # noqa: PLR2004  (grey; three dimensions are colours)
        values = apply_voi_lut(apply_modality_lut(values, head), head).astype(np.float64)
        low, high = float(values.min()), float(values.max())
        scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
        if str(head.get("PhotometricInterpretation")) == "MONOCHROME1":
            scaled = 1.0 - scaled
        values = (scaled * 255.0).round().astype(np.uint8)
    picture = Image.fromarray(values)
    picture.thumbnail((MOST_SIDE, MOST_SIDE))
    written = BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


def _cannot(english: str, german: str) -> Invalid:
    return Invalid(
        f"this DICOM file cannot be drawn here: {english}; fetch the file for a viewer",
        {
            "de": f"Diese DICOM-Datei lässt sich hier nicht darstellen: {german}. Für ein "
            "Betrachtungsprogramm kann sie heruntergeladen werden.",
            "en": f"This DICOM file cannot be drawn here: {english}. It can be fetched for a viewer.",
        },
    )
