"""What the bedside page is told about a bed: plain values, from one sample and the session's record."""

from dataclasses import dataclass, field
from typing import Any

from services.controller.alarms.board import AlarmBoard
from services.controller.alarms.table import BY_CONDITION
from services.controller.beds.addresses import SIMULATED
from services.controller.bedside.records import Record
from services.controller.bedside.reporting import Reporting
from services.controller.bedside.session import Bedside
from services.controller.kernel import layout
from services.controller.loop.link import is_fresh
from services.controller.loop.shared import GatewayMemory
from services.controller.recorder.blocks import is_blind, is_silent
from services.controller.recorder.wallclock import instant
from services.controller.words import ACTIONS_IN, PHASE_WORDS, YIELDING, Sample
from services.kit.errors import SpondylError

Json = dict[str, Any]


@dataclass(slots=True)
class Watch:
    """What a sample alone does not tell of a bed: its alarms, and whether the switch has been tested."""

    board: AlarmBoard = field(default_factory=AlarmBoard)
    session_no: int = 0
    switch_tested: bool = False


def bed_state(bedside: Bedside, device: str, watch: Watch) -> Json:
    """Everything of one bed; raises SpondylError when it is unknown or its loop has not started."""
    memory, bed = bedside.bed(device)
    seq, at_ns, sample = bedside.sample(memory, bed)
    record, trouble = _record(bedside, sample)
    phase = layout.PHASES[sample[layout.S_PHASE]]
    return {
        "device": device,
        "site": memory.site,
        "gateway": memory.gateway,
        "boot": str(memory.boot),
        "seq": seq,
        "at": instant(at_ns).isoformat(),
        "period_ms": memory.period_ns / 1e6,
        "simulated": memory.addresses[bed] == SIMULATED,
        "unsuitable": _doubts(bedside, memory, bed),
        "fresh": is_fresh(memory),
        "age_ms": round(memory.heartbeat_age_s() * 1000),
        **measured(sample),
        **scalars(sample),
        **_prescribed(record),
        "tilt_deg": int(sample[layout.S_TILT]) / 10,
        "switch": _switch(sample, watch),
        "mains": bool(sample[layout.S_STATUS] & layout.STATUS_MAINS),
        "heat": _heat(sample, record),
        "conditions": conditions(sample),
        "standing": standing(sample),
        "alarms": alarms(watch),
        "barred": _barred(watch),
        "actions": list(ACTIONS_IN[phase]),
        "log": trouble,
        "session": session_view(record) if record else None,
        "adverse": _adverse(bedside, device, record, phase),
        **_told_by_the_centre(bedside, record),
    }


def alarms(watch: Watch) -> list[Json]:
    """The alarms as the recorder publishes them, with how each ends and, here at the bed, who has seen it."""
    rows = []
    for alarm in watch.board.active():
        seen = watch.board.seen(alarm.condition) if alarm.acknowledged_at else None
        line = BY_CONDITION[alarm.condition]
        known = {"latching": line.latching, "bars": line.bars, "seen_by": seen.name if seen else None}
        rows.append(alarm.model_dump(mode="json") | known)
    return rows


def _barred(watch: Watch) -> Json | None:
    """The alarm that lets nobody be confirmed or started here, and how it ends."""
    alarm = watch.board.barring()
    if alarm is None:
        return None
    return {"condition": alarm.condition, "latching": BY_CONDITION[alarm.condition].latching}


def _doubts(bedside: Bedside, memory: GatewayMemory, bed: int) -> list[Json]:
    """What commissioning found against this bed; one with a drive wants to be measured."""
    real, serial = memory.addresses[bed] != SIMULATED, memory.link_counts(bed)["serial_no"]
    return [doubt.as_json() for doubt in bedside.beds.doubts(memory.devices[bed], serial, real=real)]


# What the screen needs of a session to show what the bed does, whoever stands before it: no person, no note.
_OPEN_SESSION = ("session", "session_no", "state", "region", "segment", "started_at", "ended_at")
_OPEN_PRESCRIPTION = ("base_n", "peak_n", "rise_n_s", "fall_n_s", "hold_s", "rest_s")


def open_view(state: Json) -> Json:
    """The state as anybody at the bed may see it: no patient, notes, pain or rest of the prescription."""
    session, suspension = state["session"], state["suspension"]
    if suspension is not None:
        state = {**state, "suspension": {**suspension, "text": suspension["open_text"]}}
    if state["adverse"] is not None:
        state = {**state, "adverse": {**state["adverse"], "reports": []}}
    if session is None:
        return state
    prescription = session["prescription"]
    told = {name: prescription[name] for name in _OPEN_PRESCRIPTION if name in prescription}
    kept = {name: session[name] for name in _OPEN_SESSION}
    return {**state, "session": {**kept, "prescription": told, "notes": []}}


def _adverse(bedside: Bedside, device: str, record: Record | None, phase: str) -> Json | None:
    """Of which session an adverse event may be reported here, and what was; None of none."""
    if bedside.admission is None:
        return None
    worklists = bedside.admission.worklists
    session = Reporting(bedside, worklists).about(device, record.session if record else None)
    if session is None or (record is None and phase != "idle"):
        return None
    return {
        "session": str(session.session),
        "ended_at": _time(session.ended_at) if record is None else None,
        "region": session.region,
        "segment": session.segment,
        "reports": [
            {"at": made.at.isoformat(), "operator": made.operator, "text": made.words.as_json()}
            for made in worklists.reports.of_session(session.session)
        ],
    }


def row(memory: GatewayMemory, bed: int, sample: Sample, watch: Watch, record: Record | None) -> Json:
    """One line of the list of beds."""
    shown = watch.board.active()
    return {
        "device": memory.devices[bed],
        **measured(sample),
        **{name: value for name, value in scalars(sample).items() if name in _ROW},
        "session": str(record.session.session) if record else None,
        "priority": shown[0].priority if shown else None,
        "quiet": all(one.acknowledged_at for one in shown if one.priority == shown[0].priority),
        "alarms": len(shown),
        "alarm": shown[0].text if shown else None,
        "fresh": is_fresh(memory),
        "tension_known": unmeasured(sample) is None,
    }


_ROW = ("phase", "cycle", "remaining_s", "table_yields", "word", "guardings", "peak_n", "reason")


def measured(sample: Sample) -> Json:
    """The newest measured values, newtons and millimetres."""
    return {
        "tension_n": int(sample[layout.S_FORCE]) / 10,
        "target_n": int(sample[layout.S_TARGET]) / 1000,
        "residual_n": int(sample[layout.S_RESIDUAL]) / 1000,
        "position_mm": int(sample[layout.S_POSITION]) / 100,
    }


def scalars(sample: Sample) -> Json:
    """What a live frame says once, of its newest sample."""
    phase = layout.PHASES[sample[layout.S_PHASE]]
    reason = layout.REASONS[sample[layout.S_REASON]]
    return {
        "phase": phase,
        "cycle": int(sample[layout.S_CYCLE]),
        "peak_n": int(sample[layout.S_PEAK]) / 1000,
        "ceiling_n": int(sample[layout.S_CEILING]) / 1000,
        "remaining_s": int(sample[layout.S_REMAINING]) / 1000,
        "guardings": int(sample[layout.S_GUARDINGS]),
        "reason": None if reason == "none" else reason,
        "unmeasured": unmeasured(sample),
        "table_yields": phase in YIELDING,
        "word": PHASE_WORDS[phase].as_json(),
    }


def unmeasured(sample: Sample) -> str | None:
    """Why nobody measured the tension, `load_cell` or `link`: a zero in large type would be a lie."""
    rows = sample[None]
    if is_silent(rows)[0]:
        return "link"
    return "load_cell" if is_blind(rows)[0] else None


def conditions(sample: Sample) -> list[str]:
    """The kernel's conditions that are on."""
    bits = int(sample[layout.S_CONDITIONS])
    return [name for index, name in enumerate(layout.CONDITIONS) if bits >> index & 1]


# What a reading itself says of a condition's cause; of the others only their alarm tells.
_CAUSE_OF: dict[str, int] = {  # absent while the status has this bit
    "load_cell_lost": layout.STATUS_FORCE_VALID,
    "switch_unplugged": layout.STATUS_SWITCH_CONNECTED,
    "drive_not_ready": layout.STATUS_DRIVE_READY,
    "mains_lost": layout.STATUS_MAINS,
}


_CAUSE_IS: dict[str, int] = {  # present while it has this one
    "patient_switch": layout.STATUS_SWITCH_PRESSED,
    "other_master": layout.STATUS_OTHER_MASTER,
}


def standing(sample: Sample) -> list[str]:
    """The conditions that are on and whose cause the present reading still shows: a reset changes nothing."""
    status = int(sample[layout.S_STATUS])
    causes = {name for name, bit in _CAUSE_OF.items() if not status & bit}
    causes |= {name for name, bit in _CAUSE_IS.items() if status & bit}
    if sample[layout.S_AGE] != 0:  # no answer in this tick
        causes.add("link_lost")
    return [name for name in conditions(sample) if name in causes]


def session_view(record: Record) -> Json:
    """The operator's side of a session."""
    session = record.session
    return {
        "session": str(session.session),
        "session_no": session.session_no,
        "device": session.device,
        "state": session.state,
        "patient": str(session.patient),
        "cure": _text(session.cure),
        "appointment": _text(session.appointment),
        "region": session.region,
        "segment": session.segment,
        "prescription": session.prescription,
        "clearance": str(session.clearance),
        "operator": session.operator,
        "pain_before": session.pain_before,
        "pain_after": session.pain_after,
        "confirmed_at": session.confirmed_at.isoformat(),
        "started_at": _time(session.started_at),
        "ended_at": _time(session.ended_at),
        "notes": [
            {"at": note.at.isoformat(), "operator": note.operator, "text": note.text} for note in record.notes
        ],
    }


def parameter(record: Record | None, index: int) -> float:
    """A compiled parameter of the session, 0 when there is none."""
    return record.session.parameters[index] if record and record.session.parameters else 0.0


def _record(bedside: Bedside, sample: Sample) -> tuple[Record | None, str | None]:
    """The session's record, or what is wrong with the log: a page without it is better than none."""
    try:
        return bedside.record(int(sample[layout.S_SESSION])), None
    except SpondylError as error:
        return None, error.message


def _told_by_the_centre(bedside: Bedside, record: Record | None) -> Json:
    """Whether the centre has been silent for long, and whether whoever lies here is suspended."""
    admission = bedside.admission
    if admission is None:
        return {"centre": None, "suspension": None}
    heard_at, silence = admission.heard_at(), admission.silence()
    apart, line = admission.worklists.centre.words, admission.worklists.line.words
    return {
        "centre": {
            "heard_at": _time(heard_at),
            "silent": silence.as_json() if silence else None,
            "must_be_seen": bool(silence and heard_at),
            "apart": apart.as_json() if apart else None,
            "line": line.as_json() if line else None,
        },
        "suspension": admission.notice(record.session) if record else None,
    }


def _prescribed(record: Record | None) -> Json:
    return {
        "base_n": parameter(record, layout.P_BASE),
        "traction_s": parameter(record, layout.P_TRACTION_S),
        "guardings_limit": int(parameter(record, layout.P_GUARDINGS_PER_SESSION)),
        "tilt_prescribed_deg": parameter(record, layout.P_TILT) if record else None,
        "tilt_tolerance_deg": parameter(record, layout.P_TILT_TOLERANCE) if record else None,
    }


def _switch(sample: Sample, watch: Watch) -> Json:
    status = int(sample[layout.S_STATUS])
    return {
        "connected": bool(status & layout.STATUS_SWITCH_CONNECTED),
        "pressed": bool(status & layout.STATUS_SWITCH_PRESSED),
        "tested": watch.switch_tested,
        "asking": bool(sample[layout.S_OUTPUTS] & layout.OUTPUT_SWITCH_TEST),
    }


def _heat(sample: Sample, record: Record | None) -> Json:
    return {
        "allowed": parameter(record, layout.P_HEAT_ALLOWED) > 0,
        "on": bool(sample[layout.S_OUTPUTS] & layout.OUTPUT_HEAT),
        "temperature_c": int(sample[layout.S_HEAT]) / 10,
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _time(value: Any) -> str | None:
    return None if value is None else value.isoformat()
