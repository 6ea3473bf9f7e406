"""`python -m services.controller.shipped.freeze VERSION [--of REVISION]`: keep a kernel as it is, for replay.

Copies the modules that a step needs, from the working tree or a git revision, with their imports made
relative; nothing else of them changes. To be run before ``layout.KERNEL_VERSION`` is raised.
"""

import ast
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from services.controller.kernel import cache
from services.kit.errors import SpondylError

KERNEL: Final = "services/controller/kernel"
ROOT: Final = Path(__file__).parents[3]
ENTRY: Final = "step"
ALSO: Final = ("layout", "tuning")  # what a replay reads besides
PACKAGE: Final = KERNEL.replace("/", ".")


def freeze(version: int, read: Callable[[str], str], into: Path) -> str:
    """Write the kernel whose modules ``read`` gives to ``into``; returns its checksum.

    Raises SpondylError when it is of another version, or when one is there already: it is never overwritten.
    """
    sources = {name: relative(text) for name, text in closure(read).items()}
    found = re.search(r"^KERNEL_VERSION = (\d+)", sources["layout"], re.MULTILINE)
    if found is None or int(found[1]) != version:
        raise SpondylError(f"the kernel to freeze is version {found and found[1]}, not {version} (layout.py)")
    if into.exists():
        raise SpondylError(f"{into} is there already: a frozen kernel is never written again")
    into.mkdir(parents=True)
    sources["__init__"] = (
        f'"""Kernel version {version}, frozen: written by shipped/freeze.py, never edited."""\n'
    )
    for name, text in sources.items():
        (into / f"{name}.py").write_text(text, encoding="utf-8")
    return cache.fingerprint(into.glob("*.py"))


def closure(read: Callable[[str], str]) -> dict[str, str]:
    """Every module that the step imports, by name, and what a replay reads besides."""
    found: dict[str, str] = {}
    wanted = [ENTRY, *ALSO]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = read(name)
            wanted += _imported(found[name])
    return found


def _imported(text: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == PACKAGE:
                found += [alias.name for alias in node.names]
            elif node.module.startswith(PACKAGE + "."):
                found.append(node.module.rpartition(".")[2])
    return found


def relative(text: str) -> str:
    """The text with its imports of the kernel made relative to its own package."""
    return text.replace(f"from {PACKAGE} import", "from . import").replace(f"from {PACKAGE}.", "from .")


def main(
    version: int,
    of: Annotated[str | None, typer.Option(help="A git revision; the working tree when not given.")] = None,
) -> None:
    """Freeze the kernel of this version and say the checksum that its test has to pin."""

    def read(name: str) -> str:
        path = f"{KERNEL}/{name}.py"
        if of is None:
            return (ROOT / path).read_text(encoding="utf-8")
        show = ["git", "show", f"{of}:{path}"]
        return subprocess.run(show, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    into = Path(__file__).parent / f"kernel_{version}"
    typer.echo(f"{into.relative_to(ROOT)}: checksum {freeze(version, read, into)}, to be pinned in tests")


if __name__ == "__main__":
    typer.run(main)
