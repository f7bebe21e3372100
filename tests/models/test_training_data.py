"""Examples: which rows a model is trained on, and how repetitions become one response."""

import numpy as np
import pytest

from braincodec.datasets import Recording, Split
from braincodec.errors import InputTypeError, InputValueError, NotTrainedError
from braincodec.models.linear import LinearEncoder
from braincodec.models.provenance import software_versions
from braincodec.models.training_data import training_data
from braincodec.responses import build_responses, build_sensor_units, build_units
from braincodec.stimuli import StimulusSet

from ..small_models import linear

IDS = [f"image-{number}" for number in range(6)]


def recording(values, split=None, units=None, name="1"):
    images = np.zeros((6, 4, 4, 3), np.uint8)
    units = build_units(ijk=np.eye(3, dtype=int)) if units is None else units
    responses = build_responses(values, IDS, units)
    split = split or Split(train=IDS[4:1:-1], test=IDS[:2])
    return Recording("example", name, StimulusSet.open(images, ids=IDS), responses, units, split)


def test_examples_are_the_training_rows_in_the_order_of_the_split():
    values = np.arange(18.0).reshape(6, 3)
    [examples] = training_data(recording(values))
    assert examples.stimuli.ids.tolist() == IDS[4:1:-1]
    np.testing.assert_array_equal(examples.block(), values[[4, 3, 2]])
    np.testing.assert_array_equal(examples(slice(1, 3)), values[[4, 3, 2], 1:])
    assert examples.block().dtype == np.float32 and examples.outputs == 3 and examples.groups is None


def test_repetitions_are_averaged_where_they_are_there_or_taken_one_by_one():
    values = np.random.default_rng(0).normal(size=(6, 2, 3))
    values[3, 1] = np.nan
    [examples] = training_data(recording(values))
    np.testing.assert_allclose(examples.block(), np.nanmean(values, 1)[[4, 3, 2]], rtol=1e-6)
    np.testing.assert_allclose(examples.block(repetition=0), values[[4, 3, 2], 0], rtol=1e-6)
    assert examples.repetitions == 2 and np.isfinite(examples.block()).all()


def test_sensor_responses_are_flattened_channel_by_channel():
    units = build_sensor_units(["O1", "O2"], [0.0, 0.1, 0.2])
    values = np.random.default_rng(0).normal(size=(6, 2, 2, 3))
    [examples] = training_data(recording(values, units=units))
    assert examples.output_shape == (2, 3) and examples.outputs == 6
    expected = values.mean(1)[[4, 3, 2]].reshape(3, 6)
    np.testing.assert_allclose(examples(slice(2, 5)), expected[:, 2:5], rtol=1e-6)


def test_wrong_data_is_refused_before_anything_is_read():
    with pytest.raises(InputValueError, match="subject 1, has 1 training stimulus; at least 2"):
        training_data(recording(np.zeros((6, 3)), Split(train=IDS[:1], test=IDS[1:])))
    with pytest.raises(InputTypeError, match="list of Recordings is needed, not ndarray"):
        training_data(np.zeros((3, 3)))
    with pytest.raises(InputValueError, match="different names"):
        training_data([recording(np.zeros((6, 3)))] * 2)


def test_stimuli_that_one_subject_is_tested_on_train_no_other():
    values = np.zeros((6, 3))
    one = recording(values, Split(train=IDS[:3], test=IDS[3:]))
    two = recording(values, Split(train=IDS[2:4], validation=IDS[:1]), name="2")
    with pytest.raises(InputValueError, match="1 test stimuli of example, subject 1, train subject 2, the first"):
        training_data([one, two])
    with pytest.raises(InputValueError, match="1 validation stimuli of example, subject 2, train subject 1"):
        training_data([two, recording(values, Split(train=IDS[:3]))])
    assert len(training_data([one, recording(values, Split(train=IDS[:2]), name="2")])) == 2


def test_model_that_came_trained_is_not_trained_again():
    with pytest.raises(InputValueError, match="came trained; make a new one"):
        linear().fit(recording(np.zeros((6, 3))))


def test_untrained_model_says_so_whatever_it_is_asked():
    model = LinearEncoder.__new__(LinearEncoder)
    model.recipe = None
    assert not model.trained and "not trained" in repr(model)
    for ask in (lambda: model.units, lambda: model.response_shape, lambda: model.encode(np.zeros((1, 4, 4, 3)))):
        with pytest.raises(NotTrainedError, match="not trained yet; call fit"):
            ask()
    with pytest.raises(AttributeError, match="no attribute 'unitz'"):
        _ = model.unitz


def test_software_versions_name_what_decides_the_numbers():
    assert {"python", "braincodec", "torch", "numpy"} <= set(software_versions())
