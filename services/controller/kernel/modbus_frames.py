"""Frames of function 0x17 over Modbus/TCP: a request filled in, an answer judged and read. No I/O here.

Modbus Application Protocol V1.1b3, 6.17; Modbus Messaging on TCP/IP V1.0b, 3.1; registers: modbus_map.py.
"""

import numpy as np

from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.kernel import modbus_map as reg
from services.controller.kernel.compiled import scalar

FUNCTION, EXCEPTION = 0x17, 0x97
HEADER = 6  # transaction, protocol and length; what the length counts follows
REQUEST_AT = 17  # of the first written register: header, unit, function, 4 x 2 bytes, byte count
ANSWER_AT = 9  # of the first register read: header, unit, function, byte count
REQUEST_BYTES = REQUEST_AT + 2 * reg.WRITE_WORDS
ANSWER_LENGTH = 3 + 2 * reg.READ_WORDS  # as the answer's header counts
EXCEPTION_LENGTH, LONGEST_LENGTH = 3, 254
LEAST_BYTES = HEADER + EXCEPTION_LENGTH


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


# --- requests and answers -----------------------------------------------------------------------------------


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
