"""Raw packets -> the batch that stores them: tension by the fast reader, all else by the contract's."""

from typing import Final

import structlog

from broker import codec, contract
from broker.bus import Delivery
from broker.inbox import Refusals, sender
from broker.links import Packet
from services.telemetry.ingest.fast import head_of
from services.telemetry.ingest.handlers import Unstorable, collect
from services.telemetry.models import MAX_SEQ, Batch, Entry, Source
from services.telemetry.watch import IngestMetrics

log = structlog.get_logger(__name__)

SOURCES: Final = 100_000  # spellings of sources kept


class Collector:
    """Turns packets into batches; remembers how sources are spelled. One thread."""

    def __init__(self, refusals: Refusals, metrics: IngestMetrics) -> None:
        self._refusals = refusals
        self._metrics = metrics
        self._sources: dict[tuple[str, str | None, str], Source] = {}  # site, device, boot as it was written

    def collect(self, packets: list[Packet], batch: Batch) -> None:
        """Add what the packets mean; the malformed and the unstorable are counted and left out."""
        entries, sources = batch.entries, self._sources
        head = None
        for packet in packets:
            address = packet.address
            if address.stream is contract.TENSION and (found := head_of(packet.payload)) is not None:
                source = sources.get((address.site, address.device, found.boot))
                after = found.seq + found.samples
                if source is not None and after <= MAX_SEQ:
                    entries.append(Entry("tension", source, found.seq, after, packet.payload))
                    head = found
                    continue
            self._collect(packet, batch)
        if head is not None:
            ends_at = head.started_at.timestamp() + head.samples * head.period_ms / 1000
            batch.newest_at = max(batch.newest_at, ends_at)

    def prune(self) -> None:
        """Keep the memory bounded."""
        if len(self._sources) > SOURCES:
            self._sources.clear()

    def _collect(self, packet: Packet, batch: Batch) -> None:
        """By the contract's own reader."""
        address, payload = packet.address, packet.payload
        try:
            message = codec.decode(address.stream, payload)
        except codec.Malformed as error:
            self._refusals.note(sender(address.topic), str(error))
            return
        delivery = Delivery(
            stream=address.stream, site=address.site, device=address.device, message=message, payload=payload,
            retained=packet.retained, duplicate=packet.duplicate, response_topic=None, correlation=None,
            generation=packet.link.connection.generation, mid=int.from_bytes(packet.mid), serial=0,
        )  # fmt: skip
        try:
            collect(delivery, batch)
        except Unstorable as error:
            self._metrics.unstorable.inc()
            log.warning("unstorable message", site=address.site, device=address.device, why=str(error))
            return
        if address.stream is contract.TENSION:
            source = batch.entries[-1].source
            self._sources[address.site, address.device, str(source.boot)] = source
