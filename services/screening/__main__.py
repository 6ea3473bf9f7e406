"""`python -m services.screening`: the patient's file, and who may be treated."""

from typing import Final

from services.kit.auth import tokens
from services.kit.business.service import Work, open_office, run
from services.kit.errors import refusals_in_one_line
from services.screening.api import routers
from services.screening.consent import signing
from services.screening.exchange.watch import Watcher
from services.screening.handlers import handlers
from services.screening.patients import unneeded
from services.screening.patients.attachments import Cabinet
from services.screening.settings import ScreeningSettings
from services.screening.tables import PACKAGE, TABLES

FORM_BYTES: Final = 100_000  # of a form around a file


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        settings = ScreeningSettings.load()
        office = open_office("screening", PACKAGE, TABLES, settings)
        unneeded.remove(office, Cabinet(office.directory))
        watcher = Watcher(office)
        work = Work(
            handlers(office),
            routers(office),
            checks=[watcher.check()],
            background=[watcher.start],
            larger_requests={
                "/attachments": settings.attachment_most_bytes + FORM_BYTES,
                "/scan": signing.MOST_SCAN + FORM_BYTES,
            },
        )
        run(office, work, tokens.SCREENING)


if __name__ == "__main__":
    main()
