"""Which releases of a gateway and the centre work together: one rule, asked at both ends.

Within one major version of the contract (it is in every topic) messages only gain optional fields, and who
does not know one leaves it out; who does not know a new value refuses that message by name, promises nothing
of it, and has it once it is upgraded. That is tested between a release and the one before it, so the rule is:
the same major release, and minor releases at most one apart. Fifty clinics are not upgraded in one night.
"""

import re
from importlib.metadata import version
from typing import Final

OURS: Final = version("spondyl")
MOST_MINORS_APART: Final = 1
_RELEASE: Final = re.compile(r"(\d{1,6})\.(\d{1,6})(?:[.\-+a-z].*)?")


def together(one: str, other: str) -> bool:
    """Whether these releases (`1.4.2`) work together; one that is not said (empty) is no reason to doubt it.

    What is no release at all works with nothing else than itself.
    """
    if not one or not other or one == other:
        return True
    found = _RELEASE.fullmatch(one), _RELEASE.fullmatch(other)
    if found[0] is None or found[1] is None:
        return False
    (major, minor), (other_major, other_minor) = (map(int, match.groups()) for match in found if match)
    return major == other_major and abs(minor - other_minor) <= MOST_MINORS_APART
