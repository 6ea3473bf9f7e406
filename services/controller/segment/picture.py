"""A prescription as a picture: profile, limits and the modelled force at the segment; a simulated session."""

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from services.controller.simulation.plots import ALERT, INK, QUIET, SHADES, STYLE, TENSION
from services.controller.words import PHASE_WORDS
from services.kit.language import Language
from services.kit.therapy.prescription import Prescription

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Json = dict[str, Any]
SEGMENT: Final = "#7a3b9b"
TRAVEL: Final = "#4f7d2b"
LEAST_NAMED: Final = 0.03  # of the width: a narrower phase goes without its name
APART_N: Final = 16.0  # two levels nearer than this share a line of text
WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "title": "{region} {segment}, {weight:g} kg, session {number}: {cycles} cycles, "
        "{minutes:g} min of traction",
        "region_lumbar": "lumbar", "region_cervical": "cervical",
        "by_pull": "prescribed as a pull of {pull:.0f} N",
        "by_force": "prescribed as {force:.0f} N at the segment, by the model a pull of {pull:.1f} N",
        "minutes": "minutes", "force": "force, N", "target": "pull: target",
        "segment": "force at the segment: a MODEL, not a measurement",
        "interval": "{interval:.0%} interval of the model",
        "ceiling": "envelope's ceiling", "peak": "peak", "first_peak": "first peak", "base": "base",
        "simulated": "SIMULATED session of a patient of {weight:g} kg (seed {seed}): breathing, no guarding. "
        "Highest tension {most:.0f} N, {cycles} cycles, {duration:.0f} min",
        "tension": "tension (simulated)", "travel": "travel of the table (simulated)", "millimetres": "mm",
        "foot": "At the peak by the model {axial:.0f} N ({low:.0f} to {high:.0f} N) of {pull:.0f} N reach "
        "the segment along the spine; table: {table}. Formula, sources, limits: docs/segment.md. "
        "Not a certified medical device.",
        "split": "split", "unsplit": "un-split", "sliding-rest": "sliding head rest", "pad": "pad",
    },
    "de": {
        "title": "{region} {segment}, {weight:g} kg, Sitzung {number}: {cycles} Zyklen, "
        "{minutes:g} min Traktion",
        "region_lumbar": "lumbal", "region_cervical": "zervikal",
        "by_pull": "verordnet als Zug von {pull:.0f} N",
        "by_force": "verordnet als {force:.0f} N am Segment, nach dem Modell ein Zug von {pull:.1f} N",
        "minutes": "Minuten", "force": "Kraft, N", "target": "Zug: Soll",
        "segment": "Kraft am Segment: ein MODELL, keine Messung",
        "interval": "{interval:.0%}-Intervall des Modells",
        "ceiling": "Grenze", "peak": "Spitze", "first_peak": "erste Spitze", "base": "Grundzug",
        "simulated": "SIMULIERTE Sitzung eines Menschen von {weight:g} kg (Seed {seed}): Atmung, keine "
        "Abwehr. Höchster Zug {most:.0f} N, {cycles} Zyklen, {duration:.0f} min",
        "tension": "Zug (simuliert)", "travel": "Weg der Liege (simuliert)", "millimetres": "mm",
        "foot": "An der Spitze kommen nach dem Modell {axial:.0f} N ({low:.0f} bis {high:.0f} N) von "
        "{pull:.0f} N entlang der Wirbelsäule am Segment an; Liege: {table}. Formel, Quellen, Grenzen: "
        "docs/segment.md. Kein zertifiziertes Medizinprodukt.",
        "split": "geteilt", "unsplit": "ungeteilt", "sliding-rest": "gleitende Kopfstütze", "pad": "Kissen",
    },
}  # fmt: skip


def picture(prescription: Prescription, studio: Json, preview: Json, language: Language, kind: str) -> bytes:
    """The studio (studio.studio) over the simulated session (preview.preview), as ``kind`` png or svg."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    words = WORDS[language]
    with mpl.rc_context({**STYLE, "svg.hashsalt": "spondyl", "svg.fonttype": "path"}):
        figure = Figure(figsize=(13, 9.2), layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=[3, 2], sharex=True)
        _title(figure, prescription, studio, words)
        _profile(above, studio, words, language)
        _session(below, prescription, preview, words)
        _foot(figure, studio, words, language)
        image = BytesIO()
        meta = {"Date": None} if kind == "svg" else {}
        figure.savefig(image, dpi=130, format=kind, metadata=meta)
    return image.getvalue()


def _title(figure: "Figure", prescription: Prescription, studio: Json, words: dict[str, str]) -> None:
    force_n = prescription.segment_peak_n
    how = words["by_pull"] if force_n is None else words["by_force"]
    values = {
        "region": words[f"region_{prescription.region}"], "segment": prescription.segment,
        "weight": prescription.body_weight_kg, "number": prescription.session_number,
        "cycles": studio["profile"]["cycles"], "minutes": prescription.traction_min,
    }  # fmt: skip
    told = words["title"].format(**values) + "\n" + how.format(pull=prescription.peak_n, force=force_n)
    figure.suptitle(told, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)


def _profile(axes: "Axes", studio: Json, words: dict[str, str], language: Language) -> None:
    profile, segment = studio["profile"], studio["segment"]
    minutes = [second / 60 for second in profile["time_s"]]
    _shade(axes, profile, language)
    if segment is not None:
        _segment(axes, minutes, segment, words)
    axes.plot(minutes, profile["target_n"], color=TENSION, lw=1.7, label=words["target"])
    _levels(axes, studio["levels"], words)
    axes.set_ylabel(words["force"])
    axes.set_ylim(0, studio["levels"]["ceiling"] * 1.3)
    axes.set_xlim(0, minutes[-1] * 1.09)
    axes.legend(loc="upper left", ncols=3, frameon=True, framealpha=0.95, edgecolor="none")


def _segment(axes: "Axes", minutes: list[float], segment: Json, words: dict[str, str]) -> None:
    label, ends = (
        words["interval"].format(interval=segment["interval"]),
        (segment["low_n"], segment["high_n"]),
    )
    axes.fill_between(minutes, *ends, color=SEGMENT, alpha=0.2, lw=0, label=label)
    axes.plot(minutes, segment["axial_n"], color=SEGMENT, lw=1.2, ls=(0, (4, 1.5)), label=words["segment"])


def _shade(axes: "Axes", profile: Json, language: Language) -> None:
    for row in profile["phases"]:
        left, right = row["from_s"] / 60, row["to_s"] / 60
        axes.axvspan(left, right, color=SHADES[row["phase"]], lw=0, zorder=0)
        if row["to_s"] - row["from_s"] > LEAST_NAMED * profile["seconds"]:
            axes.annotate(
                getattr(PHASE_WORDS[row["phase"]], language), ((left + right) / 2, 1.0),
                xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
                ha="center", fontsize=7, color=QUIET,
            )  # fmt: skip


def _levels(axes: "Axes", levels: dict[str, float], words: dict[str, str]) -> None:
    for name, level in levels.items():
        is_limit = name == "ceiling"
        colour = ALERT if is_limit else QUIET
        axes.axhline(level, color=colour, lw=1.3 if is_limit else 0.8, ls="--" if is_limit else ":")
        axes.annotate(
            f"{words[name]}\n{level:.0f} N", (1.0, level), xycoords=("axes fraction", "data"), xytext=(-2, 2),
            textcoords="offset points", ha="right", va="bottom", fontsize=8.5, color=colour,
        )  # fmt: skip


def _session(axes: "Axes", prescription: Prescription, preview: Json, words: dict[str, str]) -> None:
    minutes = [second / 60 for second in preview["time_s"]]
    axes.fill_between(minutes, preview["least_n"], preview["most_n"], color=TENSION, alpha=0.22, lw=0)
    axes.plot(minutes, preview["tension_n"], color=TENSION, lw=1.0, label=words["tension"])
    axes.plot(minutes, preview["target_n"], color=INK, lw=0.9, ls=":", label=words["target"])
    axes.axhline(preview["ceiling_n"], color=ALERT, lw=1.3, ls="--")
    told = words["simulated"].format(
        weight=prescription.body_weight_kg, seed=preview["seed"], most=preview["max_tension_n"],
        cycles=preview["cycles"], duration=preview["duration_s"] / 60,
    )  # fmt: skip
    axes.set_title(told, loc="left", fontsize=9.5, color=INK)
    axes.set(xlabel=words["minutes"], ylabel=words["force"])
    axes.set_ylim(0, preview["ceiling_n"] * 1.3)
    travel = axes.twinx()
    (line,) = travel.plot(minutes, preview["travel_mm"], color=TRAVEL, lw=1.1, label=words["travel"])
    travel.set_ylabel(words["millimetres"], color=TRAVEL)
    travel.set_ylim(0, max(preview["travel_mm"]) * 1.45)
    travel.spines["right"].set_visible(True)
    lines = [*axes.get_lines()[:2], line]
    axes.legend(handles=lines, loc="upper left", ncols=3, frameon=True, framealpha=0.95, edgecolor="none")


def _foot(figure: "Figure", studio: Json, words: dict[str, str], language: Language) -> None:
    segment = studio["segment"]
    if segment is None:
        figure.supxlabel(studio["no_model"][language], x=0.01, ha="left", fontsize=8.5, color=ALERT)
        return
    peak = segment["at"]["peak"]
    told = words["foot"].format(
        axial=peak["axial_n"], low=peak["axial_low_n"], high=peak["axial_high_n"], pull=peak["pull_n"],
        table=words.get(segment["table"], segment["table"]),
    )  # fmt: skip
    figure.supxlabel(told, x=0.01, ha="left", fontsize=8.5, color=QUIET)
