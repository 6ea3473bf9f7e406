"""Operator actions on their way into the loop: one single-producer ring a channel and bed.

A stop on any channel overtakes everything queued for its bed, and what it overtook is dropped: nothing that
was asked before a stop may act after it. From remote only pause and stop are taken.
"""

from services.controller.kernel.compiled import scalar
from services.controller.kernel.layout import (
    ACTION_CHANGE,
    ACTION_HEAT_OFF,
    ACTION_LOAD,
    ACTION_NONE,
    ACTION_PAUSE,
    ACTION_REMOTE_PAUSE,
    ACTION_REMOTE_STOP,
    ACTION_STOP,
    REFUSAL_NONE,
    REFUSAL_OVERTAKEN,
    REFUSAL_REMOTE,
    REFUSAL_TOO_LATE,
    REMOTE_ACTIONS,
    S_ACTION,
    S_REFUSAL,
)
from services.controller.kernel.memory import (
    ACTION_EXPIRES_NS,
    CHANNELS,
    LINE_WORDS,
    MAIL_ACTION,
    MAIL_HEAD,
    MAIL_POSTED,
    MAIL_STRIDE,
    MAIL_TAIL,
    OUTCOME_REFUSAL,
    OUTCOME_TICK,
    OUTCOME_TICKET,
    REMOTE,
    SLOTS,
    TAKEN_SLOTS,
)
from services.controller.kernel.ring import fence_release, load_acquire, store_release

_CHANNELS = len(CHANNELS)
_WITH_PARAMETERS = (ACTION_LOAD, ACTION_CHANGE)
_NEVER_TOO_LATE = (ACTION_STOP, ACTION_PAUSE, ACTION_HEAT_OFF)
PENDING = ("channel", "ticket", "refusal")  # int64[beds, 3] from take_actions to answer_actions
PENDING_CHANNEL, PENDING_TICKET, PENDING_REFUSAL = range(len(PENDING))
NOBODY = -1  # no action was taken for this bed


@scalar
def take_actions(mail, slots, parameters, pending, staged, action, now_ns):
    """Take at most one action a bed from its mailboxes; parameters of load and change go to ``staged``."""
    beds = action.shape[0]
    for bed in range(beds):
        action[bed] = ACTION_NONE
        pending[bed, PENDING_CHANNEL] = NOBODY
        pending[bed, PENDING_REFUSAL] = REFUSAL_NONE
        channel, ticket = _next(mail, slots, bed, beds)
        if channel == NOBODY:
            continue
        slot = ticket % SLOTS
        pending[bed, PENDING_CHANNEL] = channel
        pending[bed, PENDING_TICKET] = ticket
        wanted = slots[channel, bed, slot, MAIL_ACTION]
        waited_ns = now_ns - slots[channel, bed, slot, MAIL_POSTED]
        pending[bed, PENDING_REFUSAL] = _refusal(channel, wanted, waited_ns)
        if pending[bed, PENDING_REFUSAL] == REFUSAL_NONE:
            action[bed] = _named(channel, wanted)
        if action[bed] in _WITH_PARAMETERS:
            staged[:, bed] = parameters[channel, bed, slot, : staged.shape[0]]


@scalar
def _next(mail, slots, bed, beds):
    """Channel and ticket of what the bed takes now: the first stop of all channels, else the first action."""
    first_channel, first_ticket = NOBODY, 0
    for channel in range(_CHANNELS):
        base = (channel * beds + bed) * MAIL_STRIDE
        tail = mail[base + MAIL_TAIL]
        for ticket in range(tail, load_acquire(mail, base + MAIL_HEAD)):
            if slots[channel, bed, ticket % SLOTS, MAIL_ACTION] == ACTION_STOP:
                return channel, ticket
            if first_channel == NOBODY:
                first_channel, first_ticket = channel, ticket
    return first_channel, first_ticket


@scalar
def _refusal(channel, wanted, waited_ns):
    """The loop's own refusal: from remote only pause and stop, and after a long wait only what calms."""
    if channel == REMOTE and wanted not in REMOTE_ACTIONS:
        return REFUSAL_REMOTE
    if wanted not in _NEVER_TOO_LATE and waited_ns > ACTION_EXPIRES_NS:
        return REFUSAL_TOO_LATE
    return REFUSAL_NONE


@scalar
def _named(channel, wanted):
    """What the kernel is told: it must know the remote's stop and pause from the bedside's."""
    if channel != REMOTE:
        return wanted
    return ACTION_REMOTE_STOP if wanted == ACTION_STOP else ACTION_REMOTE_PAUSE


@scalar
def answer_actions(
    mail, slots, outcomes, pending, staged, taken, taken_ticks, taken_parameters, action, sample, tick
):
    """After the step: the loop's own refusals to the sample, outcomes to whoever asked, slots free again."""
    beds = action.shape[0]
    for bed in range(beds):
        channel = pending[bed, PENDING_CHANNEL]
        if channel == NOBODY:
            continue
        ticket = pending[bed, PENDING_TICKET]
        wanted = slots[channel, bed, ticket % SLOTS, MAIL_ACTION]
        if pending[bed, PENDING_REFUSAL] != REFUSAL_NONE:
            sample[S_ACTION, bed] = wanted
            sample[S_REFUSAL, bed] = pending[bed, PENDING_REFUSAL]
        refusal = sample[S_REFUSAL, bed]
        if action[bed] in _WITH_PARAMETERS and refusal == REFUSAL_NONE:
            _keep(taken, taken_ticks[bed], taken_parameters[bed], staged[:, bed], bed, tick)
        if wanted == ACTION_STOP:
            _answer_stopped(mail, slots, outcomes, bed, beds, channel, ticket, tick, refusal)
        else:
            _answer(outcomes[channel, bed], ticket, tick, refusal)
            store_release(mail, (channel * beds + bed) * MAIL_STRIDE + MAIL_TAIL, ticket + 1)


@scalar
def _keep(taken, ticks, parameters, staged, bed, tick):
    """Keep the parameters that were taken in this tick for the recorder."""
    entry = taken[bed * LINE_WORDS]
    ticks[entry % TAKEN_SLOTS] = tick
    parameters[entry % TAKEN_SLOTS, : staged.shape[0]] = staged
    store_release(taken, bed * LINE_WORDS, entry + 1)
    fence_release()


@scalar
def _answer_stopped(mail, slots, outcomes, bed, beds, stop_channel, stop_ticket, tick, refusal):
    """Answer a stop and everything queued for the bed that it overtook, on every channel."""
    for channel in range(_CHANNELS):
        base = (channel * beds + bed) * MAIL_STRIDE
        end = stop_ticket + 1 if channel == stop_channel else load_acquire(mail, base + MAIL_HEAD)
        for ticket in range(mail[base + MAIL_TAIL], end):
            is_stop = slots[channel, bed, ticket % SLOTS, MAIL_ACTION] == ACTION_STOP
            _answer(outcomes[channel, bed], ticket, tick, refusal if is_stop else REFUSAL_OVERTAKEN)
        store_release(mail, base + MAIL_TAIL, end)


@scalar
def _answer(outcomes, ticket, tick, refusal):
    """Write one outcome row."""
    row = ticket % SLOTS
    outcomes[row, OUTCOME_TICKET] = ticket
    outcomes[row, OUTCOME_TICK] = tick
    outcomes[row, OUTCOME_REFUSAL] = refusal
