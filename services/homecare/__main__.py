"""`python -m services.homecare`: home programmes, and the pages that patients open at home."""

from services.homecare.api import routers
from services.homecare.handlers import handlers
from services.homecare.settings import HomecareSettings
from services.homecare.tables import PACKAGE, TABLES
from services.kit.auth import tokens
from services.kit.business.service import Work, open_office, run
from services.kit.errors import refusals_in_one_line


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        settings = HomecareSettings.load()
        office = open_office("homecare", PACKAGE, TABLES, settings)
        run(office, Work(handlers(office), routers(office)), tokens.HOMECARE)


if __name__ == "__main__":
    main()
