"""A business service reduced to its outbox: `business_worker.py DATABASE BROKER COUNT`.

It commits so many changes, each with what it tells, says so on stdout and publishes until it is ended.

With BROKER `-` nothing is ever published: a process that is killed between commit and publication.
"""

import sys
import threading
from uuid import uuid5

from business_tables import EFFECTS, NAMES, STREAM, TABLES, event
from sqlalchemy import insert

from broker.bus import Bus
from services.kit.business.outbox import Outbox, Publisher
from services.kit.database import open_database, writing


def main(database: str, broker: str, count: str) -> None:
    """Change, tell, wait for the end."""
    engine = open_database(database)
    outbox = Outbox(engine, TABLES)
    if broker != "-":
        bus = Bus(broker, "worker", session_expiry_s=60)
        bus.start()
        Publisher(outbox, bus).start()
    for number in range(int(count)):
        message = uuid5(NAMES, str(number))
        with writing(engine) as connection:
            connection.execute(insert(EFFECTS), {"message": str(message), "number": number})
            outbox.add(connection, STREAM, "north", event(message, number))
        outbox.woken.set()
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
