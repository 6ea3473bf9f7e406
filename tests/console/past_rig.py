"""A clinic's past sessions for tests: one with a spike and an alarm, more of its cure, one elsewhere."""

import html
from contextlib import contextmanager
from uuid import UUID

from console.session_rig import SessionRig
from history_rig import OFFSET
from servers import Valkey
from simulated_session import SESSION

SPIKE_SEQ = OFFSET + 1517
SPIKE_N = 512.3
ALARM_SEQ = OFFSET + 1520
APPOINTMENT = UUID(int=0xA9)


@contextmanager
def past_sessions(directory):
    """A session with one sample far above all others; three more of its cure; one of another site."""
    with Valkey(directory) as valkey:
        made = SessionRig(valkey.url, directory, panels={"bed-01": "http://127.0.0.1:9/bed-01"})
        made.spike(SPIKE_SEQ, SPIKE_N)
        made.alarm("over_force", ALARM_SEQ, ALARM_SEQ + 250, value=512.0, limit=380.0)
        made.history.store("archived")
        made.another(1, days=2, peak_n=331.0, pain_before=6, pain_after=3, appointment=APPOINTMENT)
        made.another(2, days=4, peak_n=340.0, outcome="aborted", reason="patient_switch")
        made.another(3, days=9)
        made.another(9, days=1, site="south")
        yield made
        made.close()


def shown(answer):
    """The text of a page's content, without tags' escapes."""
    return html.unescape(answer.text[answer.text.index("<main") :])


def note(rig, who, text):
    """Somebody writes a note on the session."""
    return rig.post(who, f"/sessions/{SESSION}/notes", data={"text": text})
