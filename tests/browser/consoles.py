"""Which consoles there are; a module of its own, for pytest loads conftest under another name than rigs."""

from typing import Final

from console.account_rig import AccountRig

CONSOLES: Final[dict[str, AccountRig]] = {}  # address: the people of the console there
