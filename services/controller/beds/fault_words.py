"""What each fault of `spondyl bed --modbus --fault KIND` is, for a person who tries them."""

from collections.abc import Mapping
from typing import Final

ANSWERS: Final = {
    "garbage": "random bytes instead of an answer",
    "half": "the first half of an answer, and no more",
    "split": "an answer in two pieces: harmless",
    "unit": "the answer of another unit",
    "transaction": "the answer to another request",
    "exception": "Modbus exception 6, busy",
    "length": "one register too few",
    "signature": "the signature of another device",
    "swapped": "32-bit values with their words swapped",
    "scaling": "force in hundredths of a newton",
    "serial": "the serial number of another drive",
    "other-master": "it says that it obeys another master",
    "turned": "the load cell turned round: tension is negative",
    "echo": "the echo of the heartbeat before",
    "contacts": "the patient switch's contacts contradict each other",
    "slow": "an answer 60 ms late",
    "silent": "no answer, with the connection open",
}
BEDS: Final = {
    "sensor-stuck": "the load cell repeats its last value",
    "sensor-lost": "the load cell is not valid",
    "sensor-drift": "the load cell tells up to 30 N too little, more and more",
    "sensor-noise": "ten times the load cell's noise",
    "drive-stuck": "it says that it is ready, and does not move",
    "drive-runaway": "it pulls at full speed, whatever it is told",
    "drive-slow": "a fifth of its speed is left",
    "strap-slip": "the harness gives 25 mm at once",
    "switch-pressed": "the patient holds the switch",
    "switch-unplugged": "the patient switch is not plugged in",
    "mains-lost": "the bed runs on its battery",
    "heat-stuck": "the heat pad's relay is welded",
    "late-ticks": "the bed lives through three periods at a time",
    "clock": "the bed's clock steps back by an hour",
}


def listing() -> str:
    """All of them, one a line."""
    groups: tuple[tuple[str, Mapping[str, str]], ...] = (
        ("what becomes of its answers (with --every N: of every Nth)", ANSWERS),
        ("what breaks at the bed", BEDS),
    )  # fmt: skip
    lines = []
    for title, words in groups:
        lines += [f"{title}:", *(f"  {name:<17} {what}" for name, what in words.items())]
    return "\n".join(lines)
