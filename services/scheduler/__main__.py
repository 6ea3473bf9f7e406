"""`python -m services.scheduler`: cures, appointments, the planner and worklists."""

from functools import partial

from services.kit.auth import tokens
from services.kit.business.service import Work, open_office, run
from services.kit.errors import refusals_in_one_line
from services.scheduler.api import routers
from services.scheduler.booking import warming
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.improving import Improving
from services.scheduler.clock import utc_now
from services.scheduler.handlers import handlers
from services.scheduler.notices.reminding import Reminding
from services.scheduler.resources import telling
from services.scheduler.settings import SchedulerSettings
from services.scheduler.tables import PACKAGE, TABLES
from services.scheduler.worklists import publishing
from services.scheduler.worklists.names import Names


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        settings = SchedulerSettings.load()
        office = open_office("scheduler", PACKAGE, TABLES, settings)
        reminding = Reminding(office, settings)
        background = (
            partial(publishing.begin, office, Names(settings)),
            reminding.start,
            partial(telling.begin, office, utc_now),
            Improving(Desk(office, utc_now)).start,
        )
        work = Work(
            handlers(office), routers(office), checks=[reminding.check()], background=background,
            everywhere=[warming.begin],
        )  # fmt: skip
        run(office, work, tokens.SCHEDULER)


if __name__ == "__main__":
    main()
