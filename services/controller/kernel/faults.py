"""Faults a simulated bed can be given, int64[beds]: bits in the order of their names. No compiler needed."""

FAULT_KINDS = (
    "sensor-stuck",  # the load cell repeats its last value
    "sensor-lost",  # the load cell does not answer: zero, not valid
    "drive-stuck",  # the drive says it is ready and does not move
    "strap-slip",  # the harness gives 25 mm at once
    "switch-pressed",  # the patient holds the switch
    "link-lost",  # no exchange: the reading ages, the bed's own watchdog releases after 100 ms
    "mains-lost",  # the bed runs on its UPS
    "switch-unplugged",
    "heat-stuck",  # the heat pad's relay is welded
    "sensor-drift",  # the load cell tells less and less of the tension, down to 30 N too little
    "sensor-noise",  # ten times the load cell's noise
    "drive-runaway",  # under power the drive pulls at its full speed, whatever it is told
    "drive-slow",  # a fifth of the drive's speed is left
    "link-late",  # an exchange only every 60 ms: readings and commands are old, but come
    "late-ticks",  # the loop is late: the bed lives through three periods between two of its ticks
    "clock",  # the bed's clock steps back by an hour: readings seem to come from the future
)
(SENSOR_STUCK, SENSOR_LOST, DRIVE_STUCK, STRAP_SLIP, SWITCH_PRESSED, LINK_LOST, MAINS_LOST, SWITCH_UNPLUGGED,
 HEAT_STUCK, SENSOR_DRIFT, SENSOR_NOISE, DRIVE_RUNAWAY, DRIVE_SLOW, LINK_LATE, LATE_TICKS,
 CLOCK) = (1 << bit for bit in range(len(FAULT_KINDS)))  # fmt: skip

# What a simulated person can be told to do: no fault, and never drawn among them.
WILL_KINDS = (
    "cough",  # a fit of two, again and again while it stands
    "contraction",  # a recorded one, again and again
)
COUGHS, CONTRACTS = 1 << 32, 1 << 33
BITS = {name: 1 << bit for bit, name in enumerate(FAULT_KINDS)} | {"cough": COUGHS, "contraction": CONTRACTS}
