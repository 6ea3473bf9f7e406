"""What holds for a person whatever programmes they have: two regions, one after another, merged files."""

from datetime import date, timedelta

from homecare import programmes as p

TODAY = date.fromisoformat(p.MONDAY)

CERVICAL = {
    "region": "cervical", "exercises": [{"exercise": "bridge", "ceiling_level": 2},
                                        {"exercise": "chin-tuck", "ceiling_level": 2}],
}  # fmt: skip


def both(rig):
    """Somebody with a lumbar and a cervical programme, the bridge signed in each."""
    patient = p.cleared(rig)
    rig.clinic_event("clearance.decided", patient=patient, region="cervical", outcome="cleared", rules=[])
    ids = [p.made(rig, patient, **more)["programme"]["id"] for more in ({}, CERVICAL)]
    for programme in ids:
        p.sign(rig, programme, "bridge")
    return ids


def test_what_hurt_in_one_programme_is_locked_in_the_other(rig):
    """The bridge is of both regions: a lock in one that the other walks around is none."""
    lumbar, cervical = both(rig)
    assert p.statuses(p.shown(rig, cervical))["bridge"] == "open"
    report = p.hurt(rig, lumbar, "bridge")
    assert p.statuses(p.shown(rig, cervical)) == {"bridge": "pain", "chin-tuck": "supervision"}
    p.answer(rig, lumbar, report, "stays_off")
    assert p.statuses(p.shown(rig, cervical))["bridge"] == "off"


def test_pain_at_no_exercise_locks_the_person(rig):
    """Nobody knows yet what hurts: all of it waits for a clinician."""
    lumbar, cervical = both(rig)
    report = p.hurt(rig, lumbar)
    assert set(p.statuses(p.shown(rig, cervical)).values()) == {"pain"}
    p.answer(rig, lumbar, report, "stays_off")
    assert p.statuses(p.shown(rig, lumbar))["bridge"] == "off"
    assert p.statuses(p.shown(rig, cervical))["bridge"] == "open"


def test_what_stays_off_stays_off_in_the_next_programme(rig):
    """Else whoever ends a programme and sets it again has opened what a clinician closed."""
    patient = p.cleared(rig)
    first = p.made(rig, patient)["programme"]["id"]
    p.answer(rig, first, p.hurt(rig, first, "bridge"), "stays_off")
    p.turn(rig, first, "end")
    second = p.made(rig, patient)["programme"]["id"]
    assert p.statuses(p.shown(rig, second))["bridge"] == "off"
    rig.now += timedelta(seconds=1)
    assert p.statuses(p.change(rig, second, 1, again=["bridge"]))["bridge"] == "supervision"


def test_the_day_s_minutes_are_the_person_s(rig):
    """Twenty minutes for the neck beside twenty for the back would be forty."""
    lumbar, cervical = both(rig)
    p.done(rig, lumbar, "bridge", TODAY, seconds=19 * 60)
    assert p.shown(rig, cervical)["today"]["cap_s"] == 60
    assert p.shown(rig, lumbar)["today"]["cap_s"] == 20 * 60


def test_a_week_goes_on_in_the_next_programme(rig):
    """Ending and setting anew gives no second week."""
    patient = p.cleared(rig)
    first = p.made(rig, patient, minutes_per_week=30)["programme"]["id"]
    p.done(rig, first, "bridge", TODAY, seconds=20 * 60)
    p.turn(rig, first, "end")
    rig.now += timedelta(days=1)
    second = p.made(rig, patient, minutes_per_week=30)
    assert second["today"]["cap_s"] == 10 * 60
