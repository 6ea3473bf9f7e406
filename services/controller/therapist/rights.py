"""With whose rights a scenario brings faults: a token for the panels of one site, not the access key."""

from pathlib import Path

from services.kit.auth import tokens
from services.kit.auth.principal import SYSTEM

MINUTE_S = 60.0


def faults_path(data: Path, site: str) -> Path:
    """Where one lies that was made before."""
    return data / "secrets" / f"faults-{site}.token"


def faults_token(key: Path, site: str, valid_s: float = MINUTE_S) -> str:
    """Signed with the access key; at a panel no token starts, resumes or changes anything.

    Raises SpondylError for a key that is none.
    """
    return tokens.mint(key, SYSTEM.at(site), valid_s, audiences=(tokens.PANEL,))
