"""The register map in Python's hands: values to registers and back, and the tables of docs/modbus.md.

The table itself is kernel/modbus_map.py, which the compiled loop reads too.
"""

from collections.abc import Mapping, Sequence

from services.controller.kernel import memory as m
from services.controller.kernel import modbus_map as reg
from services.controller.kernel.modbus_map import READS, WRITES, Register

WORD, WORDS_2 = 1 << 16, 1 << 32


def pack(table: tuple[Register, ...], values: Mapping[str, int]) -> list[int]:
    """Registers of a block from its counts; what is not given is what it must be, or 0.

    ValueError for a count that its register cannot hold.
    """
    words: list[int] = []
    for register in table:
        value = values.get(register.name, register.fixed or 0)
        size = WORD if register.words == 1 else WORDS_2
        low, high = (-size // 2, size // 2) if register.signed else (0, size)
        if not low <= value < high:
            raise ValueError(f"{register.name} is {value}: its register holds {low} to {high - 1}")
        value %= size
        words += [value] if register.words == 1 else [value >> 16, value % WORD]
    return words


def unpack(table: tuple[Register, ...], words: Sequence[int]) -> dict[str, int]:
    """Counts by name from a block's registers."""
    values: dict[str, int] = {}
    place = 0
    for register in table:
        value, size = words[place], WORD
        if register.words > 1:
            value, size = words[place] * WORD + words[place + 1], WORDS_2
        values[register.name] = value - size if register.signed and value >= size // 2 else value
        place += register.words
    return values


def tables() -> dict[str, str]:
    """The generated parts of docs/modbus.md, by their marks."""
    return {
        "reads": _table(READS, reg.READ_ADDRESS),
        "writes": _table(WRITES, reg.WRITE_ADDRESS),
        "refusals": _refusals(),
    }


def _table(table: tuple[Register, ...], first: int) -> str:
    rows = [
        "| address | name | type | counts a unit | unit | must be | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    place = first
    for register in table:
        fixed = "" if register.fixed is None else _shown(register.fixed)
        scaling = register.scaling if register.scaling > 1 else ""
        rows.append(
            f"| {place} | `{register.name}` | {register.kind} | {scaling} | {register.unit} | {fixed} "
            f"| {register.meaning} |"
        )
        place += register.words
    return "\n".join(rows)


def _shown(fixed: int) -> str:
    return f"0x{fixed:08X}" if fixed >= WORD else str(fixed)


def _refusals() -> str:
    rows = ["| kind | what came |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{kind}` | {text} |" for kind, text in REFUSALS.items())])


REFUSALS = dict(
    zip(
        m.LINK_REFUSALS,
        (
            "the answer to an earlier request: it came after its tick",
            "nothing before the tick's deadline",
            "the beginning of a frame before the deadline; the rest is awaited, and dropped as late",
            "bytes that are no Modbus frame (protocol, length or function): all of them are thrown away",
            "an answer of another unit",
            "an answer to a request that was never made",
            "an exception: the drive refuses the request",
            "another number of registers than was asked for",
            "another signature: no drive of this map",
            "the signature with its words swapped: every 32-bit value would be wrong",
            "another version of the map, another scale, or another watchdog time",
            "another drive than before, or than the one that was commissioned for this device",
            "the drive obeys another master",
            "an echo of another heartbeat: not made in this exchange, whatever its transaction says",
            "a request that could not be sent: the drive owes too many answers, or the network takes nothing",
            "connections that ended or were given up after a second without a right answer",
        ),
        strict=True,
    )
)
