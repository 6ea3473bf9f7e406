"""What a decision comes to is told on the bus: the scheduler books nobody who is refused."""

from screening.treated import answered


def told(rig, region="lumbar"):
    """What was told of one region, oldest first."""
    events = [event for event in rig.told("clearance") if event.type == "clearance.decided"]
    return [event.data for event in events if event.data["region"] == region]


def put(rig, patient, rule, answer):
    """One answer at the desk."""
    body = {"value": {"answer": answer}, "given_by": "staff"}
    rig.ask("PUT", f"/patients/{patient}/answers/{rule}", json=body)


def test_a_refusal_is_told_with_its_rule_the_moment_it_is_known(rig):
    """Nobody has to press a button for it; what changes nothing is not told again."""
    patient = rig.patient()
    put(rig, patient, "pregnancy", "yes")
    (said,) = told(rig)
    assert (said["patient"], said["outcome"], said["rules"]) == (str(patient), "refused", ["pregnancy"])
    put(rig, patient, "implant", "no")
    put(rig, patient, "pregnancy", "yes")
    assert len(told(rig)) == 1
    put(rig, patient, "pregnancy", "no")
    assert [row["outcome"] for row in told(rig)] == ["refused", "incomplete"]


def test_the_files_weight_is_told_and_no_name(rig):
    """A first prescription is held to the weight."""
    patient = rig.patient(body_weight_kg=82.5)
    answered(rig, patient)
    file = rig.ask("GET", f"/patients/{patient}")
    body = {
        "content": file["content"] | {"body_weight_kg": 79},
        "version": file["version"],
        "reason": "scale",
    }
    rig.ask("PUT", f"/patients/{patient}", json=body)
    (said,) = told(rig)
    assert (said["outcome"], said["consented"], said["body_weight_kg"]) == ("cleared", False, 79)
    assert said["age_years"] > 0
    assert file["content"]["family_name"] not in str(said)


def test_a_decision_that_is_kept_is_told_again(rig):
    """Whoever decides anew, because a year has passed, opens the booking again."""
    patient = rig.patient()
    put(rig, patient, "pregnancy", "yes")
    rig.ask("POST", f"/patients/{patient}/decisions", json={"region": "lumbar"}, status=201)
    assert [row["outcome"] for row in told(rig)] == ["refused", "refused"]
