"""`python -m services.billing`: charges, estimates, invoices, payments."""

from services.billing.api import routers
from services.billing.charges.completing import Completing
from services.billing.estimates.erasing import Erasing
from services.billing.estimates.models import MOST_SIGNED
from services.billing.figures import figures
from services.billing.handlers import handlers
from services.billing.invoices.drafting import Drafting
from services.billing.payments.statements import MOST_BYTES
from services.billing.people import People
from services.billing.settings import BillingSettings
from services.billing.tables import PACKAGE, TABLES
from services.kit.auth import tokens
from services.kit.business.repeating import Repeating
from services.kit.business.service import Work, open_office, run
from services.kit.errors import refusals_in_one_line

FORM_BYTES = 100_000  # around a file


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        settings = BillingSettings.load()
        office = open_office("billing", PACKAGE, TABLES, settings)
        people = People(settings)
        every_s = settings.billing_every_s
        completing = Repeating("identities", Completing(office, people).turn, every_s)
        drafting = Repeating("drafts", Drafting(office).turn, every_s)
        erasing = Repeating("erasing", Erasing(office).turn, every_s)
        work = Work(
            handlers(office),
            routers(office, people),
            checks=[completing.check(), drafting.check(), erasing.check()],
            background=[completing.start, drafting.start, erasing.start],
            figures=[figures],
            larger_requests={
                "/bank-statements": MOST_BYTES + FORM_BYTES,
                "/signed": MOST_SIGNED + FORM_BYTES,
            },
        )
        run(office, work, tokens.BILLING)


if __name__ == "__main__":
    main()
