import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.stimuli import StimulusSet

IDS = list("abcdefgh")
IMAGES = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 4, 3), np.uint8)


@pytest.fixture
def stimuli():
    return StimulusSet.open(IMAGES, ids=IDS)


@given(st.slices(8))
def test_slices_choose_what_a_list_would(index):
    chosen = StimulusSet.open(IMAGES, ids=IDS)[index]
    assert chosen.ids.tolist() == IDS[index]
    assert [int(image[0, 0, 0]) for image in chosen] == list(range(8))[index]


@given(st.lists(st.integers(-8, 7), unique_by=lambda position: position % 8))
def test_positions_choose_what_an_array_would(positions):
    chosen = StimulusSet.open(IMAGES, ids=IDS)[positions]
    assert chosen.ids.tolist() == [IDS[position] for position in positions]


def test_selections_of_selections_keep_their_images(stimuli):
    chosen = stimuli[2:][::-1][["c", "h"]]
    assert chosen.ids.tolist() == ["c", "h"]
    assert [int(image[0, 0, 0]) for image in chosen] == [2, 7]


@pytest.mark.parametrize(
    "index",
    [[1, 3], (1, 3), np.array([1, 3], np.uint8), ["b", "d"], np.array(["b", "d"]), slice(1, 4, 2)],
)
def test_ways_to_choose_agree(stimuli, index):
    assert stimuli[index].ids.tolist() == ["b", "d"]


def test_a_mask_chooses(stimuli):
    mask = np.zeros(8, bool)
    mask[[1, 5]] = True
    assert stimuli[mask].ids.tolist() == ["b", "f"]
    with pytest.raises(InputValueError, match="7 values for 8"):
        stimuli[mask[:7]]


def test_one_image_by_position_or_id(stimuli):
    for index in (3, -5, np.int64(3), "d", np.str_("d")):
        np.testing.assert_array_equal(stimuli[index], IMAGES[3])


def test_an_unknown_id_offers_the_nearest():
    stimuli = StimulusSet.open(IMAGES, ids=[f"cat-{i}.jpg" for i in range(8)])
    with pytest.raises(UnknownNameError, match=r"did you mean 'cat-3\.jpg'"):
        stimuli[["cat-1.jpg", "cta-3.jpg"]]


@pytest.mark.parametrize("index", [8, -9, [0, 8], np.array([-9])])
def test_positions_outside_raise_index_error(stimuli, index):
    with pytest.raises(IndexError, match="outside a set of 8"):
        stimuli[index]


@pytest.mark.parametrize("index", [1.5, None, [1.5], [[0, 1]], {"a"}])
def test_other_indices_are_refused(stimuli, index):
    with pytest.raises((InputTypeError, InputValueError)):
        stimuli[index]


def test_each_stimulus_is_chosen_once(stimuli):
    with pytest.raises(InputValueError, match="'b' is chosen more than once"):
        stimuli[[1, 2, -7]]


def test_an_empty_choice_gives_no_batch(stimuli):
    assert len(stimuli[[]]) == 0
    assert list(stimuli[[]].batches(3)) == []


@pytest.mark.parametrize(
    ("ids", "message"),
    [(["a"], "1 ids were given for 8"), (["a"] * 8, "'a' occurs more than once"), ("abcdefgh", "one id")],
)
def test_ids_must_fit(ids, message):
    with pytest.raises((InputValueError, InputTypeError), match=message):
        StimulusSet.open(IMAGES, ids=ids)


def test_ids_become_text():
    assert StimulusSet.open(IMAGES, ids=range(10, 18)).ids.tolist() == [str(i) for i in range(10, 18)]
    assert StimulusSet.open(IMAGES).ids.tolist() == [str(i) for i in range(8)]


def test_a_set_is_opened_as_itself(stimuli):
    assert StimulusSet.open(stimuli).ids.tolist() == IDS
    assert StimulusSet.open(stimuli[1:3], ids=["x", "y"]).ids.tolist() == ["x", "y"]
    with pytest.raises(InputValueError, match="first opened"):
        StimulusSet.open(stimuli, layout="channels_last")
