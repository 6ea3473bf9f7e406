"""Which directories of a backup are put back: a centre's own come before its databases can be reached."""

from dataclasses import dataclass
from typing import Final

from deploy.keeping.packing import Pack
from services.kit.errors import SpondylError


@dataclass(frozen=True, slots=True)
class Parts:
    """Directories of DATA that alone are put back, or that are left as they are; neither: everything."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def are_files(self) -> bool:
        """Whether nothing but files of named directories is asked for."""
        return bool(self.only)

    def wants(self, name: str) -> bool:
        """Whether a file or directory of this name below DATA is put back."""
        first = name.partition("/")[0]
        return first in self.only if self.only else first not in self.without

    def check(self, pack: Pack) -> None:
        """Refuse a directory that the backup lacks. Raises SpondylError."""
        there = set(pack.manifest.get("parts", ()))
        if missing := [name for name in (*self.only, *self.without) if name not in there]:
            raise SpondylError(
                f"{pack.path} has no directory {missing[0]!r}: it has {', '.join(sorted(there)) or 'none'}"
            )


EVERYTHING: Final = Parts()
