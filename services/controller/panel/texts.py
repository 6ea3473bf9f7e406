"""Every text of the bedside page in German and English, from the gettext catalogues in ``locale/``."""

from pathlib import Path
from typing import Final

from services.kit import catalogues
from services.kit.pages import Table
from services.kit.words import COMMON

TEXTS: Final[Table] = {**COMMON, **catalogues.load(Path(__file__).parent / "locale")}
