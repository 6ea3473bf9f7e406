"""`python -m services.screening`: the patient's file, and who may be treated."""

from services.kit.auth import tokens
from services.kit.business.service import Work, open_office, run
from services.kit.errors import refusals_in_one_line
from services.screening.api import routers
from services.screening.exchange.watch import Watcher
from services.screening.handlers import handlers
from services.screening.settings import ScreeningSettings
from services.screening.tables import PACKAGE, TABLES


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        office = open_office("screening", PACKAGE, TABLES, ScreeningSettings.load())
        watcher = Watcher(office)
        work = Work(handlers(office), routers(office), checks=[watcher.check()], background=[watcher.start])
        run(office, work, tokens.SCREENING)


if __name__ == "__main__":
    main()
