"""The kernel of a version: this program's own, or an earlier one that is still shipped."""

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from services.controller.kernel import cache, layout
from services.kit.errors import SpondylError

RELEASES: Final = {1: "no release", 2: "no release", 3: "0.1.0 and 0.2.0"}  # which had it; CHANGELOG.md
HERE: Final = Path(__file__).parent


class NotShipped(SpondylError):  # noqa: N818  (what the kernel is)
    """A kernel version that this program has not."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One version: its layout (rows, names, phases), its tuning (parameters) and its step."""

    version: int
    layout: Any
    tuning: Any
    step: Any


def versions() -> tuple[int, ...]:
    """Versions that can be replayed, the present one last."""
    frozen = [int(path.name.removeprefix("kernel_")) for path in HERE.iterdir() if _is_frozen(path)]
    return (*sorted(frozen), layout.KERNEL_VERSION)


def _is_frozen(path: Path) -> bool:
    return path.is_dir() and re.fullmatch(r"kernel_\d+", path.name) is not None


def kernel(version: int) -> Kernel:
    """The kernel of this version; raises NotShipped, which says what is shipped and which release had it."""
    if version == layout.KERNEL_VERSION:
        return _imported(version, "services.controller.kernel")
    if version not in versions():
        shipped = ", ".join(map(str, versions()))
        had = RELEASES.get(version)
        where = f"{had} of Spondyl had it" if had else "a later release of Spondyl may have it"
        raise NotShipped(
            f"kernel version {version} is not shipped with this program ({shipped} are): {where}"
        )
    with cache.kept_for(HERE / f"kernel_{version}"):
        return _imported(version, f"{__package__}.kernel_{version}")


def _imported(version: int, package: str) -> Kernel:
    return Kernel(version, *(import_module(f"{package}.{name}") for name in ("layout", "tuning", "step")))
