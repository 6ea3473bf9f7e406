"""Kernels broken on purpose: each a copy of the sources with one line changed, shown a probe or two.

A verification that a broken kernel passes proves nothing. The copies run uncompiled, each in its own process.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from services.controller.kernel import cache
from services.kit.errors import SpondylError

ROOT = Path(__file__).parents[3]
KERNEL = Path("services/controller/kernel")
LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken kernel: file, the text that is there once, what replaces it, the probes it is shown."""

    name: str
    file: str
    before: str
    after: str
    probes: tuple[str, ...]


MUTANTS = (
    Mutant("ceiling-not-checked", "envelope.py", "cap = gain * room / CEILING_STIFFNESS", "cap = 1e9",
           ("wrong-target",)),
    Mutant("envelope-raises", "envelope.py", "limited = min(v, cap)", "limited = cap", ("calm",)),
    Mutant("stale-reading-pulls", "envelope.py", "& (age_ms[bed] > STALE_MS) else cap", "& False else cap",
           ("link-late",)),
    Mutant("lost-link-ignored", "envelope.py", "LOST_MS = 30, 100", "LOST_MS = 30, 100000", ("link-lost",)),
    Mutant("frozen-cell-not-found", "envelope.py", "frozen = LOAD_CELL_FROZEN if stands > 0.0 else 0.0",
           "frozen = 0.0", ("stuck-cell",)),
    Mutant("lost-cell-ignored", "envelope.py", "status[bed] & STATUS_FORCE_VALID else LOAD_CELL_LOST",
           "True else LOAD_CELL_LOST", ("lost-cell",)),
    Mutant("tensioned-after-a-drop", "envelope.py", "drop = SUDDEN_DROP if sudden + stayed > 0.0 else 0.0",
           "drop = 0.0", ("slip",)),
    Mutant("stuck-drive-not-noticed", "envelope.py", "TRAVEL_MM = 2.0", "TRAVEL_MM = 2000.0",
           ("stuck-drive", "runaway")),
    Mutant("stop-ignored-in-hold", "phases.py", '(("ready", *MOVING, "stopped"), "stop", "stopped"),',
           '(("ready", *(p for p in MOVING if p != "hold"), "stopped"), "stop", "stopped"),', ("stop",)),
    Mutant("switch-a-tick-late", "deciding.py", "if live & PATIENT and go(",
           "if live & int(state[at.LIVE_SEEN, bed]) & PATIENT and go(", ("switch",)),
    Mutant("mains-ignored", "deciding.py", "if live & layout.MAINS_LOST and go(", "if live & 0 and go(",
           ("mains",)),
    Mutant("slew-doubled", "entering.py", "QUINTIC_PEAK = 1.875", "QUINTIC_PEAK = 0.9375", ("calm",)),
    Mutant("ramp-at-once", "entering.py",
           "begin_move(state, bed, state[at.PEAK, bed], params[layout.P_RISE, bed]",
           "begin_move(state, bed, state[at.PEAK, bed], 1e9", ("calm",)),
    Mutant("target-jumps", "entering.py", "    state[at.PEAK, bed] = cycle_peak(params, state, bed)\n",
           "    state[at.PEAK, bed] = cycle_peak(params, state, bed)\n"
           "    state[at.TARGET, bed] = state[at.PEAK, bed]\n", ("calm",)),
    Mutant("rebuilds-at-once", "entering.py",
           "state[at.TARGET, bed] = max(base, min(state[at.TENSION, bed], state[at.TARGET, bed]))",
           "state[at.TARGET, bed] = state[at.STRUCK, bed]", ("one-contraction",)),
    Mutant("sees-half-of-it", "law.py", "        y = force_dn[bed] * 0.1\n",
           "        y = force_dn[bed] * (0.1 if force_dn[bed] < 900 else 0.05)\n", ("calm",)),
    Mutant("torn-strap-not-noticed", "envelope.py", "TORN_N, TORN_S = 60.0, 0.25",
           "TORN_N, TORN_S = 6e9, 0.25", ("slip-on-a-soft-harness",)),
    Mutant("pulls-in-a-cooldown", "entering.py",
           "    state[at.MODE, bed] = at.LET_OUT\n    seconds",
           "    state[at.MODE, bed] = at.TRACK\n    seconds", ("short",)),
    Mutant("base-not-kept", "entering.py",
           "params[layout.P_BASE, bed], rate, 0.0)\n\n\n@scalar\ndef enter_rest",
           "0.5 * params[layout.P_BASE, bed], rate, 0.0)\n\n\n@scalar\ndef enter_rest", ("calm",)),
    Mutant("release-too-slow", "entering.py", "RELEASE_S = 4.5", "RELEASE_S = 45.0", ("stop",)),
    Mutant("power-not-cut", "entering.py", "POWER_CUT_S = 5.0", "POWER_CUT_S = 50.0", ("switch",)),
    Mutant("power-before-the-start", "deciding.py",
           "    state[at.LEFT, bed] = params[layout.P_CLOSE_AFTER_S, bed]\n",
           "    state[at.LEFT, bed] = params[layout.P_CLOSE_AFTER_S, bed]\n    state[at.POWER, bed] = 1.0\n",
           ("calm",)),
    Mutant("stuck-drive-not-freed", "entering.py",
           "FREE_AT_ONCE = layout.ACTUATOR_STUCK | layout.DRIVE_NOT_READY", "FREE_AT_ONCE = 0", ("runaway",)),
    Mutant("drops-the-patient", "law.py", "let_out = -limit if surges else min(track, 0.0)",
           "let_out = -limit", ("stop",)),
    Mutant("pulls-while-letting-out", "law.py", "let_out = -limit if surges else min(track, 0.0)",
           "let_out = track", ("stop",)),
    Mutant("peak-too-high", "entering.py", "return max(min(peak, params[layout.P_CEILING, bed])",
           "return max(min(1.2 * peak, params[layout.P_CEILING, bed])", ("calm",)),
    Mutant("command-in-other-units", "step.py", "v = velocity[bed] * power[bed]",
           "v = 3.0 * velocity[bed] * power[bed]", ("calm",)),
    Mutant("traction-clock-backwards", "step.py", "traction[bed] = traction[bed] + dt * counting[bed]",
           "traction[bed] = traction[bed] - dt * counting[bed]", ("calm",)),
    Mutant("runaway-ignored-while-stopped", "phases.py", '((*MOVING, "stopped", "fault"), "fault", "fault"),',
           '((*MOVING, "fault"), "fault", "fault"),', ("runaway-stopped",)),
    Mutant("eases-to-nothing", "entering.py", "hold_at(state, bed, max(base, level - yielded))",
           "hold_at(state, bed, 0.0)", ("one-contraction",)),
    Mutant("never-quiet", "step.py", "left[bed] = quiet_s[bed] if pushing > 0.0 else remaining",
           "left[bed] = quiet_s[bed]", ("one-contraction",)),
    Mutant("rebuilds-from-nothing", "entering.py",
           "state[at.TARGET, bed] = max(base, min(state[at.TENSION, bed], state[at.TARGET, bed]))",
           "state[at.TARGET, bed] = min(state[at.TENSION, bed], state[at.TARGET, bed])",
           ("one-contraction",)),
    Mutant("never-done", "phases.py", '(("cooldown",), "reached", "done"),', "", ("short",)),
)  # fmt: skip


def caught_by(mutant: Mutant | None) -> list[str]:
    """Invariants that a mutant breaks, in a process of its own; for None the sound kernel on all probes.

    Raises SpondylError when the text to change is not there exactly once, or the probes could not run.
    """
    with TemporaryDirectory() as directory:
        tree = Path(directory)
        _copy(tree)
        if mutant is not None:
            _break(tree / KERNEL / mutant.file, mutant)
        return _probe(tree, () if mutant is None else mutant.probes)


def _copy(tree: Path) -> None:
    """The sources with a kernel of their own; everything else is the one that is there."""
    for name in ("broker",):
        (tree / name).symlink_to(ROOT / name)
    for level in (Path("services"), Path("services/controller")):
        (tree / level).mkdir()
        for entry in (ROOT / level).iterdir():
            if entry.name not in ("controller", "kernel", "__pycache__"):
                _place(entry, tree / level / entry.name)
    shutil.copytree(ROOT / KERNEL, tree / KERNEL, ignore=shutil.ignore_patterns("__pycache__"))


def _place(entry: Path, there: Path) -> None:
    if entry.is_dir():
        there.symlink_to(entry)
    else:
        shutil.copy(entry, there)


def _break(file: Path, mutant: Mutant) -> None:
    source = file.read_text(encoding="utf-8")
    count = source.count(mutant.before)
    if count != 1:
        raise SpondylError(
            f"mutant {mutant.name}: {mutant.before!r} stands {count} times in {mutant.file}, once is wanted: "
            "the kernel has changed, and the list in verifying/mutants.py must follow"
        )
    file.write_text(source.replace(mutant.before, mutant.after), encoding="utf-8")


def _probe(tree: Path, probes: tuple[str, ...]) -> list[str]:
    """Run probes over a tree of sources, all of them when none is named."""
    from services.controller.verifying.probing import PROBES

    environment = {**os.environ, "PYTHONPATH": str(tree), "NUMBA_DISABLE_JIT": "1"}
    environment.pop(cache.VARIABLE, None)
    argv = [sys.executable, "-m", "services.controller.verifying.probing", *(probes or PROBES)]
    done = subprocess.run(
        argv, cwd=tree, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    if done.returncode != 0:
        raise SpondylError(f"the probes could not run: {done.stderr.strip()[-400:]}")
    broken = json.loads(done.stdout.splitlines()[-1])
    return sorted({name for found in broken.values() for name in found})
