"""Coughs told from guarding once both are over: by how long each push of a fit of them lasted.

Nothing here touches the stop: a cough stops the pull like any contraction. It decides how fast the pull is
rebuilt after the wait for quiet. The push is read from the residual, the counter-tension that is left when
the table's travel is taken off: the tension itself falls although the contraction goes on, because the table
yields. Numbers measured on a simulated population, see docs/control.md.
"""

from services.controller.kernel import state as at
from services.controller.kernel.compiled import scalar, stage

PUSH_SHARE = 0.4  # of the greatest residual since the stop: above it a push goes on
PUSH_LEAST_N = 4.0  # ... and above this: less may be breath
BELATED_S = 0.8  # after the last disturbance what the residual shows is breath and the residual's own fading
PUSH_MOST_S = 0.36  # from the stop on, or from its own beginning: a cough is over by then
COUGH_S = 1.0  # a disturbance as short as this, without a longer push, was a cough
FIT_S = 2.0  # ... and one as short as this, when pushes were seen and none was longer than a cough


@stage
def weigh_pushes(period, mode, quiet_s, left, residual, greatest, push_s, longest_s):
    """While a table eases: how long the residual (N) has stood high, and the longest it has (s)."""
    for bed in range(period.shape[0]):
        easing = 1.0 if mode[bed] == at.EASE else 0.0
        most = max(greatest[bed], residual[bed]) * easing
        greatest[bed] = most
        high = max(PUSH_SHARE * most, PUSH_LEAST_N)
        pushed = push_s[bed] + period[bed] if residual[bed] > high else 0.0
        pushed = pushed * easing
        push_s[bed] = pushed
        counts = pushed if quiet_s[bed] - left[bed] <= BELATED_S else 0.0
        longest_s[bed] = max(longest_s[bed], counts) * easing


@scalar
def was_cough(state, bed):
    """Whether what the table has just eased for is taken for a cough or a fit of coughs, and rebuilt fast.

    Never after a stop that struck a rebuild: what comes again is guarding, whatever it looks like.
    """
    longest_s = state[at.LONGEST_PUSH_S, bed]
    if state[at.STRUCK_AGAIN, bed] == 1.0 or longest_s > PUSH_MOST_S:
        return False
    lasted_s = state[at.DISTURBED_AT, bed]
    return lasted_s <= COUGH_S or (longest_s > 0.0 and lasted_s <= FIT_S)
