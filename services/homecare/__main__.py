"""`python -m services.homecare`: home programmes, and the pages that patients open at home."""

from services.homecare.api import routers
from services.homecare.handlers import handlers
from services.homecare.programmes.erasing import Erasing
from services.homecare.programmes.settling import Settling
from services.homecare.reminders.reminding import Reminding
from services.homecare.settings import HomecareSettings
from services.homecare.tables import PACKAGE, TABLES
from services.kit.auth import tokens
from services.kit.business.repeating import Repeating
from services.kit.business.service import Work, open_office, run
from services.kit.errors import refusals_in_one_line


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        settings = HomecareSettings.load()
        office = open_office("homecare", PACKAGE, TABLES, settings)
        settling = Repeating("programmes", Settling(office).turn, settings.homecare_every_s)
        erasing = Repeating("erasing", Erasing(office).turn, settings.homecare_every_s)
        reminding = Repeating("reminders", Reminding(office, settings).turn, settings.homecare_every_s)
        work = Work(
            handlers(office), routers(office), checks=[settling.check(), erasing.check(), reminding.check()],
            background=[settling.start, erasing.start, reminding.start], public_origin=settings.home_origin,
        )  # fmt: skip
        run(office, work, tokens.HOMECARE)


if __name__ == "__main__":
    main()
