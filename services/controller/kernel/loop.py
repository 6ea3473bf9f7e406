"""The loop: wait for the absolute deadline, read the bed, step, write the bed, push one sample.

Compiled as one function that neither holds nor wants the interpreter's lock: nothing that Python does in this
process, or does not do, delays a tick. Sleeping and reading clocks go straight to the C library.
"""

from typing import NamedTuple

import numpy as np
from numba import types

from services.controller.kernel import mailbox, modbus, plant, ring
from services.controller.kernel.clock import CLOCK_MONOTONIC, CLOCK_REALTIME, SECOND_NS, clock_ns
from services.controller.kernel.compiled import inlined, scalar
from services.controller.kernel.layout import MISSED_DEADLINE, P_TILT, S_CONDITIONS, S_LATE, S_LINK
from services.controller.kernel.memory import (
    HISTOGRAM_COMMAND,
    HISTOGRAM_COMPUTE,
    HISTOGRAM_LATE,
    HISTOGRAM_LINK,
    W_CLOCK_OFFSET,
    W_HEAD,
    W_HEARTBEAT,
    W_MISSED,
    W_SKIPPED,
    W_STOP,
)
from services.controller.kernel.step import step

TIMER_ABSTIME = 1
EINTR = 4
NAP_US = 100
LONGEST_US = 2_000_000_000  # what an int32 row can tell

_clock_nanosleep = types.ExternalFunction(
    "clock_nanosleep", types.int32(types.int32, types.int32, types.uintp, types.uintp)
)
_usleep = types.ExternalFunction("usleep", types.int32(types.uint32))


class Shared(NamedTuple):
    """The sections of the shared memory that the loop works on, see memory.sections."""

    words: np.ndarray
    times: np.ndarray
    samples: np.ndarray
    mail: np.ndarray
    mail_slots: np.ndarray
    mail_parameters: np.ndarray
    mail_outcomes: np.ndarray
    taken: np.ndarray
    taken_ticks: np.ndarray
    taken_parameters: np.ndarray
    histograms: np.ndarray
    faults: np.ndarray
    link: np.ndarray


class Kernel(NamedTuple):
    """The kernel's own arrays, [rows, beds]; pending is the mailbox's, timespec int64[2] the clocks'."""

    params: np.ndarray
    staged: np.ndarray
    state: np.ndarray
    reading: np.ndarray
    action: np.ndarray
    sample: np.ndarray
    command: np.ndarray
    pending: np.ndarray
    timespec: np.ndarray


class Beds(NamedTuple):
    """The simulated beds' arrays, see plant.plant_step, and what is reached over a bus instead."""

    state: np.ndarray
    constants: np.ndarray
    random: np.ndarray
    library: np.ndarray
    entries: np.ndarray
    bus: modbus.Bus


@scalar
def wait_out(deadline_ns, timespec):
    """Come back once CLOCK_MONOTONIC shows the deadline (ns), whatever the sleep before it did.

    Should clock_nanosleep ever fail, ticks must not run unpaced: each is taken for one period of therapy.
    """
    while clock_ns(CLOCK_MONOTONIC, timespec) < deadline_ns:
        _usleep(np.uint32(NAP_US))


@scalar
def sleep_until(deadline_ns, timespec):
    """Sleep until CLOCK_MONOTONIC shows the deadline (ns); neither signal nor failure shortens it."""
    timespec[0] = deadline_ns // SECOND_NS
    timespec[1] = deadline_ns % SECOND_NS
    while (
        _clock_nanosleep(np.int32(CLOCK_MONOTONIC), np.int32(TIMER_ABSTIME), timespec.ctypes.data, 0) == EINTR
    ):
        pass
    wait_out(deadline_ns, timespec)


@scalar
def next_deadline(deadline_ns, period_ns, now_ns):
    """The first deadline of the same grid that is still to come: late ticks never make the grid drift."""
    following = deadline_ns + period_ns
    if now_ns <= following:
        return following
    return following + ((now_ns - following) // period_ns + 1) * period_ns


@inlined
def exchange(shared, kernel, bed, woke_ns):
    """Ask the beds on a bus, let the simulated ones live for a period meanwhile, receive what was answered.

    Returns when the first answer was there (ns), 0 without one.
    """
    modbus.ask(
        bed.bus, shared.link, kernel.command, kernel.sample, kernel.params[P_TILT],
        clock_ns(CLOCK_MONOTONIC, kernel.timespec),
    )  # fmt: skip
    deadline_ns = clock_ns(CLOCK_MONOTONIC, kernel.timespec) + bed.bus.options[modbus.OPTION_WAIT_NS]
    plant.plant_step(
        bed.state, bed.constants, bed.random, bed.library, bed.entries, shared.faults,
        kernel.params[P_TILT], kernel.command, kernel.reading,
    )  # fmt: skip
    first_ns = modbus.receive_all(bed.bus, shared.link, deadline_ns, kernel.timespec)
    modbus.give_readings(bed.bus, shared.link, kernel.reading, woke_ns)
    return first_ns


@inlined
def tick(shared, kernel, bed, number, woke_ns, realtime_ns, late_ns, missed):
    """One tick: exchange with the bed, take actions, step, command, record. Returns the link's time (ns)."""
    read_ns = exchange(shared, kernel, bed, woke_ns)
    link_ns = clock_ns(CLOCK_MONOTONIC, kernel.timespec) - woke_ns
    mailbox.take_actions(
        shared.mail, shared.mail_slots, shared.mail_parameters, kernel.pending, kernel.staged, kernel.action,
        woke_ns,
    )  # fmt: skip
    step(
        kernel.params,
        kernel.staged,
        kernel.state,
        kernel.reading,
        kernel.action,
        kernel.sample,
        kernel.command,
    )
    modbus.tell(bed.bus, shared.link, kernel.command, kernel.sample, kernel.params[P_TILT])
    if read_ns != 0:
        told_ns = clock_ns(CLOCK_MONOTONIC, kernel.timespec)
        ring.count(shared.histograms[HISTOGRAM_COMMAND], told_ns - read_ns)
    kernel.sample[S_LATE, :] = min(late_ns // 1000, LONGEST_US)
    kernel.sample[S_LINK, :] = min(link_ns // 1000, LONGEST_US)
    if missed:
        kernel.sample[S_CONDITIONS] |= MISSED_DEADLINE
    mailbox.answer_actions(
        shared.mail, shared.mail_slots, shared.mail_outcomes, kernel.pending, kernel.staged, shared.taken,
        shared.taken_ticks, shared.taken_parameters, kernel.action, kernel.sample, number,
    )  # fmt: skip
    ring.push(shared.words, shared.times, shared.samples, number, woke_ns, realtime_ns, kernel.sample)
    return link_ns


@scalar
def run(ticks, period_ns, shared, kernel, bed):
    """Run that many ticks, or until the stop word is set; returns the ticks run.

    A simulated bed obeys its last command for one period and answers with a reading; one on a bus is asked
    for its reading and told the command made of it in the same tick (modbus.py). A tick that ends after the
    next one's start counts as missed, marks the next sample with MISSED_DEADLINE, and the loop goes on at the
    next deadline of the same grid; seq counts the ticks run.
    """
    words = shared.words
    deadline_ns = clock_ns(CLOCK_MONOTONIC, kernel.timespec) + period_ns
    missed = False
    for done in range(ticks):
        if ring.load_acquire(words, W_STOP) != 0:
            return done
        sleep_until(deadline_ns, kernel.timespec)
        woke_ns = clock_ns(CLOCK_MONOTONIC, kernel.timespec)
        realtime_ns = clock_ns(CLOCK_REALTIME, kernel.timespec) + words[W_CLOCK_OFFSET]
        late_ns = woke_ns - deadline_ns
        link_ns = tick(shared, kernel, bed, words[W_HEAD], woke_ns, realtime_ns, late_ns, missed)
        ended_ns = clock_ns(CLOCK_MONOTONIC, kernel.timespec)
        ring.store_release(words, W_HEARTBEAT, ended_ns)
        ring.count(shared.histograms[HISTOGRAM_LATE], late_ns)
        ring.count(shared.histograms[HISTOGRAM_LINK], link_ns)
        ring.count(shared.histograms[HISTOGRAM_COMPUTE], ended_ns - woke_ns - link_ns)
        following_ns = next_deadline(deadline_ns, period_ns, ended_ns)
        missed = ended_ns > deadline_ns + period_ns
        if missed:
            words[W_MISSED] += 1
            words[W_SKIPPED] += (following_ns - deadline_ns) // period_ns - 1
        deadline_ns = following_ns
    return ticks
