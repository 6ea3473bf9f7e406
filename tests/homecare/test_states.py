"""How a programme goes from state to state; and that no path opens what is locked, skips or exceeds."""

from datetime import date, timedelta
from itertools import product
from uuid import uuid4

import pytest
from homecare import programmes as home
from homecare.homecare_rig import NOW
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from services.homecare.errors import Conflict
from services.homecare.programmes import showing, states, store
from services.homecare.programmes.settling import Settling
from services.kit.database import reading

EXERCISES = [row["exercise"] for row in home.WANTED["exercises"]]


@pytest.mark.parametrize(("state", "turn"), list(product(states.STATES, states.TURNS)))
def test_every_turn_of_every_state_is_in_the_table_or_refused_in_words(state, turn):
    """What nobody has thought of is refused, with what would be possible."""
    following = states.TABLE.get((state, turn))
    if following is None:
        with pytest.raises(Conflict) as refused:
            states.after(state, turn, was_started=False)
        assert states.STATES[state]["de"] in refused.value.words["de"]
        return
    assert states.after(state, turn, was_started=True) == following[-1]
    assert states.after(state, turn, was_started=False) == following[0]


def test_what_is_over_stays_over():
    """A completed or an ended programme has no way back: another one is set."""
    assert {state for state, _ in states.TABLE} == set(states.OPEN)


def test_the_first_exercise_that_opens_starts_the_programme_once(rig):
    """Billing, reports and the patient's page go by it: neither early nor twice."""
    programme = home.made(rig)["programme"]["id"]
    assert home.statuses(home.shown(rig, programme)) == dict.fromkeys(EXERCISES, "supervision")
    view = home.sign(rig, programme, "bridge", went_well=False)
    assert (view["state"], rig.told("programme")) == ("supervised", [])
    rig.now += timedelta(days=1)
    view = home.sign(rig, programme, "bridge", "2026-11-24")
    assert (view["state"], home.statuses(view)["bridge"]) == ("running", "open")
    home.sign(rig, programme, "abdominal-tightening", "2026-11-24")
    assert home.turn(rig, programme, "pause")["state"] == "paused"
    assert home.turn(rig, programme, "resume")["state"] == "running"
    (told,) = rig.told("programme")
    assert told.type == "programme.started"
    assert told.data == {
        "programme": programme, "patient": view["programme"]["patient"], "cure": None, "region": "lumbar",
    }  # fmt: skip


def test_a_programme_of_next_week_starts_next_week_by_itself(rig):
    """Signed today, open on its first day by the site's clock."""
    view = home.made(rig, starts_on="2026-11-24")
    programme, settling = view["programme"]["id"], Settling(rig.office, lambda: rig.now)
    assert home.sign(rig, programme, "bridge")["state"] == "supervised"
    rig.now += timedelta(hours=15, minutes=59)  # 23:59 in Berlin
    assert settling.turn() == 0
    rig.now += timedelta(minutes=1)
    assert (settling.turn(), settling.turn()) == (1, 0)
    assert home.shown(rig, programme)["state"] == "running"


def test_a_programme_is_completed_when_its_weeks_are_over(rig):
    """By the site's day, with what was done of what was due, whether or not it was paused."""
    view = home.made(rig, weeks=1)
    programme, settling = view["programme"]["id"], Settling(rig.office, lambda: rig.now)
    home.sign(rig, programme, "bridge")
    for day in (23, 24, 24):
        home.done(rig, programme, "bridge", date(2026, 11, day))
    home.turn(rig, programme, "pause")
    rig.now += timedelta(days=6, hours=15, minutes=59)
    assert settling.turn() == 0
    rig.now += timedelta(minutes=1)
    assert (settling.turn(), settling.turn()) == (1, 0)
    told = rig.told("programme")[-1]
    assert told.type == "programme.completed"
    assert (told.data["done_days"], told.data["due_days"]) == (2, 5)
    assert home.shown(rig, programme)["state"] == "completed"
    home.turn(rig, programme, "resume", status=409)


@pytest.mark.requirement("gate-the-home")
def test_a_centre_programme_never_opens_at_home(rig):
    """A large hernia is signed session by session and nothing else."""
    programme = home.made(rig, hernia="extrusion", size="large")["programme"]["id"]
    for at in range(12):
        view = home.sign(rig, programme, "bridge", str(date(2026, 11, 23) + timedelta(days=at)))
        rig.now += timedelta(days=1)
    assert view["state"] == "supervised"
    assert set(home.statuses(view).values()) == {"centre"}


# --- whatever happens, in whatever order ------------------------------------------------------------------
class Oracle:
    """What may be open, worked out by its own simple books."""

    def __init__(self, rig):
        rig.now = NOW
        self.rig, self.patient = rig, home.cleared(rig)
        view = home.made(rig, self.patient)
        self.id, self.version, self.needs = view["programme"]["id"], 1, {}
        for judged in view["decision"]["exercises"]:
            self.needs[judged["exercise"]] = judged["supervised_sessions"]
        self.signed = dict.fromkeys(EXERCISES, 0)
        self.ceilings = {row["exercise"]: row["ceiling_level"] for row in home.WANTED["exercises"]}
        self.open_reports, self.off, self.suspensions = [], set(), []
        self.state = "going"

    def take(self, step, exercise, number):
        """One step; what is refused changes nothing."""
        getattr(self, f"_{step}")(exercise, number)
        self.rig.now += timedelta(hours=13)
        self._check()

    def _sign(self, exercise, number):
        body = home.request(exercise=exercise, day=str(self._today()), went_well=number > 0)
        answer = self.rig.knock("POST", f"/programmes/{self.id}/supervised", json=body)
        self.signed[exercise] += answer.is_success and number > 0

    def _turn(self, _exercise, number):
        verb = ("pause", "resume", "pause", "resume", "end")[number]
        done = self.rig.knock("POST", f"/programmes/{self.id}/{verb}", json=home.request(reason="x"))
        if done.is_success:
            self.state = {"pause": "paused", "resume": "going", "end": "ended"}[verb]

    def _change(self, exercise, number):
        rows = [row | {"ceiling_level": number % 3} for row in home.WANTED["exercises"]]
        again = [exercise] if number == 4 else []
        body = home.request(version=self.version, wanted=home.WANTED | {"exercises": rows}, again=again)
        if self.rig.knock("PUT", f"/programmes/{self.id}", json=body).is_success:
            self.version += 1
            self.ceilings = dict.fromkeys(EXERCISES, number % 3)
            self.off -= set(again)

    def _pain(self, exercise, number):
        where = exercise if number else None
        self.open_reports.append((home.hurt(self.rig, self.id, where), where))

    def _answer(self, _exercise, number):
        if not self.open_reports:
            return
        report, where = self.open_reports.pop(number % len(self.open_reports))
        decision = ("go_on", "lower", "stays_off")[number % 3]
        home.answer(self.rig, self.id, report, decision)
        if decision == "stays_off":
            self.off |= set(EXERCISES) if where is None else {where}

    def _suspend(self, _exercise, number):
        if self.suspensions and number % 2:
            told = {"suspension": self.suspensions.pop(), "patient": self.patient, "region": None}
            self.rig.clinic_event("clearance.restored", **told)
            return
        self.suspensions.append(str(uuid4()))
        told = {"suspension": self.suspensions[-1], "patient": self.patient, "region": None, "reason": "x"}
        self.rig.clinic_event("clearance.suspended", **told)

    def _done(self, exercise, number):
        for back in range(number):
            home.done(self.rig, self.id, exercise, self._today() - timedelta(days=back))

    def _today(self):
        return (self.rig.now + timedelta(hours=1)).date()

    def _check(self):
        with reading(self.rig.engine) as connection:
            view = showing.one(connection, store.programme(connection, self.id), self.rig.now)
        locked = {where for _, where in self.open_reports}
        is_open = [item for item in view["today"]["items"] if item["status"] == "open"]
        for item in is_open:
            name = item["exercise"]
            assert not {None, name} & locked
            assert name not in self.off
            assert self.signed[name] >= self.needs[name] > 0
            assert (self.state, self.suspensions) == ("going", [])
        assert all(item["level"] <= self.ceilings[item["exercise"]] for item in view["today"]["items"])
        assert sum(item["seconds"] for item in is_open) <= view["today"]["cap_s"] <= 20 * 60


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["sign", "sign", "turn", "change", "pain", "answer", "suspend", "done"]),
        st.sampled_from(EXERCISES), st.integers(0, 4),
    ),
    min_size=6, max_size=12,
)  # fmt: skip


@pytest.mark.requirement("lock-on-pain")
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
@example(
    steps=[("pain", "bridge", 1), ("change", "bridge", 2), ("answer", "bridge", 2), ("change", "bridge", 2),
           ("done", "bridge", 4), ("suspend", "bridge", 0), ("suspend", "bridge", 1)]
)  # fmt: skip
@given(steps=STEPS)
def test_no_path_opens_a_lock_skips_supervision_or_passes_a_ceiling(rig, steps):
    """Whatever clinicians, patients and screening do, in whatever order."""
    oracle = Oracle(rig)
    for exercise in EXERCISES[:2]:
        oracle.take("sign", exercise, 1)
    for step in steps:
        oracle.take(*step)
