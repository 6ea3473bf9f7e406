"""Which files are one person: as screening tells of merges."""

from services.billing.charges.tables import FILES

put, current, files = FILES.put, FILES.current, FILES.of
