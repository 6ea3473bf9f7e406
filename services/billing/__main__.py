"""`python -m services.billing`: charges, estimates, invoices, payments."""

from services.billing.api import routers
from services.billing.charges.completing import Completing
from services.billing.handlers import handlers
from services.billing.invoices.drafting import Drafting
from services.billing.people import People
from services.billing.settings import BillingSettings
from services.billing.tables import PACKAGE, TABLES
from services.kit.auth import tokens
from services.kit.business.service import Work, open_office, run
from services.kit.errors import refusals_in_one_line


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        settings = BillingSettings.load()
        office = open_office("billing", PACKAGE, TABLES, settings)
        people = People(settings)
        completing = Completing(office, people, every_s=settings.billing_every_s)
        drafting = Drafting(office, every_s=settings.billing_every_s)
        work = Work(
            handlers(office),
            routers(office, people),
            checks=[completing.check(), drafting.check()],
            background=[completing.start, drafting.start],
        )
        run(office, work, tokens.BILLING)


if __name__ == "__main__":
    main()
