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
)
(SENSOR_STUCK, SENSOR_LOST, DRIVE_STUCK, STRAP_SLIP, SWITCH_PRESSED, LINK_LOST, MAINS_LOST, SWITCH_UNPLUGGED,
 HEAT_STUCK) = (1 << bit for bit in range(len(FAULT_KINDS)))  # fmt: skip
