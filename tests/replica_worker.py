"""A business service reduced to what its leader does: `replica_worker.py DATABASE BROKER`, until it is ended.

It hears `patient` events with a number, writes the number down and tells `cure` of the same id. On stdout:
`up`, then `leads` and `over` as its terms begin and end.
"""

import sys
from uuid import UUID

from business_tables import EFFECTS, STREAM, TABLES, event
from sqlalchemy import insert

from broker.contract import STREAMS
from services.kit.business.duties import Duties
from services.kit.business.leading import Leading, fenced
from services.kit.business.leases import lease_of
from services.kit.business.outbox import Outbox
from services.kit.database import open_database
from services.kit.settings import Settings

NAME = "probe"


def main(database: str, broker: str) -> None:
    """Lead when nobody else does."""
    engine = open_database(database)
    fenced(engine)
    outbox = Outbox(engine, TABLES)

    def handle(connection, heard):
        number = heard.message.data["number"]
        message: UUID = heard.message.id
        connection.execute(insert(EFFECTS), {"message": str(message), "number": number})
        outbox.add(connection, STREAM, "north", event(message, number))

    def begin():
        say("leads")
        return lambda: say("over")

    handlers = {STREAMS["patient"]: handle}
    duties = Duties(NAME, Settings(mqtt_url=broker), engine, TABLES, outbox, handlers, [begin])
    leading = Leading(lease_of(engine, NAME), duties.begin)
    leading.start()
    say("up")
    sys.stdin.read()
    leading.stop()


def say(word):
    """One line, at once."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
