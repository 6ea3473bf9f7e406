"""The recorder's process: reads the sample ring, stores, announces, publishes, answers commands.

    python -m services.controller.recorder

Three lanes meet in one thread: *live* (state and alarms of the newest samples, never waits for a disk),
*stored* (blocks, black box and events into the spool, exactly once) and *drain* (spool to broker). The loop
never waits for any of them: this process may be killed at any moment.
"""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import structlog

from broker.bus import Bus, BusError, Delivery, Will
from broker.contract import COMMAND, COMMITTED, MISSING, OPERATORS, STATUS, STREAMS, WORKLIST
from broker.drain import Drain, Span, backlog_rate
from broker.messages import Committed, DeviceInfo, GatewayStatus, Missing, Operators, Worklist
from broker.spool import Spool, SpoolError, SpoolFull
from broker.topics import TopicError
from services.controller.beds.addresses import SIMULATED
from services.controller.bedside.reports import Report, Reports
from services.controller.bedside.suspending import Suspender
from services.controller.blackbox.recording import Recordings
from services.controller.centre.operators import Keeper, access_key
from services.controller.centre.worklists import Keeper as WorklistKeeper
from services.controller.centre.worklists import Worklists
from services.controller.errors import StoreUnavailable
from services.controller.kernel import layout
from services.controller.loop.interruption import Interruptions
from services.controller.loop.shared import ForeignMemory, GatewayMemory, LoopFile
from services.controller.recorder import ledger
from services.controller.recorder.books import Note
from services.controller.recorder.known_sessions import KnownSessions
from services.controller.recorder.live import Live
from services.controller.recorder.lost_rows import LostRows
from services.controller.recorder.remote import Answer, RemoteDesk
from services.controller.recorder.writer import Writer, end_boot
from services.controller.settings import ControllerSettings
from services.kit import logging
from services.kit.connections import open_bus
from services.kit.errors import refusals_in_one_line
from services.kit.sealed import ensure_key, public_text

log = structlog.get_logger(__name__)

ROUND_S: Final = 0.04  # at most so long does a remote stop wait here
LOOK_S: Final = 0.5  # how often loop.json and the spool's size are looked at
RETRY_S: Final = 1.0  # after the disk was full or a database locked
SESSION_EXPIRY_S: Final = 60
CLOSE_S: Final = 0.3  # what is in flight may still be answered; the supervisor waits 0.8 s
MAX_NOTES: Final = 1000  # events that wait for a full disk; later ones are only logged
CAPABILITIES: Final = ("stop", "pause", "blackbox", "heat")


@dataclass(slots=True)
class Station:
    """Everything that belongs to one boot of the loop."""

    memory: GatewayMemory
    bus: Bus
    live: Live
    writer: Writer
    drain: Drain
    desk: RemoteDesk
    suspender: Suspender


@dataclass(slots=True)
class Recorder:
    """Serves one gateway's directory from loop to loop until told to stop."""

    settings: ControllerSettings
    directory: Path
    spool: Spool
    sessions: KnownSessions
    recordings: Recordings
    keeper: Keeper
    lists: WorklistKeeper
    worklists: Worklists
    interruptions: Interruptions
    sealing_key: str
    station: Station | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    lost: LostRows = field(default_factory=LostRows)
    _notes: list[tuple[Note, Delivery | None]] = field(default_factory=list)
    _commits: dict[tuple[str, UUID], Committed] = field(default_factory=dict)  # the newest a device and boot
    _told: set[UUID] | None = None  # reports and acknowledgements; None: not read yet
    _not_before: float = 0.0
    _looked: float = 0.0
    _trouble: str | None = None

    @classmethod
    def open(cls, settings: ControllerSettings) -> "Recorder":
        """Open spool and books in the gateway's directory; SpoolError when they cannot be."""
        directory = settings.data / "gateways" / settings.site
        directory.mkdir(parents=True, exist_ok=True)
        spool = Spool(Spool.open(directory / "spool.db"))
        ledger.prepare(spool.connection)
        sessions = KnownSessions(directory / "session.db")
        keeper = Keeper(directory, partial(access_key, settings), settings.site, time.time)
        lists = WorklistKeeper(directory, time.time)
        worklists = Worklists(directory, reports=Reports(sessions.reports))
        worklists.refresh()
        sealing_key = public_text(ensure_key(settings.sealing_key))
        recordings, left = Recordings(directory / "recordings"), Interruptions(directory)
        return cls(
            settings, directory, spool, sessions, recordings, keeper, lists, worklists, left, sealing_key
        )

    def run(self) -> None:
        """Go round until ``stopping``; a boot that ends meanwhile is brought to its end."""
        while not self.stopping.is_set():
            try:
                self._look()
            except (SpoolError, StoreUnavailable) as error:  # nothing is given up: the next look tries again
                self._complain(str(error))
            if self.station is None:
                self.stopping.wait(ROUND_S)
                continue
            self.round(self.station)
        self.close()

    def round(self, station: Station) -> None:
        """One round: live, commands, stored, drain, health."""
        for stream, device, message in station.live.advance():
            station.bus.announce(STREAMS[stream], message, self.settings.site, device)
        self._receive(station)
        self._answer(station, station.desk.verdicts())
        self._store(station)
        station.drain.tick()
        _beat(station.memory)
        station.memory.health["recorder_tick"] = station.writer.next
        station.memory.health["mqtt_connected"] = int(station.bus.connected)
        self.worklists.line.take(station.bus.refusal)

    def close(self) -> None:
        """The normal end: store what is complete (everything, when the loop has ended), say so, let go."""
        if self.station is not None:
            try:
                self._store_last(self.station)
            except (SpoolError, StoreUnavailable) as error:
                self._complain(f"the last samples wait in the ring: {error}")
            self._leave(self.station)
            self.station = None
        self.sessions.close()
        self.spool.connection.close()

    def _store_last(self, station: Station) -> None:
        if station.memory.alive():
            station.writer.store()
            return
        self._finish(station.writer, station.memory)
        status = self._status(station.memory, "stopped")
        station.bus.announce(STATUS, status, self.settings.site, station.memory.gateway)

    # --- boots -------------------------------------------------------------------------------------------
    def _look(self) -> None:
        """Every LOOK_S: is it still the same loop, and how much waits in the spool."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        self.keeper.again()
        self.lists.again()
        found = LoopFile.load(self.directory)
        if self.station is not None:
            self._measure(self.station)
            self._suspend(self.station)
            self._tell_reports(self.station)
            self._tell_acknowledgements(self.station)
        if found is None or (self.station is not None and str(self.station.memory.boot) == found.boot):
            return
        try:
            memory = GatewayMemory.attach(found.path)
        except ForeignMemory as error:
            self._complain(str(error))
            return
        self._change(memory, found)

    def _change(self, memory: GatewayMemory, found: LoopFile) -> None:
        """A new boot: end the one before, then serve this one."""
        _beat(memory)
        if self.station is not None:
            self._finish(self.station.writer, memory)
            self._leave(self.station)
            self.station = None
        else:
            self._settle_before(memory, found)
        self.station = self._enter(memory)

    def _settle_before(self, memory: GatewayMemory, found: LoopFile) -> None:
        """The recorder was away when the loop changed: fetch what the old memory still holds."""
        position = ledger.load(self.spool.connection)
        if position is None or position.boot == memory.boot:
            return
        before = _attach_if(found.previous, lambda old: old.boot == position.boot)
        if before is not None:
            self._finish(self._writer(before), memory)
            before.close()
        else:
            end_boot(self.spool, self.sessions)

    def _enter(self, memory: GatewayMemory) -> Station:
        writer = self._writer(memory)
        position = ledger.load(self.spool.connection)
        mine = position is not None and position.boot == memory.boot
        boards = {name: row.get("board") for name, row in position.beds.items()} if mine and position else {}
        bus = self._bus(memory)
        station = Station(
            memory,
            bus,
            Live.resume(memory, self.sessions, writer.next, boards, self.interruptions),
            writer,
            Drain(
                self.spool,
                bus,
                self.settings.site,
                backlog_rate(len(memory.devices) * 1000 / self.settings.block_ms),
            ),
            RemoteDesk(memory),
            Suspender(memory, self.sessions, self.worklists),
        )
        bus.announce(STATUS, self._status(memory, "online"), self.settings.site, memory.gateway)
        bus.subscribe(OPERATORS, self.settings.site, memory.gateway)
        for device in memory.devices:
            bus.subscribe(COMMAND, self.settings.site, device)
            bus.subscribe(COMMITTED, self.settings.site, device)
            bus.subscribe(MISSING, self.settings.site, device)
            bus.subscribe(WORKLIST, self.settings.site, device)
        bus.start()
        log.info("recording", boot=str(memory.boot), devices=list(memory.devices), next=writer.next)
        return station

    def _leave(self, station: Station) -> None:
        """Send what can be sent at once and let go of the boot."""
        station.drain.tick()
        station.memory.health["mqtt_connected"] = 0
        station.memory.health["recorder_tick"] = station.writer.next
        station.bus.close(timeout_s=CLOSE_S)
        station.memory.close()

    def _finish(self, writer: Writer, seen_at: GatewayMemory) -> None:
        """Store the rest of a boot that is over, without being taken for one that hangs."""
        writer.finish(lambda: _beat(seen_at))
        log.info("boot ended", boot=str(writer.memory.boot), next=writer.next)

    def _writer(self, memory: GatewayMemory) -> Writer:
        return Writer(memory, self.spool, self.sessions, self.recordings, self.settings.block_ms)

    # --- the bus -----------------------------------------------------------------------------------------
    def _bus(self, memory: GatewayMemory) -> Bus:
        will = Will(STATUS, self._status(memory, "lost"), self.settings.site, memory.gateway)
        return open_bus(
            self.settings,
            memory.gateway,
            must_fit=False,  # whatever becomes of papers, the record goes on
            site=self.settings.site,
            will=will,
            session_expiry_s=SESSION_EXPIRY_S,
        )

    def _status(self, memory: GatewayMemory, state: Literal["online", "stopped", "lost"]) -> GatewayStatus:
        return GatewayStatus(
            state=state,
            gateway=memory.gateway,
            boot=memory.boot,
            at=datetime.now(UTC),
            devices=[
                DeviceInfo(device=device, kind=_kind(address), regions=["lumbar", "cervical"], heat=True)
                for device, address in zip(memory.devices, memory.addresses, strict=True)
            ],
            versions={"spondyl": version("spondyl"), "kernel": str(layout.KERNEL_VERSION)},
            period_ms=memory.period_ns / 1e6,
            block_ms=self.settings.block_ms,
            capabilities=list(CAPABILITIES),
            sealing_key=self.sealing_key,
        )

    def _receive(self, station: Station) -> None:
        try:
            deliveries = station.bus.take(100, ROUND_S)
        except BusError as error:
            self._complain(str(error))
            self.stopping.wait(ROUND_S)
            return
        for delivery in deliveries:
            if isinstance(delivery.message, Committed):
                self._note_commit(str(delivery.device), delivery.message)
                self.worklists.centre.take(delivery.message.release)
                station.bus.acknowledge([delivery])  # retained and cumulative: the next one says it again
            elif isinstance(delivery.message, Missing):
                self._send_again(station, str(delivery.device), delivery.message)
                station.bus.acknowledge([delivery])  # asked again until it has come
            elif isinstance(delivery.message, Operators):
                self.keeper.take(delivery.message.signed)
                station.bus.acknowledge([delivery])  # retained: it comes again with the next connection
            elif isinstance(delivery.message, Worklist):
                self.lists.take(str(delivery.device), delivery.message)
                self._suspend(station)
                station.bus.acknowledge([delivery])  # retained: it comes again with the next connection
            else:
                self._answer(station, station.desk.take(delivery))

    def _suspend(self, station: Station) -> None:
        """Pause whom the worklists say, and record why."""
        station.suspender.look()
        notes, station.suspender.notes = station.suspender.notes, []
        self._notes += [(note, None) for note in notes][: MAX_NOTES - len(self._notes)]

    def _tell_reports(self, station: Station) -> None:
        """Record every report of an adverse event that is not told yet, as its session's event."""
        for made in self.worklists.reports.all():
            if self._is_new(made.report):
                self._notes.append((report_note(made, station.memory.devices), None))

    def _tell_acknowledgements(self, station: Station) -> None:
        """Show what somebody at a bed has seen as seen, and record it once as its session's event."""
        try:
            given = self.sessions.acknowledgements(station.memory.boot)
        except StoreUnavailable:  # a file of an earlier release, until the panel has started
            return
        station.live.acknowledged(given)
        for row in given:
            if row.device in station.memory.devices and self._is_new(row.id):
                bed = station.memory.devices.index(row.device)
                note = Note(bed, "operator.action", row.seen.at_ns, row.told(), row.session, row.id)
                self._notes.append((note, None))

    def _is_new(self, identity: UUID) -> bool:
        """Whether this is told for the first time, and there is room to tell it."""
        if self._told is None:
            self._told = ledger.told(self.spool.connection)
        if identity in self._told or len(self._notes) >= MAX_NOTES:
            return False
        self._told.add(identity)
        return True

    def _note_commit(self, device: str, committed: Committed) -> None:
        """Cumulative: what was once said to be stored stays stored, whatever an older message says later."""
        before = self._commits.get((device, committed.boot))
        if before is not None:
            furthest = {
                stream: max(before.next.get(stream, 0), committed.next.get(stream, 0))
                for stream in before.next.keys() | committed.next.keys()
            }
            committed = committed.model_copy(update={"next": furthest})
        self._commits[device, committed.boot] = committed

    def _send_again(self, station: Station, device: str, missing: Missing) -> None:
        """What the spool has goes out again; what it does not have and should is named lost, once."""
        if device not in station.memory.devices:
            return
        wanted = Span(missing.stream, device, missing.boot, missing.first, missing.next)
        station.drain.want(wanted)
        try:
            notes = self.lost.named(wanted, station.writer)
        except SpoolError as error:
            self._complain(str(error))
            return
        self._notes += [(note, None) for note in notes][: MAX_NOTES - len(self._notes)]

    def _answer(self, station: Station, answers: Sequence[Answer]) -> None:
        """Reply; what must be recorded is acknowledged only when it is."""
        for answer in answers:
            try:
                station.bus.reply(answer.delivery, answer.reply, timeout_s=0.0)
            except (BusError, TopicError) as error:
                log.warning("reply not sent", device=answer.delivery.device, why=str(error))
            if answer.note is not None and len(self._notes) < MAX_NOTES:
                self._notes.append((answer.note, answer.delivery))
            else:
                station.bus.acknowledge([answer.delivery])

    # --- storing -----------------------------------------------------------------------------------------
    def _store(self, station: Station) -> None:
        now = time.monotonic()
        if now < self._not_before:
            return
        station.writer.boards = station.live.boards()
        station.writer.gateway_alarms = station.live.gateway_alarms()
        notes, commits = list(self._notes), self._committed()
        try:
            station.writer.store([note for note, _ in notes], commits)
        except (SpoolError, StoreUnavailable) as error:
            self._fail(station, error)
            self._not_before = now + RETRY_S
            return
        station.memory.health["disk_full"] = 0
        self._trouble = None
        station.bus.acknowledge([delivery for _, delivery in notes if delivery is not None])
        self._notes, self._commits = self._notes[len(notes) :], {}

    def _fail(self, station: Station, error: Exception) -> None:
        """Nothing of this batch is stored: make room where it may be made, and say it."""
        self._complain(str(error))
        if not isinstance(error, SpoolFull):
            return
        station.memory.health["disk_full"] = 1
        try:
            station.writer.trim(self._committed())
            self._commits = {}
        except SpoolError as again:
            self._complain(str(again))
        if self.recordings.remove_oldest():
            log.warning("the oldest local recording was removed to make room")

    def _committed(self) -> list[tuple[str, Committed]]:
        return [(device, committed) for (device, _), committed in self._commits.items()]

    def _measure(self, station: Station) -> None:
        """Health words that cost a query."""
        try:
            size, oldest = self.spool.size(), self.spool.pending(0, 1)
        except SpoolError as error:
            self._complain(str(error))
            return
        age_ms = 0
        if oldest and oldest[0].boot == station.memory.boot and oldest[0].stream != "event":
            age_ms = (station.memory.head() - oldest[0].first) * station.memory.period_ns // 1_000_000
        elif size.oldest_at is not None:
            age_ms = round(1000 * max(0.0, time.time() - size.oldest_at))
        station.memory.health["spool_rows"] = size.rows
        station.memory.health["spool_bytes"] = size.bytes
        station.memory.health["oldest_uncommitted_ms"] = max(0, age_ms)

    def _complain(self, why: str) -> None:
        """Once until it changes."""
        if why != self._trouble:
            log.error("recorder: trouble", why=why)
        self._trouble = why


def _beat(memory: GatewayMemory) -> None:
    """Show the supervisor that this process lives."""
    memory.health["recorder_ns"] = time.monotonic_ns()


def report_note(made: Report, devices: Sequence[str]) -> Note:
    """A report of an adverse event as it leaves the gateway: random ids, no name."""
    data = {
        "report": str(made.report), "kind": made.kind, "grade": made.grade, "region": made.region,
        "patient": str(made.patient), "cure": made.cure and str(made.cure), "by": made.account,
        "suspends": made.suspends, "text": made.words.as_json(),
    }  # fmt: skip
    bed = devices.index(made.device) if made.device in devices else 0  # rather elsewhere than not told
    at_ns = round(made.at.timestamp() * 1e6) * 1000
    return Note(bed, "adverse.reported", at_ns, data, made.session, made.report)


def _kind(address: str) -> Literal["simulated", "modbus"]:
    """What a bed is, by how the loop reaches it."""
    return "simulated" if address == SIMULATED else "modbus"


def _attach_if(path: Path | None, wanted: Callable[[GatewayMemory], bool]) -> GatewayMemory | None:
    """The memory at ``path`` when it is there and is the one that is wanted."""
    if path is None:
        return None
    try:
        memory = GatewayMemory.attach(path)
    except ForeignMemory:
        return None
    if wanted(memory):
        return memory
    memory.close()
    return None


def main() -> None:
    """Run the recorder of the gateway that the environment describes."""
    with refusals_in_one_line():
        settings = ControllerSettings.load()
        logging.configure("recorder", settings.log_level, settings.log_format, settings.site)
        recorder = Recorder.open(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: recorder.stopping.set())
        recorder.run()


if __name__ == "__main__":
    main()
