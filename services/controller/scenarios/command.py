"""`spondyl simulate --scenario`: play scenario files and hold each to what it expects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.controller import outputs
from services.controller.scenarios.files import files, load
from services.controller.scenarios.judging import Verdict, judged
from services.controller.simulation.simulate import tell
from services.kit.errors import SpondylError


def play_all(
    given: Sequence[Path], plot: Path | None, record: Path | None
) -> tuple[bool, dict[str, Any], str]:
    """Whether all are as expected, the JSON of one or of all, and the words for a person.

    Directories stand for the files in them. Raises SpondylError before anything is written.
    """
    paths = [path for one in given for path in (files(one) if one.is_dir() else [one])]
    if not paths:
        raise SpondylError(f"no scenario in {', '.join(map(str, given))}: they are JSON files")
    if len(paths) > 1 and (plot or record):
        raise SpondylError(f"--plot and --record draw one scenario, not {len(paths)}")
    scenarios = [load(path) for path in paths]
    for out in filter(None, (plot, record)):
        outputs.require_writable(out)
    verdicts = {path.stem: judged(scenario) for path, scenario in zip(paths, scenarios, strict=True)}
    ok = all(verdict.ok for verdict in verdicts.values())
    if len(verdicts) > 1:
        rows = {name: verdict.as_json() for name, verdict in verdicts.items()}
        told = [f"{name}: {_words(verdict)}" for name, verdict in verdicts.items()]
        return ok, {"ok": ok, "played": len(rows), "scenarios": rows}, "\n".join(told)
    [(name, verdict)] = verdicts.items()
    if record is not None:
        outputs.write_whole(record, verdict.played.recording())
    if plot is not None:
        outputs.write_whole(plot, picture(name, verdict))
    return ok, {"scenario": name} | verdict.as_json(), f"{tell(verdict.report)}\n{_words(verdict)}"


def picture(name: str, verdict: Verdict) -> bytes:
    """The scenario as PNG."""
    from services.controller.simulation import plots

    return plots.picture(
        verdict.played.course, verdict.report["guarding"], f"{name}: {verdict.played.scenario.why}"
    )


def _words(verdict: Verdict) -> str:
    return "as expected" if verdict.ok else "\n  ".join(["NOT AS EXPECTED", *map(str, verdict.differences)])
