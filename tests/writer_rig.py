"""A recorder's stored lane on a ring and a spool of its own, without a broker."""

from ring_writer import Ring

from broker.codec import decode
from broker.contract import STREAMS
from broker.spool import Spool
from services.controller.blackbox.recording import Recordings
from services.controller.recorder.known_sessions import KnownSessions
from services.controller.recorder.writer import Writer


class Gateway:
    """A ring, a spool and a writer on them, in one directory."""

    def __init__(self, directory, **options):
        self.directory = directory
        self.ring = Ring(directory, **options)
        self.spool = Spool(Spool.open(directory / "spool.db"))
        self.sessions = KnownSessions(directory / "session.db")
        self.writer = self.again()

    def again(self):
        """A new writer on the same files: what a restarted recorder has."""
        self.writer = Writer(
            self.ring.memory, self.spool, self.sessions, Recordings(self.directory / "recordings"), 200.0
        )
        return self.writer

    def rows(self, stream=None, device="bed-01"):
        """Decoded messages of the spool in their order; every one must be what the contract allows."""
        found = [row for row in self.spool.pending(0, 1_000_000) if stream in (None, row.stream)]
        return [decode(STREAMS[row.stream], row.payload) for row in found if row.device == device]

    def close(self):
        """Give everything back."""
        self.sessions.close()
        self.spool.connection.close()
        self.ring.close()
