"""The library of home exercises: whole in both languages, within its caps, and drawn."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from services.homecare.exercises import drawing, shapes
from services.homecare.exercises.errors import LibraryError
from services.homecare.exercises.figure import Pose, built
from services.homecare.exercises.library import HERE, library, read
from services.homecare.exercises.models import MOST_MINUTES

ALL = library()
BRIDGE, TRACTION = "library/bridge.toml", "library/traction.toml"
REPOSITORY = Path(__file__).parents[2]
ASKED_FOR = {  # what the therapy's two articles name, by id
    "dry-traction-table", "dry-traction-weights", "underwater-traction-continuous",
    "underwater-traction-variable", "hanging", "hanging-knees-bent", "evminov-pelvic-lift",
    "evminov-rocking", "evminov-leg-raises", "inclined-board", "head-and-shoulder-raise",
    "hand-against-opposite-knee", "chair-back-bend", "pillow-chest-stretch", "forehead-against-palm",
    "temple-against-palm", "head-back-against-hands", "bridge",
}  # fmt: skip


def test_every_exercise_and_kind_of_traction_of_the_articles_is_there():
    """A programme can only be set from what the library holds."""
    assert set(ALL.exercises) >= ASKED_FOR
    assert {row.traction.mechanics for row in ALL.exercises.values() if row.traction} == {
        "board", "hanging", "hanging_knees_bent", "dry", "underwater",
    }  # fmt: skip
    for region in ("lumbar", "thoracic", "cervical"):
        assert sum(row.kind == "exercise" for row in ALL.for_region(region)) >= 4


@pytest.mark.parametrize("exercise", ALL.exercises.values(), ids=lambda row: row.id)
def test_an_exercise_is_told_whole_in_both_languages_and_ends_in_time(exercise):
    """A patient who misses a step, a warning or the end of it may come to harm."""
    lists = (exercise.steps, exercise.cues, exercise.avoid, exercise.stop_when)
    texts = (exercise.name, exercise.purpose, *(words for words_list in lists for words in words_list))
    assert all(words["de"] != words["en"] for words in texts)
    assert len(exercise.steps) >= 3
    assert all(words in exercise.stop_when for words in ALL.stop_always)
    assert exercise.most_minutes_per_session <= exercise.most_minutes_per_day <= MOST_MINUTES
    assert all(exercise.seconds(level) <= exercise.most_minutes_per_session * 60 for level in exercise.levels)
    assert exercise.place == "home" or exercise.supervised_first_sessions == 10


def test_hanging_grows_as_the_article_says():
    """10 s at first, then 30 s, then twice 30 s: no path is shorter."""
    for name in ("hanging", "hanging-knees-bent"):
        hangs = [(row.sets, row.repetitions, row.hold_s) for row in ALL.of(name).levels]
        assert hangs == [(1, 1, 10), (1, 1, 30), (2, 1, 30)]


def _long(text):
    return {word.strip(",;:").lower() for word in text.split() if len(word) > 4}


def test_what_screening_asks_has_the_same_code_here():
    """A fact that one service knows must keep a patient from an exercise without being asked again."""
    rules = tomllib.loads((REPOSITORY / "services/screening/rules/rules.toml").read_text("utf-8"))["rule"]
    screened = {row["id"]: row for row in rules}
    for code, condition in ALL.conditions.items():
        assert condition.screened == (code in screened)
        if condition.screened:
            assert len(_long(condition.name["de"]) & _long(screened[code]["text_de"])) >= 1


def test_no_condition_and_no_thing_is_listed_in_vain():
    """A clinician is asked nothing that decides nothing."""
    rows = ALL.exercises.values()
    assert {code for row in rows for code in row.not_for} == set(ALL.conditions)
    assert {code for row in rows for code in row.equipment} == set(ALL.equipment)


@pytest.fixture
def copied(tmp_path):
    """The library's files where they may be broken."""
    folder = tmp_path / "exercises"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__", "drawings"))
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            BRIDGE,
            "most_minutes_per_day = 10",
            "most_minutes_per_day = 200",
            "most_minutes_per_day is 200",
        ),
        (BRIDGE, 'de = "Brücke", ', "", "bridge.toml: bridge: name is"),
        (BRIDGE, '"pregnancy", ', '"pregnacy", ', "exercise bridge: not_for is 'pregnacy'"),
        (BRIDGE, "sets = 1, repetitions = 5", "sets = 9, repetitions = 5", "bridge: levels.0.sets is 9"),
        (BRIDGE, "repetitions = 5", "repetitions = 15", "bridge: whole: levels take"),
        (BRIDGE, 'id = "bridge"', 'id = "hanging"', "hanging: id stands twice"),
        (BRIDGE, "move_s = 4", "move_s = nan", "bridge: move_s is nan"),
        (
            TRACTION,
            "hold_s = 10, rest_s = 60}",
            "hold_s = 20, rest_s = 60}",
            "a hang of more than 10 s",
        ),
        (TRACTION, "angle_deg = 45", "angle_deg = 145", "inclined-board: traction.angle_deg is 145"),
        (
            TRACTION,
            "supervised_first_sessions = 3",
            "supervised_first_sessions = 0",
            "under supervision",
        ),
        ("library/lumbar.toml", "[[exercise]]", "[[exercise", "lumbar.toml: cannot be read"),
        (
            "conditions.toml",
            "screened = true",
            'screened = "perhaps"',
            "pregnancy: screened",
        ),
        (
            "everyday.toml",
            'source = "home-article"',
            'source = "hearsay"',
            "lifting: source is 'hearsay'",
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_name_the_entry_and_the_field(copied, file, old, new, told):
    """Whoever changes the clinic's library must find the slip at once, before any patient does."""
    text = (copied / file).read_text("utf-8")
    assert old in text
    (copied / file).write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(LibraryError) as refusal:
        read(copied)
    assert told in refusal.value.message


def test_everything_that_is_done_has_its_drawing_and_nothing_else_has():
    """Whoever cannot read the steps sees them."""
    drawn = {row.id for row in ALL.everyday.values() if row.drawing} | set(ALL.exercises)
    assert {file.stem for file in (HERE / "drawings").iterdir()} == drawn == set(drawing.drawings())
    with pytest.raises(KeyError):
        ALL.drawing("no-jerks")


@pytest.mark.parametrize("name", drawing.drawings())
def test_a_drawing_is_the_one_of_its_poses_and_fits_any_page(name):
    """What is served was looked at; it is inlined, so its ids are its own and no style is needed."""
    svg = ALL.drawing(name)
    assert svg == drawing.rendered(name), "python -m services.homecare.exercises.drawing writes them anew"
    root = ET.fromstring(svg)  # noqa: S314  (written by this project)
    assert root.get("viewBox") == "0 0 480 250"
    assert "style" not in svg
    assert all(row.get("id", name).startswith(name) for row in root.iter())
    assert "nan" not in svg.replace("evminov", "")


@pytest.mark.parametrize("name", [name for name, row in drawing.drawings().items() if row.zoom < 2])
def test_nobody_is_drawn_beyond_the_picture_or_into_the_floor(name):
    """A hand below the floor or a cut foot makes a drawing a riddle."""
    drawn = drawing.drawings()[name]
    for index, panel in enumerate((drawn.start, drawn.end)):
        joints = built(panel.pose, drawn.view).joints
        for joint in (joints[part] for part in joints if part not in ("nape", "forehead")):
            x, y = drawing.framed(drawn, index).at(joint)
            left = index * (drawing.PANEL_WIDTH + drawing.GAP)
            assert left + 4 < x < left + drawing.PANEL_WIDTH - 4
            assert 4 < y < drawing.HEIGHT
            assert not drawn.floor or joint[1] >= 3.5


def test_a_drawing_says_what_the_words_say_of_holds_and_sides():
    """A picture that tells another hold than the words would be believed."""
    for name, row in ALL.exercises.items():
        assert drawing.drawings()[name].sides == row.each_side
        for panel in (drawing.drawings()[name].start, drawing.drawings()[name].end):
            if panel.hold_s:
                assert {level.hold_s for level in row.levels} == {panel.hold_s}


def test_a_limb_that_reaches_ends_where_it_should_and_bends_as_told():
    """Hands lie on knees and feet on the floor in every drawing because of this."""
    pose = Pose.model_validate({"hip": [0, 10], "torso": 180, "leg": {"to": [44, 5], "bend": 1}})
    joints = built(pose, "side").joints
    assert joints["ankle"] == pytest.approx((44, 5))
    assert joints["knee"][1] > 30
    assert shapes.pair((-0.04, 2.0)) == "0 2"


def test_the_library_brings_nothing_heavy():
    """A process that lists exercises must start in no time."""
    code = "import sys, services.homecare.exercises.library as l; l.library(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {"sqlalchemy", "numpy", "fastapi", "typst", "httpx"} & set(loaded.split())
