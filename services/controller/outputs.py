"""Files a command writes for its user: looked at before the work begins, whole or not at all afterwards."""

import os
from pathlib import Path

from services.kit.errors import SpondylError


def require_writable(path: Path) -> None:
    """Refuse a path that could not be written in the end, so that nothing is half done."""
    if path.is_dir():
        raise SpondylError(f"{path}: is a directory, a file name is wanted")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise SpondylError(f"{path}: the directory {path.parent} does not exist or may not be written")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it appears complete or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SpondylError(f"{path}: cannot be written: {error.strerror}") from None
