"""``python -m services.controller.segment.worker``: one simulation or one fit, in a process of its own.

A task as one JSON object on stdin; lines of JSON on stdout: {"stage", "progress"} as it goes on, at the end
{"done": ...} or {"error", "error_de"}. It runs with a low priority, touches no gateway's memory and
sends nothing: whoever asked may end it at any time.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson

from services.kit.errors import SpondylError

Json = dict[str, Any]
POLITE: Final = 15  # nice: behind everything of the gateway, and done within a minute on a busy one


def main() -> None:
    """Do the task on stdin."""
    os.nice(POLITE)
    task = orjson.loads(sys.stdin.buffer.read())
    try:
        _say(done=TASKS[task["task"]](task))
    except SpondylError as error:
        _say(error=error.message, error_de=getattr(error, "german", error.message))


def _preview(task: Json) -> Json:
    _say(stage="preparing", progress=0.1)  # numba and its cache: by far the longest part
    from services.controller.segment.preview import preview
    from services.kit.therapy.prescription import Prescription

    _say(stage="simulating", progress=0.6)
    return preview(Prescription.parse(task["prescription"]), int(task["seed"]))


def _identify(task: Json) -> Json:
    _say(stage="preparing", progress=0.1)
    from services.controller.segment import identify as fit

    columns, period_s = fit.recorded(Path(task["recording"]))
    _say(stage="fitting", progress=0.6)
    known = task.get("harness")
    found = fit.identify(fit.first_pulls(columns, period_s), fit.Harness(*known) if known else None)
    friction = found.friction
    told = [friction.friction_n, friction.sd_n] if friction else None
    return {**found.as_json(), "measured": told}


TASKS: Final[dict[str, Callable[[Json], Json]]] = {"preview": _preview, "identify": _identify}


def _say(**line: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
