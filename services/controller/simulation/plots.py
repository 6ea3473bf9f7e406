"""A simulated session as a picture: target, tension, limits, counter-tension, the first stop close up."""

from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from services.controller.kernel import layout
from services.controller.simulation import scoring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, TENSION, COUNTER, ALERT, QUIET = "#1b2a36", "#0b7fab", "#c2571a", "#b3261e", "#6b7a86"
SHADES = {
    "slack": "#eef1f3", "precondition": "#e6eef7", "ramp": "#d9ecf5", "hold": "#bfe0ee", "release": "#e3f1ea",
    "rest": "#f3f6f4", "guarded": "#f7c9c0", "rebuild": "#fbe6c8", "cooldown": "#ececf6", "paused": "#f4e8f2",
    "stopped": "#f1b8b3", "fault": "#e58d86", "done": "#ffffff", "ready": "#ffffff", "idle": "#ffffff",
}  # fmt: skip
STYLE: dict[Any, Any] = {
    "font.size": 9, "axes.edgecolor": QUIET, "axes.labelcolor": INK, "text.color": INK, "xtick.color": QUIET,
    "ytick.color": QUIET, "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip
LEAST_LABEL = 0.035  # of the width: a phase narrower than this goes without its name
CLOSE_UP_S = (1.0, 4.0)  # before and after the first stop


def picture(course: scoring.Course, rows: list[dict[str, Any]], title: str) -> bytes:
    """The session as PNG; rows are the guarding rows of the report."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        heights = [3.2, 1.4, 2.2] if rows else [3.2, 1.4]
        figure = Figure(figsize=(13, 1.9 * len(heights) + 3), layout="constrained")
        axes = figure.subplots(len(heights), 1, height_ratios=heights)
        figure.suptitle(title + "\n ", x=0.01, ha="left", fontsize=12, fontweight="bold")
        _session(axes[0], course, rows)
        _counter(axes[1], course)
        axes[1].sharex(axes[0])
        if rows:
            _close_up(axes[2], course, rows)
        image = BytesIO()
        figure.savefig(image, dpi=130, format="png")
    return image.getvalue()


def _session(axes: "Axes", course: scoring.Course, rows: list[dict[str, Any]]) -> None:
    time = course.time_s
    _shade(axes, course, 0.0, float(time[-1]))
    axes.plot(time, course.row(layout.S_FORCE) / 10.0, color=TENSION, lw=0.7, label="tension (load cell)")
    axes.plot(time, course.target_n, color=INK, lw=1.3, label="target")
    _limits(axes, course)
    for row in rows:
        _mark(axes, course, row)
    axes.set_ylabel("tension, N")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower right", ncols=2, frameon=True, framealpha=0.9, edgecolor="none")


def _note(
    axes: "Axes",
    text: str,
    at: tuple[float, float],
    coordinates: tuple[str, str],
    offset: tuple[float, float],
    **style: Any,
) -> None:
    note = axes.annotate(text, at, xycoords=coordinates, xytext=offset, textcoords="offset points", **style)
    note.set_in_layout(False)


def _limits(axes: "Axes", course: scoring.Course) -> None:
    started = course.time_s >= 0
    ceiling = course.row(layout.S_CEILING) / 1000.0
    shown = np.where(started & (ceiling > 0) & (ceiling < 1000), ceiling, np.nan)  # noqa: PLR2004  (drawable)
    axes.plot(course.time_s, shown, color=ALERT, lw=1.0, ls="--")
    lines = (("ceiling", float(course.parameters[layout.P_CEILING]), ALERT, None),
             ("peak", float(course.parameters[layout.P_PEAK]), QUIET, ":"),
             ("base", float(course.parameters[layout.P_BASE]), QUIET, ":"))  # fmt: skip
    for name, level, colour, style in lines:
        if style:
            axes.axhline(level, color=colour, lw=0.9, ls=style)
        _note(axes, f"{name} {level:.0f} N", (1.0, level), ("axes fraction", "data"), (-4, 2),
              color=colour, ha="right", va="bottom", fontsize=8)  # fmt: skip


def _mark(axes: "Axes", course: scoring.Course, row: dict[str, Any]) -> None:
    """A triangle where guarding was found; hollow where it was missed, a cross where there was none."""
    when = row["onset_s"] if row["detected_s"] is None else row["detected_s"]
    tick = min(max(course.start + round(when / course.period_s), 0), len(course.samples) - 1)
    marker, face = ("x", ALERT) if row["onset_s"] is None else ("v", ALERT)
    if row["detected_s"] is None:
        face = "none"
    level = float(course.tension_n[tick]) + 18.0
    axes.plot([when], [level], marker=marker, color=ALERT, markerfacecolor=face, ms=7, ls="none", zorder=5)


def _shade(axes: "Axes", course: scoring.Course, low: float, high: float) -> None:
    """Colour and name the phases between two times."""
    time, phase = course.time_s, course.row(layout.S_PHASE)
    edges = [0, *(np.flatnonzero(np.diff(phase)) + 1).tolist(), len(phase)]
    for first, last in pairwise(edges):
        name = layout.PHASES[int(phase[first])]
        left, right = max(low, float(time[first])), min(high, float(time[last - 1]) + course.period_s)
        if right > left:
            axes.axvspan(left, right, color=SHADES[name], lw=0, zorder=0)
        if right - left > LEAST_LABEL * (high - low):
            middle = 0.5 * (left + right)
            _note(axes, name, (middle, 1.0), ("data", "axes fraction"), (0, 2),
                  ha="center", fontsize=7.5, color=QUIET)  # fmt: skip
    axes.set_xlim(low, high)


def _counter(axes: "Axes", course: scoring.Course) -> None:
    axes.fill_between(course.time_s, course.counter_n, color=COUNTER, alpha=0.35, lw=0,
                      label="counter-tension given (drive blocked)")  # fmt: skip
    axes.plot(course.time_s, course.row(layout.S_RESIDUAL) / 1000.0, color=COUNTER, lw=0.7,
              label="as the controller estimates it")  # fmt: skip
    most = max(10.0, float(course.counter_n.max()), float(course.row(layout.S_RESIDUAL).max()) / 1000.0)
    axes.set_ylim(-0.4 * most, 1.25 * most)
    axes.set_ylabel("counter-tension, N")
    axes.set_xlabel("seconds since the start")
    axes.legend(loc="upper right", frameon=False, ncols=2)


def _close_up(axes: "Axes", course: scoring.Course, rows: list[dict[str, Any]]) -> None:
    row = next((row for row in rows if row["latency_ms"] is not None), rows[0])
    onset = row["detected_s"] if row["onset_s"] is None else row["onset_s"]
    _shade(axes, course, onset - CLOSE_UP_S[0], onset + CLOSE_UP_S[1])
    time = course.time_s
    axes.plot(
        time, course.row(layout.S_FORCE) / 10.0, color=TENSION, lw=0.8, marker=".", ms=3, label="tension"
    )
    axes.plot(time, course.target_n, color=INK, lw=1.3, label="target")
    drive = axes.twinx()
    drive.plot(time, course.row(layout.S_VELOCITY) / 1000.0, color=QUIET, lw=0.8)
    drive.set_ylabel("drive, mm/s", color=QUIET)
    drive.spines["top"].set_visible(False)
    axes.axvline(onset, color=COUNTER, lw=1.2)
    if row["detected_s"] is not None:
        axes.axvline(row["detected_s"], color=ALERT, lw=1.2)
        told = "false stop" if row["latency_ms"] is None else f"found after {row['latency_ms']:.0f} ms"
        _note(axes, told, (row["detected_s"], 0.94), ("data", "axes fraction"), (6, 0),
              color=ALERT, fontweight="bold")  # fmt: skip
    near = (time > onset - CLOSE_UP_S[0]) & (time < onset + CLOSE_UP_S[1])
    force = course.row(layout.S_FORCE)[near] / 10.0
    axes.set_ylim(force.min() - 15.0, force.max() + 25.0)
    axes.set_ylabel("tension, N")
    axes.set_xlabel("seconds since the start: the first stop, close up")
    axes.legend(loc="lower left", frameon=False, ncols=2)
