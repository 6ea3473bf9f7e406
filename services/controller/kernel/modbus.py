"""Beds behind Modbus/TCP: function 0x17 writes and reads in one exchange; no tick waits beyond its bound.

A tick asks all beds, receives their answers within one common deadline, steps, and tells them the commands
made of these readings in a second exchange, whose answer is looked at in the next tick. A reading that does
not come in time is kept and grows older: the kernel's rules for stale and lost readings act. A bed that is
lost is asked and heard, but not waited for while it says nothing: it takes no time from the others.

Sockets are connected by another thread (beds/modbus_bed.py) and handed over as numbers; nothing here
allocates, connects or waits for a lock. What stands in a frame: modbus_frames.py.
"""

from typing import NamedTuple

import numpy as np
from numba import types

from services.controller.kernel import layout, phases
from services.controller.kernel import memory as m
from services.controller.kernel import modbus_map as reg
from services.controller.kernel.clock import CLOCK_MONOTONIC, SECOND_NS, clock_ns
from services.controller.kernel.compiled import scalar
from services.controller.kernel.modbus_frames import (
    ANSWER_AT,
    EXCEPTION,
    EXCEPTION_LENGTH,
    HEADER,
    LEAST_BYTES,
    LONGEST_LENGTH,
    REQUEST_BYTES,
    judge,
    long_word,
    note_answer,
    read_answer,
    word,
    write_request,
)
from services.controller.kernel.ring import load_acquire, store_release

BUFFER_BYTES = 2048
MOST_WAITING = 8  # requests a drive may owe answers to: more would only answer ever later
REMEMBERED = 4096  # requests back that an answer may be late from
SILENT_NS = SECOND_NS  # a connection without one right answer for so long is given up
GONE = -1  # instead of a socket: none, another is wanted
NEVER_NS = -3_600 * SECOND_NS  # when a bed that has never answered is taken to have been read
LONGEST_MS = 2_000_000_000
LET_GO_MS = reg.WATCHDOG_MS + 1  # the least age that says so
PAUSE_TICKS = 10  # a lost bed that answers too late costs the others one wait in so many ticks
NS_A_MS = 1_000_000
POLL_IN, POLL_BAD = 1, 8 | 16 | 32  # POLLIN; POLLERR, POLLHUP, POLLNVAL
NOSIGNAL_DONTWAIT = 0x4000 | 0x40
MAY_PULL = phases.marks(phases.MOVING)

# --- what a bed's link remembers, int64[beds on the bus, LINK_STATE]; addresses of its own columns ----------
LINK_STATE = (
    "socket", "requests", "asked", "told", "answered", "fill",  # requests: counted, its low 16 bits are sent
    "got", "read_ns", "heard_ns", "serial",                     # serial: of the drive, 0 until it is known
    "releases", "refused", "let_go", "met_other", "other_ns",   # the drive's counts, what they say
    "wait", "lost", "came", "pause",  # came: anything since it was waited for in vain; pause: ticks left
)  # fmt: skip
(L_SOCKET, L_REQUESTS, L_ASKED, L_TOLD, L_ANSWERED, L_FILL, L_GOT, L_READ_NS, L_HEARD_NS, L_SERIAL,
 L_RELEASES, L_REFUSED, L_LET_GO, L_MET_OTHER, L_OTHER_NS,
 L_WAIT, L_LOST, L_CAME, L_PAUSE) = range(len(LINK_STATE))  # fmt: skip
NOT_ASKED = -1
UNKNOWN = -1  # a count of the drive, before its first answer on this connection: it may have been off
OTHER_NS = 2 * SECOND_NS  # another master that writes more seldom comes and goes

_send = types.ExternalFunction("send", types.intp(types.int32, types.uintp, types.uintp, types.int32))
_recv = types.ExternalFunction("recv", types.intp(types.int32, types.uintp, types.uintp, types.int32))
_ppoll = types.ExternalFunction("ppoll", types.int32(types.uintp, types.uintp, types.uintp, types.uintp))


class Bus(NamedTuple):
    """The beds that are reached over Modbus; every array but `sockets` is the loop's own."""

    places: np.ndarray  # int64[n]: the bed's column in the kernel's arrays
    sockets: np.ndarray  # int64[n]: handed over by the thread that connects; GONE hands back
    units: np.ndarray  # int64[n]
    options: np.ndarray  # int64[2]: OPTION_WAIT_NS, OPTION_MASTER
    state: np.ndarray  # int64[n, LINK_STATE]
    outgoing: np.ndarray  # uint8[n, REQUEST_BYTES]
    incoming: np.ndarray  # uint8[n, BUFFER_BYTES]
    polls: np.ndarray  # int32[n, 2]: struct pollfd
    events: np.ndarray  # int16[n, 4]: the same memory
    held: np.ndarray  # int32[READINGS, n]: the last right answer


OPTION_WAIT_NS, OPTION_MASTER = range(2)


# --- requests ----------------------------------------------------------------------------------------------


@scalar
def _post(bus, counts, index, command, sample, tilt_deg):
    """Send one request; its number, or NOT_ASKED when it cannot be sent now."""
    state, bed = bus.state[index], bus.places[index]
    if state[L_REQUESTS] - state[L_ANSWERED] >= MOST_WAITING:
        counts[bed, m.N_UNSENT] += 1
        return NOT_ASKED
    request = state[L_REQUESTS] + 1
    outputs = int(command[layout.C_OUTPUTS, bed])
    phase = int(sample[layout.S_PHASE, bed])
    may_pull = MAY_PULL[phase] > 0.0 and outputs & layout.OUTPUT_POWER != 0
    write_request(bus.outgoing[index], bus.units[index], request, bus.options[OPTION_MASTER],
                  int(command[layout.C_VELOCITY, bed]), outputs, may_pull,
                  round(10.0 * tilt_deg[bed]))  # fmt: skip
    sent = _send(np.int32(state[L_SOCKET]), bus.outgoing.ctypes.data + index * REQUEST_BYTES,
                 REQUEST_BYTES, np.int32(NOSIGNAL_DONTWAIT))  # fmt: skip
    if sent == REQUEST_BYTES:
        state[L_REQUESTS] = request
        counts[bed, m.N_REQUESTS] += 1
        return request
    counts[bed, m.N_UNSENT] += 1
    if sent >= 0:  # half a request: what follows would be read as its rest
        _give_up(bus, counts, index)
    return NOT_ASKED


@scalar
def _give_up(bus, counts, index):
    """Hand the socket back; whoever connects closes it and brings another."""
    counts[bus.places[index], m.N_LOST] += 1
    counts[bus.places[index], m.N_CONNECTED] = 0
    bus.state[index, L_SOCKET] = GONE
    bus.state[index, L_FILL] = 0
    store_release(bus.sockets, index, GONE)


@scalar
def _meet(bus, counts, index, now_ns):
    """Take over a new connection, or notice that there is none."""
    state = bus.state[index]
    state[L_GOT] = 0
    state[L_ASKED] = NOT_ASKED
    if state[L_SOCKET] == GONE:
        state[L_SOCKET] = load_acquire(bus.sockets, index)
        if state[L_SOCKET] == GONE:
            return
        state[L_FILL] = 0
        state[L_TOLD] = NOT_ASKED
        state[L_ANSWERED] = state[L_REQUESTS]
        state[L_HEARD_NS] = now_ns
        state[L_RELEASES] = state[L_REFUSED] = UNKNOWN
        counts[bus.places[index], m.N_CONNECTED] = 1
    elif now_ns - state[L_HEARD_NS] > SILENT_NS:
        _give_up(bus, counts, index)


@scalar
def _is_worth_waiting(state):
    """Whether this tick waits for a bed: asked, and not lost or heard of since it was waited for in vain."""
    hopeful = state[L_CAME] != 0 and state[L_PAUSE] == 0
    return state[L_ASKED] != NOT_ASKED and (state[L_LOST] == 0 or hopeful)


@scalar
def ask(bus, counts, command, sample, tilt_deg, now_ns):
    """Send every bed its request; none is waited for here."""
    for index in range(bus.places.shape[0]):
        _meet(bus, counts, index, now_ns)
        if bus.state[index, L_SOCKET] != GONE:
            bus.state[index, L_ASKED] = _post(bus, counts, index, command, sample, tilt_deg)
        bus.state[index, L_WAIT] = 1 if _is_worth_waiting(bus.state[index]) else 0


@scalar
def tell(bus, counts, command, sample, tilt_deg):
    """Send every bed the command of this tick; its answer is looked at in the next."""
    for index in range(bus.places.shape[0]):
        if bus.state[index, L_SOCKET] != GONE:
            bus.state[index, L_TOLD] = _post(bus, counts, index, command, sample, tilt_deg)


# --- answers -----------------------------------------------------------------------------------------------


@scalar
def _compare(state, counts, frame):
    """What the drive has counted since its last answer: releases by itself, commands of other masters."""
    releases = word(frame, ANSWER_AT + 2 * reg.R_RELEASES)
    if state[L_RELEASES] not in (UNKNOWN, releases):
        counts[m.N_RELEASED] += 1
        state[L_LET_GO] = 1
    state[L_RELEASES] = releases
    refused = word(frame, ANSWER_AT + 2 * reg.R_REFUSED)
    if state[L_REFUSED] not in (UNKNOWN, refused):
        counts[m.N_OTHER_WROTE] += 1
        counts[m.N_OTHER_MASTER_NO] = long_word(frame, ANSWER_AT + 2 * reg.R_REFUSED_MASTER)
        state[L_MET_OTHER] = 1
    state[L_REFUSED] = refused


@scalar
def _hear(bus, counts, index, start, length, now_ns):
    """Look at one whole frame: the answer that is waited for, the last command's, or an old one."""
    state, bed, frame = bus.state[index], bus.places[index], bus.incoming[index, start:]
    behind = (state[L_REQUESTS] - word(frame, 0)) & 0xFFFF
    if behind >= REMEMBERED:
        counts[bed, m.N_TRANSACTION] += 1
        return
    request = state[L_REQUESTS] - behind
    state[L_ANSWERED] = max(state[L_ANSWERED], request)
    if request == state[L_TOLD] and state[L_ASKED] != request:
        if np.int64(frame[7]) == EXCEPTION:
            counts[bed, m.N_EXCEPTION] += 1
        return
    if request != state[L_ASKED] or state[L_GOT] != 0:
        counts[bed, m.N_LATE] += 1
        return
    verdict = judge(frame, length, bus.units[index], request, bus.options[OPTION_MASTER], state[L_SERIAL])
    counts[bed, verdict] += 1
    state[L_GOT] = -1
    if verdict == m.N_ANSWERS:
        read_answer(frame, bus.held[:, index])
        note_answer(frame, counts[bed])
        _compare(state, counts[bed], frame)
        state[L_SERIAL] = counts[bed, m.N_SERIAL_NO]
        state[L_GOT], state[L_HEARD_NS] = 1, now_ns
    elif verdict == m.N_OTHER_MASTER:
        holder = long_word(frame, ANSWER_AT + 2 * reg.R_MASTER)
        counts[bed, m.N_OTHER_MASTER_NO] = holder
        state[L_MET_OTHER] = 1 if holder != reg.NO_MASTER else state[L_MET_OTHER]
        state[L_REFUSED] = UNKNOWN  # what it counts from here on are our own commands, too


@scalar
def split(bus, counts, index, now_ns):
    """Take whole frames out of what has come in; what cannot be one is thrown away with all behind it."""
    state, data = bus.state[index], bus.incoming[index]
    start, fill = 0, state[L_FILL]
    while fill - start >= LEAST_BYTES:
        length = word(data, start + 4)
        if word(data, start + 2) != 0 or not EXCEPTION_LENGTH <= length <= LONGEST_LENGTH:
            counts[bus.places[index], m.N_GARBAGE] += 1
            state[L_ANSWERED] = state[L_REQUESTS]
            start = fill
        elif fill - start < HEADER + length:
            break
        else:
            _hear(bus, counts, index, start, length, now_ns)
            start += HEADER + length
    for place in range(fill - start):
        data[place] = data[start + place]
    state[L_FILL] = fill - start


@scalar
def _receive(bus, counts, index, now_ns):
    """Take what the network has for a bed, without waiting."""
    state = bus.state[index]
    room = BUFFER_BYTES - state[L_FILL]  # never none: a frame is shorter, and whole ones are taken out
    came = _recv(np.int32(state[L_SOCKET]), bus.incoming.ctypes.data + index * BUFFER_BYTES + state[L_FILL],
                 room, np.int32(NOSIGNAL_DONTWAIT))  # fmt: skip
    if came <= 0:  # ended by the drive, or broken: there was something to receive
        _give_up(bus, counts, index)
        return
    state[L_FILL] += came
    state[L_CAME] = 1
    split(bus, counts, index, now_ns)


@scalar
def _await(bus):
    """Set up the poll for beds that owe an answer; returns how many of them are worth waiting for.

    The others are heard all the same: one that owes so many that it is not asked would owe them for ever.
    """
    waiting = 0
    for index in range(bus.places.shape[0]):
        state = bus.state[index]
        owes = state[L_ASKED] != NOT_ASKED or state[L_REQUESTS] > state[L_ANSWERED]
        heard = state[L_SOCKET] != GONE and owes and state[L_GOT] == 0
        bus.polls[index, 0] = state[L_SOCKET] if heard else GONE  # poll passes over a negative one
        bus.events[index, 2] = POLL_IN
        bus.events[index, 3] = 0
        waiting += 1 if heard and state[L_WAIT] != 0 else 0
    return waiting


@scalar
def receive_all(bus, counts, deadline_ns, timespec):
    """Receive until every bed worth waiting for has answered or the deadline (CLOCK_MONOTONIC) is reached.

    Returns when the first right answer was there (ns), 0 when none came.
    """
    first_ns = now_ns = 0
    waiting = _await(bus)
    while bus.places.shape[0] > 0 and (waiting > 0 or now_ns == 0):  # every one is heard once
        now_ns = clock_ns(CLOCK_MONOTONIC, timespec)
        left_ns = max(0, deadline_ns - now_ns) if waiting > 0 else 0
        timespec[0] = left_ns // SECOND_NS
        timespec[1] = left_ns % SECOND_NS
        ready = _ppoll(bus.polls.ctypes.data, bus.places.shape[0], timespec.ctypes.data, 0)
        now_ns = clock_ns(CLOCK_MONOTONIC, timespec)
        for index in range(bus.places.shape[0]):
            if ready > 0 and bus.events[index, 3] & (POLL_IN | POLL_BAD) != 0:
                _receive(bus, counts, index, now_ns)
                if first_ns == 0 and bus.state[index, L_GOT] == 1:
                    first_ns = now_ns
        if now_ns >= deadline_ns:
            break
        waiting = _await(bus)
    return first_ns


@scalar
def _note_wait(state, is_lost):
    """Remember what waiting for this bed was good for."""
    if state[L_GOT] != 0:
        state[L_PAUSE] = 0
    elif state[L_WAIT] != 0:
        state[L_CAME], state[L_PAUSE] = 0, PAUSE_TICKS
    else:
        state[L_PAUSE] = max(0, state[L_PAUSE] - 1)
    state[L_LOST] = 1 if is_lost else 0


@scalar
def give_readings(bus, counts, reading, woke_ns):
    """Write every bed's reading: what has just come, or the last with its age.

    What comes after more than the drive's watchdog (this loop stood still) has the age of what was before,
    once: the drive has let go meanwhile, and the kernel must not go on as if not; where the drive itself says
    that it has let go, whatever this clock says, likewise. Another master is told of for OTHER_NS.
    """
    for index in range(bus.places.shape[0]):
        state, bed = bus.state[index], bus.places[index]
        age_ms = (woke_ns - state[L_READ_NS] + NS_A_MS // 2) // NS_A_MS
        if state[L_GOT] == 1:
            state[L_READ_NS] = woke_ns
            age_ms = age_ms if age_ms > reg.WATCHDOG_MS else 0
            age_ms = max(age_ms, LET_GO_MS) if state[L_LET_GO] != 0 else age_ms
            state[L_LET_GO] = 0
        elif state[L_ASKED] != NOT_ASKED and state[L_GOT] == 0:
            counts[bed, m.N_HALF if state[L_FILL] > 0 else m.N_UNANSWERED] += 1
        _note_wait(state, state[L_GOT] != 1 and age_ms > reg.WATCHDOG_MS)
        reading[:, bed] = bus.held[:, index]
        reading[layout.R_AGE, bed] = min(max(age_ms, 0), LONGEST_MS)
        if state[L_MET_OTHER] != 0:
            state[L_MET_OTHER], state[L_OTHER_NS] = 0, woke_ns
        if woke_ns - state[L_OTHER_NS] < OTHER_NS:
            reading[layout.R_STATUS, bed] |= layout.STATUS_OTHER_MASTER
