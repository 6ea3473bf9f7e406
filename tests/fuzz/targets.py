"""What is fuzzed: every reader of bytes that others write, as one function each.

A target returns what it understood, or None for a refusal that the reader promises. Anything else that it
raises is a finding. ``read`` also checks what must hold of a value: a fast reader and a slow one agree.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from broker import codec, topics
from broker.contract import STREAMS, TENSION
from broker.splitter import MalformedStream, Splitter
from services.billing.checking import readers
from services.billing.errors import Invalid
from services.billing.papers import archival, arithmetic, schematron, validating
from services.billing.payments import statements
from services.kit.auth import tokens
from services.kit.errors import NotSignedIn
from services.screening.exchange.commands import table, told
from services.screening.exchange.errors import GdtUnreadable
from services.screening.exchange.gdt import people, reading
from services.telemetry.archive import codec as archived
from services.telemetry.errors import Corrupt
from services.telemetry.ingest.fast import head_of

SEEDS: Final = Path(__file__).parent / "seeds"
NAMES: Final = tuple(STREAMS)
LARGEST_PACKET: Final = 1 << 20
STRANGER: Final = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


@dataclass(frozen=True, slots=True)
class Target:
    """One reader: what it refuses with, and the most CPU time that any small input may take."""

    name: str
    read: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...]
    most_s: float = 1.0

    def __call__(self, data: bytes) -> Any:
        """What the reader makes of it; None for a refusal."""
        try:
            return self.read(data)
        except self.refusals as refusal:
            said = str(refusal)
            assert said, "a refusal without a word"
            assert len(said) < 2000, f"a refusal of {len(said)} characters"
            return None

    @property
    def seeds(self) -> list[Path]:
        """Inputs that are worth trying again: real ones, hostile ones, and each that ever failed."""
        return sorted((SEEDS / self.name).iterdir())


def message(data: bytes) -> Any:
    """The first byte chooses the stream."""
    stream = STREAMS[NAMES[data[0] % len(NAMES)]] if data else TENSION
    found = codec.decode(stream, data[1:])
    assert codec.decode(stream, codec.encode(stream, found)) == found
    return found


def tension(data: bytes) -> Any:
    """What the fast reader lets pass is a block of the contract, in all but its boot."""
    head = head_of(data)
    try:
        block = codec.decode(TENSION, data)
    except codec.Malformed as refusal:
        if head is None or "boot" in str(refusal) or len(data) > TENSION.max_bytes:
            raise
        raise AssertionError(f"the fast reader let pass what the contract refuses: {refusal}") from refusal
    if head is not None:
        assert (head.seq, head.samples, head.started_at, head.period_ms) == (
            block.seq, len(block.tension_n), block.started_at, block.period_ms,
        )  # fmt: skip
    return block


def packets(data: bytes) -> Any:
    """The bytes of a connection give the same packets however they are cut."""
    whole = Splitter(LARGEST_PACKET).feed(data)
    found, others, one = [], b"", Splitter(LARGEST_PACKET)
    for at in range(0, len(data), 7):
        publications, rest = one.feed(data[at : at + 7])
        found, others = found + publications, others + rest
    assert (found, others) == whole
    return found


def topic(data: bytes) -> Any:
    """What is parsed is written back as it was."""
    text = data.decode("utf-8", "surrogateescape")
    found = topics.parse(text)
    assert found.topic == text
    return found


def gdt(data: bytes) -> Any:
    """Read, told as JSON and as a table, and made a person."""
    found = reading.read(data)
    assert len(found.warnings) <= reading.MOST_WARNINGS + 1
    assert found.records
    for record in found.records:
        people.person_of(record)
    return told(found), table(found)


def einvoice(data: bytes) -> Any:
    """The XML of an invoice: schema and sums; the schematron sees only what passed the schema."""
    root = schematron.parsed(data)
    broken = [str(one.message) for one in schematron.against_xsd(root)]
    number, total = root.findtext(validating._NUMBER) or "", validating._total(root)
    return broken or (arithmetic.problems(root), list(validating._printed("page 1", number, total)))


def invoice_pdf(data: bytes) -> Any:
    """An invoice as a file: the whole report but the rules of its XML, which are another target's."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    opened = archival.opened(data)
    return archival.marks(opened), archival.pages_of(opened), opened.xml


def whole_report(data: bytes) -> Any:
    """`spondyl invoice verify`: never raises for what the file holds."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    found = validating.report(data)
    assert found.findings
    return found.body()


def invoice_json(data: bytes) -> Any:
    """`spondyl invoice check`: a typed invoice, or FHIR."""
    return readers.check(data.decode("utf-8", "surrogateescape"))


def statement(data: bytes) -> Any:
    """A bank's camt.053."""
    found = statements.read(data)
    assert all(len(one.name) <= 200 and len(one.purpose) <= 1000 for one in found.entries)
    return found


def token(data: bytes) -> Any:
    """Nobody but the holder of the key is somebody."""
    tokens.read(data.decode("latin-1"), STRANGER)
    raise AssertionError("a token was believed that nobody signed")


def archive_block(data: bytes) -> Any:
    """A block of the archive, whose checksum whoever may write to the store can make right."""
    run = archived.decode(archived.MAGIC + crc32(data).to_bytes(4, "little") + data)
    assert run.count <= archived.MAX_SAMPLES
    return run.count


TARGETS: Final = {
    target.name: target
    for target in (
        Target("message", message, (codec.Malformed,)),
        Target("tension", tension, (codec.Malformed,)),
        Target("packets", packets, (MalformedStream,)),
        Target("topic", topic, (topics.TopicError,)),
        Target("gdt", gdt, (GdtUnreadable,)),
        Target("einvoice", einvoice, (schematron.etree.XMLSyntaxError,)),
        Target("invoice-pdf", invoice_pdf, (ValueError,), most_s=5.0),
        Target("invoice-json", invoice_json, (Invalid,)),
        Target("statement", statement, (Invalid,)),
        Target("token", token, (NotSignedIn,)),
        Target("archive-block", archive_block, (Corrupt,)),
    )
}
