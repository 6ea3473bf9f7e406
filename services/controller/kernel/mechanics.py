"""The mechanics of a simulated bed: drive, harness, table, pelvis and creeping spine, over rows of beds.

Plain floats: newtons, millimetres, seconds (a mass is N s^2/mm). Every formula stands once, in a small
function; `advance` runs them over all beds, branch-free, so that it becomes vector code.
"""

from services.controller.kernel.compiled import scalar, stage

RELEASE_S = 0.4  # mechanical release: time constant of the tension let out
RELEASE_MM_S = 60.0  # ... and its fastest
SLIP_MM = 25.0
STILL_MM_S = 1e-9  # slower is at rest: an endless decay ends in numbers that processors are slow with
STROKE_LOW_MM, STROKE_HIGH_MM = -20.0, 400.0


@scalar
def harness_tension(stretch_mm, stiffness_n_mm, toe_mm):
    """Tension (N) of a webbing harness: a quadratic toe, then a line with the same slope at the join."""
    toe = 0.5 * stiffness_n_mm * stretch_mm * stretch_mm / toe_mm
    line = stiffness_n_mm * (stretch_mm - 0.5 * toe_mm)
    tension = toe if stretch_mm < toe_mm else line
    return tension if stretch_mm > 0.0 else 0.0


@scalar
def drive_speed(speed_mm_s, wanted_mm_s, gain, limit_mm_s, most_change_mm_s):
    """Speed (mm/s) one sub-step on: first-order lag towards the set-point, speed and acceleration limited."""
    wanted = min(limit_mm_s, wanted_mm_s)
    wanted = max(-limit_mm_s, wanted)
    change = gain * (wanted - speed_mm_s)
    change = min(most_change_mm_s, change)
    change = max(-most_change_mm_s, change)
    speed = speed_mm_s + change
    return speed if (speed > STILL_MM_S) | (speed < -STILL_MM_S) else 0.0


@scalar
def slide(speed_mm_s, force_n, step_per_mass, damped, stick_n, loss):
    """Speed (mm/s) of the sliding mass one sub-step on, Coulomb friction at velocity level: it truly sticks.

    At rest the static friction must be overcome; sliding, the kinetic one takes speed off but never turns it.
    step_per_mass is step / mass, damped 1 / (1 + step damping / mass), loss the speed that sliding costs.
    """
    free = (speed_mm_s + step_per_mass * force_n) * damped
    pace = free if free > 0.0 else -free
    slowed = free - loss if free > 0.0 else free + loss
    slowed = slowed if pace > loss else 0.0
    force = force_n if force_n > 0.0 else -force_n
    return 0.0 if (speed_mm_s == 0.0) & (force <= stick_n) else slowed


@stage
def prepare(step_s, harness, spine, mass, spine_damping, slide_n, drive_mm_s2,
            per_release, muscle, step_per_mass, damped, loss, most_change):  # fmt: skip
    """What a period's sub-steps share: what follows from the constants alone."""
    for bed in range(harness.shape[0]):
        bearing = harness[bed]
        per_release[bed] = 1.0 / (bearing * RELEASE_S)
        muscle[bed] = (spine[bed] + bearing) / bearing
        per_mass = step_s[bed] / mass[bed]
        step_per_mass[bed] = per_mass
        damped[bed] = 1.0 / (1.0 + per_mass * spine_damping[bed])
        loss[bed] = per_mass * slide_n[bed]
        most_change[bed] = drive_mm_s2[bed] * step_s[bed]


@stage
def advance(steps, step_s, free, blocked, wanted, limit, slipping, slack, harness, toe, harness_damping,
            spine, creep_fast, creep_slow, fast_gain, slow_gain, stick, drive_gain, per_release, muscle,
            step_per_mass, damped, loss, most_change, breath_step, counters, breath, drive, speed, pelvis,
            pelvis_speed, fast, slow, slip, tension):  # fmt: skip
    """Advance drive, harness, pelvis and spine of every bed by so many sub-steps.

    counters float64[steps, beds] is the counter-tension of each. Speed before place, so that energy is kept.
    """
    for step in range(steps):
        for bed in range(drive.shape[0]):
            dt = step_s[bed]
            heaved = breath[bed] + breath_step[bed]
            breath[bed] = heaved
            bearing = harness[bed]
            letting_out = tension[bed] * per_release[bed]
            letting_out = min(RELEASE_MM_S, letting_out)
            driven = drive_speed(speed[bed], wanted[bed], drive_gain[bed], limit[bed], most_change[bed])
            driven = 0.0 if blocked[bed] > 0.0 else driven
            driven = -letting_out if free[bed] > 0.0 else driven
            place = drive[bed] + dt * driven
            place = min(STROKE_HIGH_MM, place)
            place = max(STROKE_LOW_MM, place)
            given = slip[bed] + slipping[bed] * dt
            given = min(SLIP_MM, given)
            before = pelvis[bed]
            moving = pelvis_speed[bed]
            stretch = place - before - given - slack[bed]
            pull = harness_tension(stretch, bearing, toe[bed])
            damping = harness_damping[bed] * (driven - moving)
            pull = pull + damping if stretch > 0.0 else pull
            pull = max(0.0, pull)
            crept = fast[bed]
            crept_slowly = slow[bed]
            resistance = spine[bed] * (before - crept - crept_slowly)
            net = pull - resistance - muscle[bed] * (counters[step, bed] + heaved)
            after = slide(moving, net, step_per_mass[bed], damped[bed], stick[bed], loss[bed])
            pelvis_speed[bed] = after
            pelvis[bed] = before + dt * after
            fast[bed] = crept + fast_gain[bed] * (creep_fast[bed] * resistance - crept)
            slow[bed] = crept_slowly + slow_gain[bed] * (creep_slow[bed] * resistance - crept_slowly)
            speed[bed] = driven
            drive[bed] = place
            slip[bed] = given
            tension[bed] = pull


@stage
def fasten(drive, pelvis, slack, slipping, tension, slip):
    """A strap without tension that no longer slips is fastened again: snug, never tight."""
    for bed in range(drive.shape[0]):
        loose = drive[bed] - pelvis[bed] - slack[bed]
        loose = max(0.0, loose)
        snug = min(slip[bed], loose)
        again = (tension[bed] <= 0.0) & (slipping[bed] <= 0.0)
        slip[bed] = snug if again else slip[bed]
