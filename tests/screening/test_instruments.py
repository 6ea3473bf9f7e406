import pytest

from services.screening.errors import Invalid
from services.screening.outcomes.adverse import grades, kinds
from services.screening.outcomes.instruments import instruments, of_region, pain_scale

ODI, NDI = instruments()["odi"], instruments()["ndi"]


def answered(instrument, value, left_out=0):
    """Every section the same, the last ones left out."""
    sections = instrument.sections[: len(instrument.sections) - left_out]
    return {section.id: value for section in sections}


@pytest.mark.parametrize("instrument", [ODI, NDI])
def test_a_score_is_a_share_of_what_was_answered(instrument):
    """The published examples: 16 of 50 is 32 %, 16 of 45 (one section left out) is 35.6 %."""
    whole = answered(instrument, 2) | {instrument.sections[0].id: 0, instrument.sections[1].id: 0}
    assert instrument.score(whole) == 32.0
    one_out = answered(instrument, 2, left_out=1) | {instrument.sections[0].id: 0}
    assert instrument.score(one_out) == 35.6
    assert instrument.score(answered(instrument, 0)) == 0.0
    assert instrument.score(answered(instrument, 5)) == 100.0


@pytest.mark.parametrize("instrument", [ODI, NDI])
def test_with_too_much_left_out_there_is_no_score(instrument):
    """A guess at three of ten sections is not a measurement."""
    assert instrument.score(answered(instrument, 3, left_out=2)) == 60.0
    assert instrument.score(answered(instrument, 3, left_out=3)) is None


@pytest.mark.parametrize("wrong", [{"pain": 6}, {"pain": -1}, {"flying": 1}, {}])
def test_answers_that_cannot_be_are_refused(wrong):
    """In both languages, with the limit."""
    with pytest.raises(Invalid) as refused:
        ODI.checked(wrong)
    assert refused.value.words["de"]
    assert refused.value.words["en"]


def test_what_matters_is_a_share_of_the_first_odi_and_points_of_pain_and_ndi():
    """PMC3454560: 18 % of the first ODI; PMC7053735: 2 points of pain; MacDermid 2009: 7 of 50 of the NDI."""
    assert ODI.matters(50.0) == pytest.approx(9.0)
    assert NDI.matters(50.0) == 14.0
    assert pain_scale().matters_points == 2.0
    assert (of_region("lumbar"), of_region("cervical")) == (ODI, NDI)


@pytest.mark.parametrize("instrument", [ODI, NDI])
def test_each_has_ten_sections_in_both_languages(instrument):
    """As the instruments have."""
    assert len({section.id for section in instrument.sections}) == 10
    assert all(section.de and section.en for section in instrument.sections)


def test_every_kind_of_adverse_event_has_words_a_source_and_grades_that_suspend():
    """New or worse radiating pain and weakness always suspend, dizziness always in neck treatment."""
    assert sorted(grades()) == [1, 2, 3, 4, 5]
    for kind in kinds().values():
        assert kind.de
        assert kind.en
        assert kind.source
        assert all(kind.suspends(region, 3) for region in ("lumbar", "cervical"))
    assert kinds()["radiating-pain"].suspends("lumbar", 1)
    assert kinds()["weakness"].suspends("cervical", 1)
    assert kinds()["dizziness"].suspends("cervical", 1)
    assert not kinds()["dizziness"].suspends("lumbar", 1)
