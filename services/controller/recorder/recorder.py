"""The recorder of one gateway: goes from boot to boot of the loop, and round by round within one."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from broker.bus import BusError
from broker.contract import STATUS, STREAMS
from broker.drain import Drain, Span, backlog_rate
from broker.messages import Committed, Missing, Operators, Worklist
from broker.spool import Spool, SpoolError, SpoolFull
from broker.topics import TopicError
from services.controller.alarms.table import COPY_FAILS, SPOOL_FULL
from services.controller.bedside.reports import Reports
from services.controller.bedside.suspending import Suspender
from services.controller.blackbox.recording import Recordings
from services.controller.centre.operators import Keeper, access_key
from services.controller.centre.worklists import Keeper as WorklistKeeper
from services.controller.centre.worklists import Worklists
from services.controller.errors import StoreUnavailable
from services.controller.loop.interruption import Interruptions
from services.controller.loop.shared import ForeignMemory, GatewayMemory, LoopFile
from services.controller.recorder import ledger, making_room
from services.controller.recorder.books import Note
from services.controller.recorder.health import beat, measure
from services.controller.recorder.known_sessions import KnownSessions
from services.controller.recorder.live import Live
from services.controller.recorder.lost_rows import LostRows
from services.controller.recorder.pending import Pending, report_note
from services.controller.recorder.remote import Answer, RemoteDesk
from services.controller.recorder.station import Station, connection, status
from services.controller.recorder.writer import Writer, end_boot
from services.controller.settings import ControllerSettings
from services.kit.sealed import ensure_key, public_text

log = structlog.get_logger(__name__)

ROUND_S: Final = 0.04  # at most so long does a remote stop wait here
LOOK_S: Final = 0.5  # how often loop.json and the spool's size are looked at
COPY_SHOWN_S: Final = 60.0  # for so long a chunk that is in no local recording is an alarm
RETRY_S: Final = 1.0  # after the disk was full or a database locked


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
    pending: Pending
    station: Station | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    lost: LostRows = field(default_factory=LostRows)
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
            settings,
            directory,
            spool,
            sessions,
            recordings,
            keeper,
            lists,
            worklists,
            left,
            sealing_key,
            Pending(spool),
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
        beat(station.memory)
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
            self.station.leave()
            self.station = None
        self.sessions.close()
        self.spool.connection.close()

    def _store_last(self, station: Station) -> None:
        if station.memory.alive():
            station.writer.store()
            return
        self._finish(station.writer, station.memory)
        said = status(self.settings, self.sealing_key, station.memory, "stopped")
        station.bus.announce(STATUS, said, self.settings.site, station.memory.gateway)

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
        beat(memory)
        if self.station is not None:
            self._finish(self.station.writer, memory)
            self.station.leave()
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
        bus = connection(self.settings, self.sealing_key, memory)
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
        station.serve(self.settings, self.sealing_key)
        log.info("recording", boot=str(memory.boot), devices=list(memory.devices), next=writer.next)
        return station

    def _finish(self, writer: Writer, seen_at: GatewayMemory) -> None:
        """Store the rest of a boot that is over, without being taken for one that hangs."""
        writer.finish(lambda: beat(seen_at))
        log.info("boot ended", boot=str(writer.memory.boot), next=writer.next)

    def _writer(self, memory: GatewayMemory) -> Writer:
        return Writer(memory, self.spool, self.sessions, self.recordings, self.settings.block_ms)

    # --- the bus -----------------------------------------------------------------------------------------
    def _receive(self, station: Station) -> None:
        try:
            deliveries = station.bus.take(100, ROUND_S)
        except BusError as error:
            self._complain(str(error))
            self.stopping.wait(ROUND_S)
            return
        for delivery in deliveries:
            if isinstance(delivery.message, Committed):
                self.pending.commit(str(delivery.device), delivery.message)
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
        for note in notes:
            self.pending.add(note)

    def _tell_reports(self, station: Station) -> None:
        """Record every report of an adverse event that is not told yet, as its session's event."""
        for made in self.worklists.reports.all():
            self.pending.add_once(made.report, report_note(made, station.memory.devices))

    def _tell_acknowledgements(self, station: Station) -> None:
        """Show what somebody at a bed has seen as seen, and record it once as its session's event."""
        try:
            given = self.sessions.acknowledgements(station.memory.boot)
        except StoreUnavailable:  # a file of an earlier release, until the panel has started
            return
        station.live.acknowledged(given)
        for row in given:
            if row.device in station.memory.devices:
                bed = station.memory.devices.index(row.device)
                note = Note(bed, "operator.action", row.seen.at_ns, row.told(), row.session, row.id)
                self.pending.add_once(row.id, note)

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
        for note in notes:
            self.pending.add(note)

    def _answer(self, station: Station, answers: Sequence[Answer]) -> None:
        """Reply; what must be recorded is acknowledged only when it is."""
        for answer in answers:
            try:
                station.bus.reply(answer.delivery, answer.reply, timeout_s=0.0)
            except (BusError, TopicError) as error:
                log.warning("reply not sent", device=answer.delivery.device, why=str(error))
            if answer.note is None or not self.pending.add(answer.note, answer.delivery):
                station.bus.acknowledge([answer.delivery])

    # --- storing -----------------------------------------------------------------------------------------
    def _store(self, station: Station) -> None:
        now = time.monotonic()
        if now < self._not_before:
            return
        station.writer.boards = station.live.boards()
        station.writer.gateway_alarms = station.live.gateway_alarms()
        notes, commits = self.pending.notes(), self.pending.commits()
        try:
            station.writer.store(notes, commits)
        except (SpoolError, StoreUnavailable) as error:
            self._fail(station, error)
            self._not_before = now + RETRY_S
            return
        station.memory.health["disk_full"] = COPY_FAILS if _copy_fails(station.writer, now) else 0
        self._trouble = None
        station.bus.acknowledge(self.pending.stored(len(notes)))
        if self.recordings.has_grown:
            self._rotate(station)

    def _rotate(self, station: Station) -> None:
        try:
            self.recordings.rotate(making_room.of_writer(station.writer))
        except (SpoolError, OSError) as error:
            self._complain(str(error))

    def _fail(self, station: Station, error: Exception) -> None:
        """Nothing of this batch is stored: make room where it may be made, and say it."""
        self._complain(str(error))
        if not isinstance(error, SpoolFull):
            return
        station.memory.health["disk_full"] = SPOOL_FULL
        try:
            station.writer.trim(self.pending.commits())
            self.pending.trimmed()
            if self.recordings.remove_oldest(making_room.of_writer(station.writer)):
                log.warning("the oldest local recording was removed to make room: the centre has it")
        except (SpoolError, OSError) as again:
            self._complain(str(again))

    def _measure(self, station: Station) -> None:
        try:
            measure(station.memory, self.spool)
        except SpoolError as error:
            self._complain(str(error))

    def _complain(self, why: str) -> None:
        """Once until it changes."""
        if why != self._trouble:
            log.error("recorder: trouble", why=why)
        self._trouble = why


def _copy_fails(writer: Writer, now: float) -> bool:
    """Whether a local recording has lost a chunk of late."""
    return writer.copy_failed_at is not None and now - writer.copy_failed_at < COPY_SHOWN_S


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
