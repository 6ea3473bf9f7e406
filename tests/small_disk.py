"""A disk of a megabyte that a test may fill."""

import contextlib
import os
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(path):
    """Mounted at ``path`` for as long as the block runs; skips where mounting is not permitted."""
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(path)], check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def fill(path):
    """Take the last byte."""
    with path.open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))
