"""`python -m services.scheduler`: cures, appointments, the planner and worklists."""

from services.kit.auth import tokens
from services.kit.business.service import Work, open_office, run
from services.kit.errors import refusals_in_one_line
from services.scheduler.api import routers
from services.scheduler.handlers import handlers
from services.scheduler.settings import SchedulerSettings
from services.scheduler.tables import PACKAGE, TABLES


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        office = open_office("scheduler", PACKAGE, TABLES, SchedulerSettings.load())
        run(office, Work(handlers(office), routers(office)), tokens.SCHEDULER)


if __name__ == "__main__":
    main()
