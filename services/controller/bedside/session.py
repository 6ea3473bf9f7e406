"""The bedside: what an operator does at a bed, each action answered by the kernel or refused in words.

Holds no state of its own that matters: which session runs is what the ring and ``session.db`` say, so
that the process may be killed and started again under a patient.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import structlog

from services.controller.beds.addresses import SIMULATED
from services.controller.bedside.admission import Admission, Whom
from services.controller.bedside.barring import Bar
from services.controller.bedside.prescriptions import accepted, compiled, require_same_treatment
from services.controller.bedside.reconciling import Reconciling
from services.controller.bedside.records import Record, Records, best_effort
from services.controller.commissioning.known import KnownBeds
from services.controller.errors import (
    BedUnavailable,
    SessionRefused,
    StoreUnavailable,
    UnknownDevice,
)
from services.controller.kernel import layout
from services.controller.kernel.faults import BITS
from services.controller.loop.link import LoopLink, is_fresh
from services.controller.loop.shared import BEDSIDE, GatewayMemory, MailboxFull, Outcome
from services.controller.models import Confirm
from services.controller.rows import NewSession, Session
from services.controller.store import Store
from services.controller.words import ACTIONS, REFUSALS, Sample, Words, reason
from services.kit import correlation
from services.kit.clearance import Clocks, read, verify
from services.kit.errors import ClearanceError, PrescriptionError

log = structlog.get_logger(__name__)

ANSWER_S = 2.5  # the loop refuses by itself what waited 2 s, so an answer comes or the loop is gone
POLL_S = 0.002
ASKED_BEFORE = frozenset({"start", "resume", "change"})  # what a suspended patient is not given


@dataclass(frozen=True, slots=True)
class Answer:
    """An action that was done."""

    action: str
    done: Words
    session: UUID | None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the sign-in name, and the account's random id for what leaves the gateway."""

    name: str
    account: str


class Bedside:
    """All beds of one gateway for its operators; safe from any thread."""

    def __init__(
        self,
        link: LoopLink,
        store: Store,
        public_key: bytes | None,
        clocks: Clocks,
        *,
        admission: Admission | None = None,
        beds: KnownBeds | None = None,
    ) -> None:
        self.link = link
        self.beds = beds or KnownBeds()
        self.store = store
        self.admission = admission
        self.bar = Bar()
        self._public_key = public_key
        self._clocks = clocks
        self._records = Records(store)
        self._confirming: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    # --- looking -------------------------------------------------------------------------------------------

    def bed(self, device: str) -> tuple[GatewayMemory, int]:
        """The memory and the bed's index in it; raises UnknownDevice, BedUnavailable."""
        memory = self.link.memory()
        if device not in memory.devices:
            raise UnknownDevice(f"there is no bed {device[:40]!r} at {memory.gateway}")
        return memory, memory.devices.index(device)

    def sample(self, memory: GatewayMemory, bed: int) -> tuple[int, int, Sample]:
        """The newest sample: seq, wall clock (ns), int32[SAMPLES]. Raises BedUnavailable before the first."""
        head = memory.head()
        if not head:
            raise BedUnavailable("the control loop has not ended its first tick yet")
        times, samples = memory.read(head - 1, head)
        return head - 1, int(times[0, 2]), samples[0, :, bed]

    def record(self, session_no: int) -> Record | None:
        """The session of this number with its notes, from memory where nothing has changed."""
        return self._records.find(session_no)

    def known(self, session_no: int) -> Record | None:
        """Like ``record``, from memory only: never waits for the disk."""
        return self._records.known(session_no)

    def current(self, device: str) -> Record:
        """The session on the bed now; raises SessionRefused when there is none."""
        memory, bed = self.bed(device)
        record = self.record(int(self.sample(memory, bed)[2][layout.S_SESSION]))
        if record is None:
            raise SessionRefused(
                f"{device} has no session: confirm a patient first",
                f"{device} hat keine Sitzung: erst bestätigen",
            )
        return record

    # --- confirming a patient ------------------------------------------------------------------------------

    def confirm(self, device: str, request: Confirm, operator: str = "", account: str = "") -> Answer:
        """Check prescription and clearance, commit the row, load the kernel: all of it or nothing.

        ``operator`` is who signed in at the bed, ``account`` their random id.
        """
        memory, bed = self.bed(device)
        with self._serial(device):
            try:
                session = self._load(memory, bed, device, request, Actor(operator, account))
            except (PrescriptionError, ClearanceError, SessionRefused, BedUnavailable) as error:
                self._records.note(device, None, operator, "confirm", error.message, accepted=False)
                raise
        done = ACTIONS["confirm"].done
        self._records.note(device, session.session, operator, "confirm", done.en, accepted=True)
        if note := request.note:
            best_effort(lambda: self.store.add_note(session.session, operator, note))
        self._records.forget(session)
        log.info("patient confirmed", device=device, session=str(session.session))
        return Answer("confirm", done, session.session)

    def _load(self, memory: GatewayMemory, bed: int, device: str, request: Confirm, actor: Actor) -> Session:
        prescription = accepted(request.prescription)
        clearance = verify(request.clearance, self._key(), request.patient, prescription.region, self._clocks)
        if self.admission is not None:
            whom = Whom(request.patient, prescription.region, request.appointment, clearance.valid_until)
            self.admission.require("confirm", whom)
            self.admission.require_newest(clearance, lambda token: read(token, self._key()))
        phase = layout.PHASES[self.sample(memory, bed)[2][layout.S_PHASE]]
        if phase != "idle":
            words = REFUSALS[layout.REFUSAL_PHASE].format(action="confirm", phase=phase)
            raise SessionRefused(words.en, words.de)
        self.bar.require("confirm", memory, bed)
        parameters = compiled(self.beds, prescription, memory, bed)
        session = self.store.add(
            NewSession(
                device=device,
                boot=memory.boot,
                patient=request.patient,
                cure=request.cure,
                appointment=request.appointment,
                region=prescription.region,
                segment=prescription.segment,
                prescription=prescription.model_dump(),
                clearance=clearance.id,
                operator=actor.name,
                account=actor.account,
                pain_before=request.pain_before,
                cleared_until=clearance.valid_until,
                correlation=correlation.current(),
            )
        )
        parameters[layout.P_SESSION] = session.session_no
        try:
            self.store.set_parameters(session.session, parameters.tolist())
            self._post(memory, bed, device, "confirm", parameters)
        except Exception:
            self._undo(session)
            raise
        try:
            self.store.loaded(session.session)
        except StoreUnavailable:  # the kernel has it and the log has not: take it back
            self._post(memory, bed, device, "close")
            self._undo(session)
            raise
        return session

    def _undo(self, session: Session) -> None:
        try:
            self.store.refuse(session.session)
        except StoreUnavailable as error:
            log.warning(
                "a refused session could not be marked", session=str(session.session), error=error.message
            )

    def _key(self) -> bytes:
        if self._public_key is None:
            raise ClearanceError("this gateway has no clearance key: set SPONDYL_CLEARANCE_PUBLIC_KEY")
        return self._public_key

    # --- acting on a session -------------------------------------------------------------------------------

    def act(self, device: str, action: str, operator: str = "", *, seen: bool = False) -> Answer:
        """One of ``words.ACTIONS`` without parameters; raises SessionRefused with the reason.

        ``seen``: whoever starts has said that they saw what the bed tells of a silent centre.
        """
        memory, bed = self.bed(device)
        session = self.session_of(memory, bed)
        try:
            self.bar.require(action, memory, bed)
            self._admit(action, memory, bed, session, seen=seen)
            self._post(memory, bed, device, action)
        except (SessionRefused, BedUnavailable) as error:
            identity = session.session if session else None
            self._records.note(device, identity, operator, action, error.message, accepted=False)
            raise
        return self._acted(device, session, operator, action)

    def _admit(
        self, action: str, memory: GatewayMemory, bed: int, session: Session | None, *, seen: bool = False
    ) -> None:
        """Raise SessionRefused when what the centre has told this gateway is against it."""
        if self.admission is None or action not in ASKED_BEFORE:
            return
        if session is not None:
            self.admission.require(action, Whom.of(session))
        elif int(self.sample(memory, bed)[2][layout.S_SESSION]):
            self.admission.require_known(action)
        if action == "start":
            self.admission.require_seen(seen=seen)

    def _acted(
        self,
        device: str,
        session: Session | None,
        operator: str,
        action: str,
        data: Mapping[str, Any] | None = None,
    ) -> Answer:
        tap = correlation.current()
        if session is not None:
            after = {"start": self.store.started, "close": self.store.ended}.get(action)
            best_effort(lambda: after and after(session.session))
            self._records.forget(session)
        done = ACTIONS[action].done
        identity = session.session if session else None
        with correlation.holding(session.correlation if session else None):
            log.info("acted", device=device, action=action, session=str(identity), tap=tap)
        self._records.note(device, identity, operator, action, done.en, accepted=True, data=data)
        return Answer(action, done, identity)

    def hold(self, device: str) -> None:
        """Pause whatever runs; needs neither disk nor database. Raises SessionRefused, BedUnavailable."""
        memory, bed = self.bed(device)
        self._post(memory, bed, device, "pause")

    def wrote(
        self, device: str, session: Session, operator: str, action: str, detail: str, data: Mapping[str, Any]
    ) -> None:
        """Append to the log what was done to a session beside the kernel, if it can be written."""
        self._records.forget(session)
        self._records.note(device, session.session, operator, action, detail, accepted=True, data=data)

    def stop_now(self, device: str) -> tuple[GatewayMemory, int, int]:
        """Post a stop and return at once with what ``outcome`` asks for; needs neither disk nor database."""
        memory, bed = self.bed(device)
        try:
            return memory, bed, memory.post(BEDSIDE, bed, layout.ACTION_STOP)
        except MailboxFull as error:
            raise BedUnavailable(
                f"{device}: stop could not be handed over: {error}; use the bed's own switch"
            ) from None

    def stopped(self, device: str, operator: str) -> None:
        """Write a stop into the log, afterwards."""
        memory, bed = self.bed(device)
        best_effort(lambda: self._acted(device, self.session_of(memory, bed), operator, "stop"))

    def change(self, device: str, document: Mapping[str, Any], operator: str) -> Answer:
        """Another prescription for the same patient, from the next phase boundary on."""
        prescription = accepted(document)
        memory, bed = self.bed(device)
        session = self.current(device).session
        require_same_treatment(session.prescription, prescription)
        parameters = compiled(self.beds, prescription, memory, bed, session.session_no)
        try:
            self._admit("change", memory, bed, session)
            self._post(memory, bed, device, "change", parameters)
        except (SessionRefused, BedUnavailable) as error:
            self._records.note(device, session.session, operator, "change", error.message, accepted=False)
            raise
        document = prescription.model_dump()
        best_effort(lambda: self.store.set_parameters(session.session, parameters.tolist(), document))
        return self._acted(device, session, operator, "change", document)

    def close(self, device: str, operator: str, pain_after: int | None) -> Answer:
        """End the session; the pain score is written first, because the summary takes it with it."""
        if pain_after is not None:
            self.pain(device, operator, "after", pain_after)
        return self.act(device, "close", operator)

    def pain(self, device: str, operator: str, when: Literal["before", "after"], value: int) -> Answer:
        """Keep a pain score of the current session."""
        session = self.current(device).session
        self.store.set_pain(session.session, when, value)
        self._records.forget(session)
        self._records.note(
            device, session.session, operator, "pain", f"{when}: {value}", accepted=True, data={when: value}
        )
        return Answer("pain", Words(f"pain {when}: {value}", f"Schmerz: {value}"), session.session)

    def note(self, device: str, operator: str, text: str) -> Answer:
        """Append a note to the current session."""
        session = self.current(device).session
        self.store.add_note(session.session, operator, text)
        self._records.forget(session)
        return Answer("note", Words("noted", "notiert"), session.session)

    def fault(self, device: str, kind: str, operator: str = "", *, clear: bool) -> Answer:
        """Break or mend a simulated bed; raises SessionRefused for a real one or an unknown kind."""
        memory, bed = self.bed(device)
        if memory.addresses[bed] != SIMULATED:
            raise SessionRefused(f"{device} is a real bed: faults are simulated only on simulated ones")
        if kind not in BITS:
            raise SessionRefused(f"kind is {kind!r}: the faults are {', '.join(BITS)}")
        bit = BITS[kind]
        with self._lock:
            memory.faults[bed] = int(memory.faults[bed]) & ~bit if clear else int(memory.faults[bed]) | bit
        words = Words(
            f"{kind} {'cleared' if clear else 'set: it stays until it is cleared'}",
            f"{kind} {'behoben' if clear else 'gesetzt: bleibt, bis es behoben wird'}",
        )
        self._records.note(
            device, None, operator, "fault", words.en, accepted=True, data={"kind": kind, "clear": clear}
        )
        return Answer("fault", words, None)

    # --- keeping the log true ------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """End the rows of sessions that no bed is in any more: closed by the kernel, lost with its boot."""
        Reconciling(self.link, self.store, self._records, self._serial).all()

    def session_of(self, memory: GatewayMemory, bed: int) -> Session | None:
        """The session on the bed, None when there is none or the log cannot be read."""
        try:
            record = self.record(int(self.sample(memory, bed)[2][layout.S_SESSION]))
        except StoreUnavailable as error:
            log.warning("the session log cannot be read", error=error.message)
            return None
        return record.session if record else None

    # --- plumbing ------------------------------------------------------------------------------------------

    def _post(
        self, memory: GatewayMemory, bed: int, device: str, action: str, parameters: Any | None = None
    ) -> None:
        """Hand an action to the loop, wait for the answer; raises SessionRefused, BedUnavailable."""
        if not is_fresh(memory):
            raise BedUnavailable(
                f"{device}: the control loop has not run for {memory.heartbeat_age_s():.1f} s"
            )
        try:
            outcome = _answered(memory, bed, memory.post(BEDSIDE, bed, ACTIONS[action].number, parameters))
        except MailboxFull as error:
            raise BedUnavailable(str(error)) from None
        if outcome is None:
            raise BedUnavailable(f"{device}: the control loop has not answered {action} in {ANSWER_S:g} s")
        if not outcome.accepted:
            words = self.refusal(memory, bed, action, outcome.refusal)
            raise SessionRefused(words.en, words.de)

    def refusal(self, memory: GatewayMemory, bed: int, action: str, refusal: int) -> Words:
        """The kernel's reason in words, with the values of now."""
        session = self.session_of(memory, bed)
        return reason(action, refusal, self.sample(memory, bed)[2], session.parameters if session else ())

    def _serial(self, device: str) -> threading.Lock:
        with self._lock:
            return self._confirming.setdefault(device, threading.Lock())


def _answered(memory: GatewayMemory, bed: int, ticket: int) -> Outcome | None:
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        try:
            outcome = memory.outcome(BEDSIDE, bed, ticket)
        except LookupError:
            return None
        if outcome is not None and memory.head() > outcome.tick:  # the ring shows it too
            return outcome
        time.sleep(POLL_S)
    return None
