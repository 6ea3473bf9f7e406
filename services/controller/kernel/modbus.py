"""Beds behind Modbus/TCP: function 0x17 writes and reads in one exchange; no tick waits beyond its bound.

A tick asks all beds, receives their answers within one common deadline, steps, and tells them the commands
made of these readings in a second exchange, whose answer is looked at in the next tick. A reading that does
not come in time is kept and grows older: the kernel's rules for stale and lost readings act. Sockets are
connected by another thread (beds/modbus_bed.py) and handed over as numbers; nothing here allocates, connects
or waits for a lock. Modbus Application Protocol V1.1b3, 6.17; Modbus Messaging on TCP/IP V1.0b, 3.1.
"""

from typing import NamedTuple

import numpy as np
from numba import types

from services.controller.kernel import layout, phases
from services.controller.kernel import memory as m
from services.controller.kernel import modbus_map as reg
from services.controller.kernel.clock import CLOCK_MONOTONIC, SECOND_NS, clock_ns
from services.controller.kernel.compiled import scalar
from services.controller.kernel.ring import load_acquire, store_release

FUNCTION, EXCEPTION = 0x17, 0x97
HEADER = 6  # transaction, protocol and length; what the length counts follows
REQUEST_AT = 17  # of the first written register: header, unit, function, 4 x 2 bytes, byte count
ANSWER_AT = 9  # of the first register read: header, unit, function, byte count
REQUEST_BYTES = REQUEST_AT + 2 * reg.WRITE_WORDS
ANSWER_LENGTH = 3 + 2 * reg.READ_WORDS  # as the answer's header counts
EXCEPTION_LENGTH, LONGEST_LENGTH = 3, 254
LEAST_BYTES = HEADER + EXCEPTION_LENGTH
BUFFER_BYTES = 2048
MOST_WAITING = 8  # requests a drive may owe answers to: more would only answer ever later
REMEMBERED = 4096  # requests back that an answer may be late from
SILENT_NS = SECOND_NS  # a connection without one right answer for so long is given up
GONE = -1  # instead of a socket: none, another is wanted
NEVER_NS = -3_600 * SECOND_NS  # when a bed that has never answered is taken to have been read
LONGEST_MS = 2_000_000_000
NS_A_MS = 1_000_000
POLL_IN, POLL_BAD = 1, 8 | 16 | 32  # POLLIN; POLLERR, POLLHUP, POLLNVAL
NOSIGNAL_DONTWAIT = 0x4000 | 0x40
MAY_PULL = phases.marks(phases.MOVING)

# --- what a bed's link remembers, int64[beds on the bus, LINK_STATE]; addresses of its own columns ----------
LINK_STATE = (
    "socket", "requests", "asked", "told", "answered", "fill",  # requests: counted, its low 16 bits are sent
    "got", "read_ns", "heard_ns", "serial",                     # serial: of the drive, 0 until it is known
)  # fmt: skip
(L_SOCKET, L_REQUESTS, L_ASKED, L_TOLD, L_ANSWERED, L_FILL, L_GOT, L_READ_NS, L_HEARD_NS,
 L_SERIAL) = range(len(LINK_STATE))  # fmt: skip
NOT_ASKED = -1

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


# --- words on the wire -------------------------------------------------------------------------------------


@scalar
def word(data, at):
    """Sixteen bits, the high byte first."""
    return (np.int64(data[at]) << 8) | np.int64(data[at + 1])


@scalar
def long_word(data, at):
    """Thirty-two bits without a sign, the high word first."""
    return (word(data, at) << 16) | word(data, at + 2)


@scalar
def signed(value, bits):
    """Two's complement of so many bits."""
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


@scalar
def put_word(data, at, value):
    """Write the low sixteen bits, the high byte first."""
    data[at] = (value >> 8) & 0xFF
    data[at + 1] = value & 0xFF


@scalar
def put_long(data, at, value):
    """Write the low thirty-two bits, the high word first."""
    put_word(data, at, (value >> 16) & 0xFFFF)
    put_word(data, at + 2, value & 0xFFFF)


# --- requests ----------------------------------------------------------------------------------------------


@scalar
def write_request(frame, unit, request, master, velocity_ums, outputs, may_pull, tilt_ddeg):
    """Fill in one request: read everything, write heartbeat, both stop channels and the command.

    Where pulling is not permitted both channels say so, and the velocity is not above zero either.
    """
    put_word(frame, 0, request & 0xFFFF)
    put_word(frame, 2, 0)
    put_word(frame, 4, REQUEST_BYTES - HEADER)
    frame[6] = unit
    frame[7] = FUNCTION
    put_word(frame, 8, reg.READ_ADDRESS)
    put_word(frame, 10, reg.READ_WORDS)
    put_word(frame, 12, reg.WRITE_ADDRESS)
    put_word(frame, 14, reg.WRITE_WORDS)
    frame[16] = 2 * reg.WRITE_WORDS
    put_word(frame, REQUEST_AT + 2 * reg.W_HEARTBEAT, request & 0xFFFF)
    put_word(frame, REQUEST_AT + 2 * reg.W_STOP_A, reg.RUN_A if may_pull else reg.STOP_A)
    put_word(frame, REQUEST_AT + 2 * reg.W_STOP_B, reg.RUN_B if may_pull else reg.STOP_B)
    put_long(frame, REQUEST_AT + 2 * reg.W_MASTER, master)
    put_long(frame, REQUEST_AT + 2 * reg.W_VELOCITY, velocity_ums if may_pull else min(velocity_ums, 0))
    put_word(frame, REQUEST_AT + 2 * reg.W_OUTPUTS, outputs)
    put_word(frame, REQUEST_AT + 2 * reg.W_TILT, tilt_ddeg & 0xFFFF)


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
        counts[bus.places[index], m.N_CONNECTED] = 1
    elif now_ns - state[L_HEARD_NS] > SILENT_NS:
        _give_up(bus, counts, index)


@scalar
def ask(bus, counts, command, sample, tilt_deg, now_ns):
    """Send every bed its request; none is waited for here."""
    for index in range(bus.places.shape[0]):
        _meet(bus, counts, index, now_ns)
        if bus.state[index, L_SOCKET] != GONE:
            bus.state[index, L_ASKED] = _post(bus, counts, index, command, sample, tilt_deg)


@scalar
def tell(bus, counts, command, sample, tilt_deg):
    """Send every bed the command of this tick; its answer is looked at in the next."""
    for index in range(bus.places.shape[0]):
        if bus.state[index, L_SOCKET] != GONE:
            bus.state[index, L_TOLD] = _post(bus, counts, index, command, sample, tilt_deg)


# --- answers -----------------------------------------------------------------------------------------------


@scalar
def judge(frame, length, unit, request, master, serial):
    """What is wrong with an answer to this request: N_ANSWERS when nothing is, else the counter of its kind.

    frame uint8[] from the transaction on, length as its header counts; serial 0: any drive's is right.
    """
    if np.int64(frame[6]) != unit:
        return m.N_UNIT
    function = np.int64(frame[7])
    if function == EXCEPTION:
        return m.N_EXCEPTION
    if function != FUNCTION:
        return m.N_GARBAGE
    if length != ANSWER_LENGTH or np.int64(frame[8]) != 2 * reg.READ_WORDS:
        return m.N_LENGTH
    signature = long_word(frame, ANSWER_AT + 2 * reg.R_SIGNATURE)
    if signature == ((reg.SIGNATURE & 0xFFFF) << 16) | (reg.SIGNATURE >> 16):
        return m.N_SWAPPED
    if signature != reg.SIGNATURE:
        return m.N_SIGNATURE
    for place in range(len(reg.FIXED)):
        if word(frame, ANSWER_AT + 2 * (reg.FIXED_FROM + place)) != reg.FIXED[place]:
            return m.N_SCALING
    if word(frame, ANSWER_AT + 2 * reg.R_WATCHDOG_MS) != reg.WATCHDOG_MS:
        return m.N_SCALING
    if serial not in (0, long_word(frame, ANSWER_AT + 2 * reg.R_SERIAL)):
        return m.N_SERIAL
    if long_word(frame, ANSWER_AT + 2 * reg.R_MASTER) != master:
        return m.N_OTHER_MASTER
    if word(frame, ANSWER_AT + 2 * reg.R_ECHO) != request & 0xFFFF:
        return m.N_ECHO
    return m.N_ANSWERS


@scalar
def read_answer(frame, held):
    """The registers of a right answer as a reading: held int32[READINGS].

    The patient switch has two contacts with complementary words: whatever is not both released is pressed.
    A drive that lets go by itself, or has a fault, obeys nobody: it is not ready, whatever its status says.
    """
    at = ANSWER_AT
    held[layout.R_FORCE] = signed(long_word(frame, at + 2 * reg.R_FORCE), 32)
    held[layout.R_POSITION] = signed(long_word(frame, at + 2 * reg.R_POSITION), 32)
    held[layout.R_TILT] = signed(word(frame, at + 2 * reg.R_TILT), 16)
    held[layout.R_HEAT] = signed(word(frame, at + 2 * reg.R_HEAT), 16)
    held[layout.R_EFFORT] = signed(long_word(frame, at + 2 * reg.R_EFFORT), 32)
    held[layout.R_AGE] = 0
    first, second = word(frame, at + 2 * reg.R_SWITCH_A), word(frame, at + 2 * reg.R_SWITCH_B)
    released = first == reg.RELEASED_A and second == reg.RELEASED_B
    status = word(frame, at + 2 * reg.R_STATUS) & reg.STATUS_BITS
    if word(frame, at + 2 * reg.R_DRIVE_STATE) in (reg.DRIVE_RELEASING, reg.DRIVE_FAULT):
        status &= ~layout.STATUS_DRIVE_READY
    held[layout.R_STATUS] = status if released else status | layout.STATUS_SWITCH_PRESSED


@scalar
def note_answer(frame, counts):
    """What a right answer tells beside its reading, for metrics and the panel: counts int64[LINK_COUNTS]."""
    at = ANSWER_AT
    counts[m.N_SERIAL_NO] = long_word(frame, at + 2 * reg.R_SERIAL)
    counts[m.N_DRIVE_STATE] = word(frame, at + 2 * reg.R_DRIVE_STATE)
    counts[m.N_WATCHDOG_STATE] = word(frame, at + 2 * reg.R_WATCHDOG)
    counts[m.N_STOP_STATE] = word(frame, at + 2 * reg.R_STOP_STATE)
    if word(frame, at + 2 * reg.R_SWITCH_A) != word(frame, at + 2 * reg.R_SWITCH_B) ^ 0xFFFF:
        counts[m.N_SWITCH_DISAGREES] += 1


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
        state[L_SERIAL] = counts[bed, m.N_SERIAL_NO]
        state[L_GOT], state[L_HEARD_NS] = 1, now_ns


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
    split(bus, counts, index, now_ns)


@scalar
def _await(bus):
    """Set up the poll for beds whose answer has not come; returns how many these are.

    One that owes so many that it is not asked is heard all the same: else it would owe them for ever.
    """
    waiting = 0
    for index in range(bus.places.shape[0]):
        state = bus.state[index]
        owes = state[L_ASKED] != NOT_ASKED or state[L_REQUESTS] > state[L_ANSWERED]
        awaited = state[L_SOCKET] != GONE and owes and state[L_GOT] == 0
        bus.polls[index, 0] = state[L_SOCKET] if awaited else GONE  # poll passes over a negative one
        bus.events[index, 2] = POLL_IN
        bus.events[index, 3] = 0
        waiting += 1 if awaited else 0
    return waiting


@scalar
def receive_all(bus, counts, deadline_ns, timespec):
    """Receive until every bed has answered or the deadline (CLOCK_MONOTONIC) is reached.

    Returns when the first right answer was there (ns), 0 when none came.
    """
    first_ns = 0
    while _await(bus) > 0:
        now_ns = clock_ns(CLOCK_MONOTONIC, timespec)
        left_ns = max(0, deadline_ns - now_ns)
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
    return first_ns


@scalar
def give_readings(bus, counts, reading, woke_ns):
    """Write every bed's reading: what has just come, or the last with its age.

    What comes after more than the drive's watchdog (this loop stood still) has the age of what was before,
    once: the drive has let go meanwhile and shows nothing of it, and the kernel must not go on as if not.
    """
    for index in range(bus.places.shape[0]):
        state, bed = bus.state[index], bus.places[index]
        age_ms = (woke_ns - state[L_READ_NS] + NS_A_MS // 2) // NS_A_MS
        if state[L_GOT] == 1:
            state[L_READ_NS] = woke_ns
            age_ms = age_ms if age_ms > reg.WATCHDOG_MS else 0
        elif state[L_ASKED] != NOT_ASKED and state[L_GOT] == 0:
            counts[bed, m.N_HALF if state[L_FILL] > 0 else m.N_UNANSWERED] += 1
        reading[:, bed] = bus.held[:, index]
        reading[layout.R_AGE, bed] = min(max(age_ms, 0), LONGEST_MS)
