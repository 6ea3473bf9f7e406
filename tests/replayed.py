"""Every session that a test left behind is recomputed: the same commands to the bit, or the test fails."""

from services.controller.blackbox.recording import Unreadable, parse
from services.controller.blackbox.replay import recompute

LACKS = ("samples are missing", "holds no load")


def left_behind(system):
    """Every session that the gateways of a machine recorded."""
    return every_session(*system.data.glob("gateways/*"))


def every_session(*gateways, may_lack=()):
    """Replay the recordings of these gateways' directories; how many sessions and samples were equal.

    A system that was killed leaves a last line without its end, and sessions without theirs. A gateway of
    ``may_lack`` had a full disk and removed recordings to make room: such a one is refused, not wrong.
    """
    sessions = samples = 0
    for gateway in gateways:
        for path in sorted(gateway.glob("recordings/*.jsonl")):
            lines = path.read_bytes().splitlines(keepends=True)
            whole = [row for row in enumerate(lines, 1) if row[1].endswith(b"\n")]
            if not whole:
                continue
            try:
                result = recompute(str(path), parse(str(path), whole))
            except Unreadable as error:
                if gateway.name in may_lack and any(words in error.message for words in LACKS):
                    continue
                raise
            assert result.equal, f"{path}: {result.first_difference}"
            sessions, samples = sessions + 1, samples + result.samples
    return sessions, samples
