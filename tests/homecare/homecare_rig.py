"""Homecare in this process: its database, its API asked in any role, what other services tell it.

The clock stands at NOW until a test sets ``rig.now``.
"""

from datetime import UTC, datetime
from uuid import uuid4

import migrated
from business_rig import BusinessRig

from services.homecare.api import routers
from services.homecare.handlers import handlers
from services.homecare.settings import HomecareSettings
from services.homecare.tables import PACKAGE, TABLES
from services.kit import http
from services.kit.auth import tokens
from services.kit.auth.guard import bearer
from services.kit.business.service import open_office

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)  # a Monday, 08:00 in Berlin


class HomecareRig(BusinessRig):
    """One homecare service; on a PostgreSQL by its ``url``, else on SQLite below the directory."""

    audience, role = tokens.HOMECARE, "clinician"

    def __init__(self, directory, url=None, **settings):
        self.directory, self.now = directory, NOW
        self.keys = tokens.ensure_keys(directory)
        self.settings = HomecareSettings(data=directory, business_database_url=url, **settings)
        migrated.begin(self.settings.database("homecare"), PACKAGE)
        self.office = open_office("homecare", PACKAGE, TABLES, self.settings)
        self.handlers = handlers(self.office, lambda: self.now)
        self.app = http.create_app(
            "homecare",
            "0",
            routers=routers(self.office, lambda: self.now),
            guard=bearer(self.keys.public.read_bytes(), tokens.HOMECARE),
            public_origin=self.settings.home_origin,
        )
        self.clinic_event("site.settings", zone="Europe/Berlin")

    def patient(self, site="north"):
        """The id of somebody with a file."""
        patient = uuid4()
        self.clinic_event("patient.registered", site, patient=patient)
        return patient
